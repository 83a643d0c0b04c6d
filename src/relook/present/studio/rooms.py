"""The room's floor, walls and ceiling as lines over the picture: drag one, and the layout changes; a file as `relook perceive` writes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import gradio as gr

from relook.errors import GeometryError
from relook.present.studio.first import first
from relook.present.studio.project import Project
from relook.present.studio.regions import PICTURES
from relook.present.studio.shell import ORDERED, Shell, Steps, polite
from relook.present.studio.shown import displayed

if TYPE_CHECKING:
    from relook.present.studio.corners import Line
    from relook.types import Layout

STYLE = """
.room { position: relative; line-height: 0; }
.room img { width: 100%; height: auto; }
.room svg { position: absolute; inset: 0; width: 100%; height: 100%; touch-action: pan-y; overflow: visible; }
.room [data-grip] { touch-action: none; cursor: grab; }
.room line { stroke: #fff; stroke-width: 2; vector-effect: non-scaling-stroke; filter: drop-shadow(0 0 2px #000); }
.room .ceiling line { stroke: #7fe3f0; } .room .floor line { stroke: #ffd23d; }
.room g line.wide { stroke: transparent; stroke-width: 18; filter: none; pointer-events: stroke; }
.room circle { fill: #0f766e; stroke: #fff; stroke-width: 2; vector-effect: non-scaling-stroke; }
.room g:focus { outline: none !important; }
.room g:hover line:not(.wide), .room g:focus line:not(.wide) { stroke-width: 6; }
"""
SCRIPT = """
let held = null, keys = null, again = '';
const box = () => element.querySelector('svg').getBoundingClientRect();
const place = event => [(event.clientX - box().left) / box().width, (event.clientY - box().top) / box().height];
const middle = one => {
  const view = element.querySelector('svg').viewBox.baseVal, line = one.querySelector('line');
  const at = name => line[name].baseVal.value;
  return [(at('x1') + at('x2')) / 2 / view.width, (at('y1') + at('y2')) / 2 / view.height];
};
const named = one => `[data-grip="${one.dataset.grip}"][data-number="${one.dataset.number}"]`;
const shift = (one, dx, dy) => {
  const view = element.querySelector('svg').viewBox.baseVal;
  for (const part of element.querySelectorAll(named(one))) part.setAttribute('transform', `translate(${dx * view.width} ${dy * view.height})`);
};
const done = (one, at, to) => trigger('submit', { grip: one.dataset.grip, number: Number(one.dataset.number), at, to });
element.addEventListener('pointerdown', event => {
  const one = event.target.closest('[data-grip]');
  if (!one) return;
  held = { one, at: place(event) }; again = ''; event.preventDefault();
});
window.addEventListener('pointermove', event => {
  if (!held) return;
  const to = place(event); shift(held.one, to[0] - held.at[0], to[1] - held.at[1]);
});
window.addEventListener('pointerup', event => {
  if (!held) return;
  const { one, at } = held, to = place(event); held = null;
  if (Math.hypot((to[0] - at[0]) * box().width, (to[1] - at[1]) * box().height) > 2) done(one, at, to); else shift(one, 0, 0);
});
element.addEventListener('keydown', event => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const one = event.target.closest('g[data-grip]');
  if (!step || !one) return;
  event.preventDefault();
  const by = event.shiftKey ? 1 / 500 : 1 / 100;
  if (keys?.one !== one) keys = { one, dx: 0, dy: 0 };
  keys.dx += step[0] * by; keys.dy += step[1] * by; shift(one, keys.dx, keys.dy);
  clearTimeout(keys.later);
  keys.later = setTimeout(() => {
    const { dx, dy } = keys, at = middle(one); keys = null; again = `g${named(one)}`;
    done(one, at, [at[0] + dx, at[1] + dy]);
  }, 250);
});
new MutationObserver(() => {
  const one = again && document.activeElement === document.body && element.querySelector(again);
  if (one) one.focus();
}).observe(element, { childList: true, subtree: true });
"""
"""A line or a dot that is dragged, or moved with the arrow keys, says where it was taken and where to, in parts of the picture. Keys held down are one step; the
line that they move has the focus again when it is drawn anew."""
NOTHING = first(
    ("pair", "a full picture, in Picture"), result=("lines", "floor, walls and ceiling as lines, to be dragged"),
    said="Materials lie along them, in true size. A picture with hardly a line has no room that could be known.",
)  # fmt: skip
SAID = {
    "wall": "line of wall {} on the floor: drag it to or from you",
    "ceiling": "line of the ceiling at wall {}: drag it up or down",
    "corner": "line of corner {}: drag it along the floor",
}


class Rooms:
    """Components and what they do."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        self.which = gr.Radio(list(PICTURES), value="Your room", label="Picture", elem_id="room-which")
        self.picture = gr.HTML(NOTHING, elem_id="room", css_template=STYLE, js_on_load=SCRIPT)
        with gr.Column(visible=False) as self.tools:
            with gr.Row():
                self.facts = gr.HTML(elem_id="room-facts", min_width=280)
                self.forget = gr.Button("As it was seen", elem_id="room-forget", min_width=180, scale=0)
                self.steps = Steps(shell, "room")
            gr.Markdown(
                "Yellow is where walls meet the floor, blue where they meet the ceiling, white where walls meet. Drag a line or its dot, or choose a line with "
                "Tab and move it with the arrow keys (with Shift finely). What you drag counts as certain. The layout is a file of the project (`seen/`), as `relook perceive` writes it."
            )

    @property
    def outputs(self) -> list[Any]:
        """What `show` fills."""
        return [self.picture, self.facts, self.forget, self.which, self.tools, *self.steps.buttons]

    def wire(self, refresh: Callable[[Project], list[Any]], outputs: list[Any]) -> None:
        """refresh: project -> what `outputs` show of a changed look."""

        def drag(name: str, which: str, event: gr.EventData) -> list[Any]:
            from relook.present.studio.corners import taken

            project, side = self.shell.project(name), PICTURES[which]
            layout = self.studio.seeing.layout(project, side)
            if layout is not None:
                said: dict[str, Any] = event._data
                at, to = ((x * layout.size[1], y * layout.size[0]) for x, y in (said["at"], said["to"]))
                try:
                    new = taken(layout, said["grip"], int(said["number"]), at, to)
                except GeometryError as error:
                    gr.Warning(str(error))  # and the line goes back
                else:
                    self.studio.seeing.edit_layout(project, side, new)
            return self.show(name, which)

        def forget(name: str, which: str) -> list[Any]:
            self.studio.seeing.edit_layout(self.shell.project(name), PICTURES[which], None)
            return self.show(name, which)

        def renew(name: str) -> list[Any]:
            project = self.shell.project(name)
            self.studio.refresh(project)
            return refresh(project)

        chosen, everything = [self.shell.name, self.which], [*self.outputs, *outputs]
        dragged = self.picture.submit(polite(drag), chosen, self.outputs, trigger_mode="multiple", **ORDERED)
        forgotten = self.forget.click(polite(forget), chosen, self.outputs, **ORDERED)
        for edited in (dragged, forgotten):  # the lines first, then the picture that follows from them
            edited.then(polite(renew), [self.shell.name], outputs, **ORDERED)
        self.steps.wire(
            chosen, everything, lambda name, which: [*self.show(name, which), *refresh(self.shell.project(name))]
        )
        self.which.input(polite(self.show), chosen, self.outputs, trigger_mode="always_last", **ORDERED)

    def show(self, name: str, which: str = "Your room") -> list[Any]:
        """The lines over the picture, the room in words, and which picture it is."""
        project, side = self.shell.project(name), PICTURES[which]
        there = bool(project.look.picture(side))
        layout = self.studio.seeing.layout(project, side) if there else None
        if layout is None:
            return [
                NOTHING,
                "",
                gr.update(interactive=False),
                which,
                gr.update(visible=False),
                *self.steps.show(project),
            ]
        facts = f"<p>{layout.height:.2f} m high, {len(layout.walls)} walls, the camera {layout.eye:.2f} m above the floor ({escape(layout.scale)} scale)</p>"
        return [
            drawn(displayed(project, project.look.picture(side)), layout, which),
            facts,
            gr.update(interactive=bool(project.look.map_of(side, "layout"))),
            which,
            gr.update(visible=True),
            *self.steps.show(project),
        ]


def drawn(picture: str, layout: Layout, title: str) -> str:
    """The picture with the layout's lines and handles over it, as HTML."""
    from relook.present.studio.corners import handles_of, lines_of

    height, width = layout.size
    radius = max(layout.size) / 110
    lines = "".join(map(_line, lines_of(layout)))
    dots = "".join(
        f'<circle aria-hidden="true" data-grip="{one.grip}" data-number="{one.number}" cx="{one.at[0]:.1f}" cy="{one.at[1]:.1f}" r="{radius:.1f}"/>'
        for one in handles_of(layout)
    )
    source = f"gradio_api/file={quote(picture)}"
    return (
        f'<div class="room" data-drawn="{time.monotonic_ns()}"><img src="{escape(source)}" alt="{escape(title)}"><svg viewBox="0 0 {width} {height}" preserveAspectRatio="none">'
        f"{lines}{dots}</svg></div>"
    )


def _line(one: Line) -> str:
    """A line, and around it where it can be taken."""
    ends = f'x1="{one.start[0]:.1f}" y1="{one.start[1]:.1f}" x2="{one.end[0]:.1f}" y2="{one.end[1]:.1f}"'
    return (
        f'<g class="{one.kind}" tabindex="0" role="button" aria-label="{SAID[one.grip].format(one.number + 1)}" data-grip="{one.grip}" '
        f'data-number="{one.number}"><line {ends}/><line class="wide" {ends}/></g>'
    )
