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
    from relook.types import Layout

STYLE = """
.room { position: relative; line-height: 0; }
.room img { width: 100%; height: auto; }
.room svg { position: absolute; inset: 0; width: 100%; height: 100%; touch-action: pan-y; overflow: visible; }
.room circle { touch-action: none; }
.room line { stroke: #fff; stroke-width: 2; vector-effect: non-scaling-stroke; filter: drop-shadow(0 0 2px #000); }
.room line.ceiling { stroke: #7fe3f0; } .room line.floor { stroke: #ffd23d; }
.room circle { fill: #0f766e; stroke: #fff; stroke-width: 2; vector-effect: non-scaling-stroke; cursor: grab; }
.room circle:focus-visible { outline: none; stroke: #ffd23d; stroke-width: 4; }
"""
SCRIPT = """
let held = null;
const place = event => {
  const box = element.querySelector('svg').getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
};
const set = (circle, x, y) => {
  const view = element.querySelector('svg').viewBox.baseVal;
  circle.setAttribute('cx', x * view.width); circle.setAttribute('cy', y * view.height);
};
const done = (circle, x, y) => trigger('submit', { grip: circle.dataset.grip, number: Number(circle.dataset.number), x, y });
element.addEventListener('pointerdown', event => {
  if (!event.target.matches('circle')) return;
  held = event.target; event.preventDefault();
});
window.addEventListener('pointermove', event => { if (held) set(held, ...place(event)); });
window.addEventListener('pointerup', event => {
  if (!held) return;
  const circle = held; held = null; done(circle, ...place(event));
});
element.addEventListener('keydown', event => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!step || !event.target.matches('circle')) return;
  event.preventDefault();
  const view = element.querySelector('svg').viewBox.baseVal, circle = event.target;
  done(circle, circle.cx.baseVal.value / view.width + step[0] / 100, circle.cy.baseVal.value / view.height + step[1] / 100);
});
"""
"""A dragged or arrowed circle says where it is, in parts of the picture."""
NOTHING = first(
    ("pair", "a full picture, in Picture"), result=("lines", "floor, walls and ceiling as lines, to be dragged"),
    said="Materials lie along them, in true size. A picture with hardly a line has no room that could be known.",
)  # fmt: skip
SAID = {
    "wall": "wall {}: drag it to or from you",
    "ceiling": "ceiling at wall {}: drag it up or down",
    "corner": "corner {}: drag it along the floor",
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
                "Yellow is where walls meet the floor, blue where they meet the ceiling. Drag a dot, or choose it with Tab and move it with the arrow "
                "keys. What you drag counts as certain. The layout is a file of the project (`seen/`), as `relook perceive` writes it."
            )

    @property
    def outputs(self) -> list[Any]:
        """What `show` fills."""
        return [self.picture, self.facts, self.forget, self.which, self.tools, *self.steps.buttons]

    def wire(self, refresh: Callable[[Project], list[Any]], outputs: list[Any]) -> None:
        """refresh: project -> what `outputs` show of a changed look."""

        def drag(name: str, which: str, event: gr.EventData) -> list[Any]:
            from relook.present.studio.corners import dragged

            project, side = self.shell.project(name), PICTURES[which]
            layout = self.studio.seeing.layout(project, side)
            if layout is not None:
                said: dict[str, Any] = event._data
                pixel = (float(said["x"]) * layout.size[1], float(said["y"]) * layout.size[0])
                try:
                    new = dragged(layout, said["grip"], int(said["number"]), pixel)
                except GeometryError as error:
                    gr.Warning(str(error))  # and the dot goes back
                else:
                    self.studio.seeing.edit_layout(project, side, new)
                    self.studio.refresh(project)
            return [*self.show(name, which), *refresh(project)]

        def forget(name: str, which: str) -> list[Any]:
            project = self.shell.project(name)
            self.studio.seeing.edit_layout(project, PICTURES[which], None)
            self.studio.refresh(project)
            return [*self.show(name, which), *refresh(project)]

        chosen, everything = [self.shell.name, self.which], [*self.outputs, *outputs]
        self.picture.submit(polite(drag), chosen, everything, **ORDERED)
        self.forget.click(polite(forget), chosen, everything, **ORDERED)
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
    lines = "".join(
        f'<line class="{one.kind}" x1="{one.start[0]:.1f}" y1="{one.start[1]:.1f}" x2="{one.end[0]:.1f}" y2="{one.end[1]:.1f}"/>'
        for one in lines_of(layout)
    )
    dots = "".join(
        f'<circle tabindex="0" role="button" aria-label="{SAID[one.grip].format(one.number + 1)}" data-grip="{one.grip}" '
        f'data-number="{one.number}" cx="{one.at[0]:.1f}" cy="{one.at[1]:.1f}" r="{radius:.1f}"/>'
        for one in handles_of(layout)
    )
    source = f"gradio_api/file={quote(picture)}"
    return (
        f'<div class="room" data-drawn="{time.monotonic_ns()}"><img src="{escape(source)}" alt="{escape(title)}"><svg viewBox="0 0 {width} {height}" preserveAspectRatio="none">'
        f"{lines}{dots}</svg></div>"
    )
