"""What was seen, drawn over both pictures: click a region to choose it; rename, join, part, draw and brush regions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from relook.models import store
from relook.present.studio.first import first
from relook.present.studio.look import Which
from relook.present.studio.project import Project
from relook.present.studio.shell import ORDERED, Shell, Steps, polite

if TYPE_CHECKING:
    from relook.types import View

Point = tuple[float, float]
"""(x, y) in parts of the picture's width and height."""
Strokes = list[list[Point]]
NAMES = ("wall", "floor", "ceiling", "window", "door", "curtain", "rug", "sofa", "armchair", "chair", "table", "bed", "cabinet", "shelf",
         "lamp", "plant", "painting", "cushion", "mirror", "television")  # fmt: skip
"""Names that are offered; any other can be written."""
CHOOSE, SHAPE, BRUSH, ONTO, OFF, CUT = (
    "choose a region", "corners of a new one", "brush a new one", "brush onto the chosen one", "brush off the chosen one", "cut out what is there",
)  # fmt: skip
"""What a pointer means on the picture."""
BRUSHES = (BRUSH, ONTO, OFF)
PICTURES: dict[str, Which] = {"Your room": "structure", "The look": "style"}
ZOOM = {"whole": 1, "2 times": 2, "4 times": 4}
NO_SAM = "Get `sam` in Models, and a click can also cut out what is there."
NOTHING = first(
    ("pair", "both pictures, in Picture"), result=("regions", "what was seen in them, to be put right"),
    said="Here you click a thing to choose it, rename it, join or part it, brush it larger or smaller, or draw a new one; the new look follows.",
)  # fmt: skip
WORDS = """Rename and what is drawn take the name above; Join adds the region to the one of that name; Part makes pieces that do not touch
regions of their own. What is brushed off goes to the region beside it. The maps are files of the project (`seen/`), as
`relook perceive` writes them."""
STYLE = """
.map { position: relative; line-height: 0; width: calc(100% * var(--zoom, 1)); user-select: none; }
.map img { width: 100%; height: auto; }
.map canvas { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
.map.brushes { touch-action: none; cursor: crosshair; }
"""
SCRIPT = """
let held = null;
const asked = name => document.querySelector('#' + name + ' input:checked')?.value ?? '';
const brushes = () => asked('mode').includes('brush');
const width = () => Number(document.querySelector('#brush-width input[type=number]')?.value || 0.03);
const place = event => {
  const box = element.querySelector('.map img').getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
};
const draw = () => {
  const canvas = element.querySelector('.map canvas'), pen = canvas.getContext('2d'), box = canvas.getBoundingClientRect();
  canvas.width = box.width; canvas.height = box.height;
  pen.strokeStyle = 'rgba(255,255,255,.6)'; pen.lineCap = pen.lineJoin = 'round';
  pen.lineWidth = Math.max(1, width() * Math.max(box.width, box.height));
  pen.beginPath();
  held.forEach(([x, y], at) => at ? pen.lineTo(x * box.width, y * box.height) : pen.moveTo(x * box.width, y * box.height));
  if (held.length === 1) pen.lineTo(held[0][0] * box.width, held[0][1] * box.height);
  pen.stroke();
};
element.addEventListener('pointerdown', event => {
  if (event.button || !event.target.closest('.map')) return;
  held = [place(event)];
  if (brushes()) { event.preventDefault(); draw(); }
});
window.addEventListener('pointermove', event => {
  if (!held || !brushes()) return;
  const [x, y] = place(event), last = held.at(-1);
  if (Math.hypot(x - last[0], y - last[1]) > 0.002) { held.push([x, y]); draw(); }
});
window.addEventListener('pointercancel', () => { held = null; });
window.addEventListener('pointerup', event => {
  if (!held) return;
  const points = brushes() ? held : [place(event)];
  held = null;
  trigger('submit', { points: points.map(([x, y]) => [Math.min(1, Math.max(0, x)), Math.min(1, Math.max(0, y))]) });
});
const mark = () => element.querySelector('.map')?.classList.toggle('brushes', brushes());
document.addEventListener('change', event => { if (event.target.closest('#mode')) mark(); });
new MutationObserver(mark).observe(element, { childList: true, subtree: true });
"""
"""A click says its place, a brush its way, in parts of the picture."""
ZOOMED = "(zoom) => { document.querySelector('#overlay').style.setProperty('--zoom', {'whole': 1, '2 times': 2, '4 times': 4}[zoom]); }"


@dataclass(frozen=True)
class Drawing:
    """What the components of this part hold when something is drawn or a button is pressed."""

    name: str
    which: str = "Your room"
    id: int | None = None
    """Of the chosen region."""
    marks: Strokes = field(default_factory=list)
    width: float = 0.03
    mode: str = CHOOSE
    title: str = ""

    @property
    def brush(self) -> float:
        """Width of the brush; 0 where the strokes are a shape's corners."""
        return self.width if self.mode in BRUSHES else 0.0


class Regions:
    """Components and what they do. `marks` are the strokes so far, of points in parts of the picture."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        self.marks = gr.State([])
        with gr.Row(elem_id="regions"):
            with gr.Column(scale=3, min_width=320, elem_id="regions-seen"):
                self.overlay = gr.HTML(NOTHING, elem_id="overlay", css_template=STYLE, js_on_load=SCRIPT)
                self.zoom = gr.Radio(list(ZOOM), value="whole", label="Zoom", elem_id="zoom", visible=False)
            with gr.Column(scale=2, min_width=320, visible=False) as self.tools:
                self.which = gr.Radio(list(PICTURES), value="Your room", label="Picture", elem_id="which")
                self.mode = gr.Radio([CHOOSE, SHAPE, *BRUSHES], value=CHOOSE, label="On the picture", elem_id="mode")
                self.width = gr.Slider(
                    0.005, 0.15, 0.03, step=0.005, label="Width of the brush, in parts of the picture", elem_id="brush-width"
                )  # fmt: skip
                self.region = gr.Dropdown([], label="Region", elem_id="region-id", info="Or choose it here.")
                self.title = gr.Dropdown(list(NAMES), value="", allow_custom_value=True, label="Name", elem_id="region-name",
                                         info="Of the list, or in your own words.")  # fmt: skip
                with gr.Row():
                    self.buttons = {
                        "rename": gr.Button("Rename", elem_id="rename", min_width=90),
                        "join": gr.Button("Join", elem_id="join", min_width=70),
                        "part": gr.Button("Part", elem_id="part", min_width=70),
                    }
                with gr.Row():
                    self.buttons["draw"] = gr.Button("Make it a region", elem_id="draw", min_width=140)
                    self.clear = gr.Button("Forget what is drawn", min_width=140)
                with gr.Row():
                    self.steps = Steps(shell, "regions")
                gr.Markdown(WORDS)

    @property
    def outputs(self) -> list[Any]:
        """What `show` fills."""
        return [
            self.overlay,
            self.region,
            self.marks,
            self.which,
            self.mode,
            self.zoom,
            self.tools,
            *self.steps.buttons,
        ]

    def wire(self, refresh: Callable[[Project], list[Any]], outputs: list[Any]) -> None:
        """refresh: project -> what `outputs` show of a changed look."""
        name, quiet = self.shell.name, [gr.skip()] * len(outputs)
        drawing = [name, self.which, self.region, self.marks, self.width, self.mode, self.title]
        everything = [*self.outputs, *outputs]

        def stroke(event: gr.EventData, *values: Any) -> list[Any]:
            state = Drawing(*values)
            points = [(float(x), float(y)) for x, y in event._data["points"]]
            if state.mode in (ONTO, OFF):
                return change("onto" if state.mode == ONTO else "off", replace(state, marks=[points]))
            return [*self.drawn(state, points), *quiet]

        def change(what: str, state: Drawing) -> list[Any]:
            project = self.changed(what, state)
            return [
                *self.show(state.name, state.which, state.id if what in ("onto", "off") else None),
                *refresh(project),
            ]

        def pressed(what: str) -> Callable[..., list[Any]]:
            return lambda *values: change(what, Drawing(*values))

        self.which.input(polite(self.show), [name, self.which], self.outputs, trigger_mode="always_last", **ORDERED)
        self.region.input(polite(self.show), drawing[:5], self.outputs, trigger_mode="always_last", **ORDERED)
        self.clear.click(polite(self.show), drawing[:3], self.outputs, **ORDERED)
        self.zoom.input(None, [self.zoom], [], js=ZOOMED, api_visibility="private")
        self.overlay.submit(polite(stroke), drawing, everything, **ORDERED)
        for what, button in self.buttons.items():
            button.click(polite(pressed(what)), drawing, everything, **ORDERED)
        self.steps.wire(
            drawing[:2], everything, lambda name, which: [*self.show(name, which), *refresh(self.shell.project(name))]
        )

    def show(
        self,
        name: str,
        which: str = "Your room",
        id: int | None = None,
        marks: Strokes | None = None,
        width: float = 0.0,
    ) -> list[Any]:
        """The overlay, the list of regions, the strokes so far and which picture it is. width: of a brush."""
        view, marks = self._view(name, which), marks or []
        if view is None or view.segments is None:
            off = [gr.update(visible=False)] * 2
            return [NOTHING, gr.update(choices=[], value=None), [], which, modes(), *off, *self._steps(name)]
        from relook.present.studio.mapped import choices_of, map_html

        choices = choices_of(view.segments)
        chosen = next((one for _, one in choices if one == id), None)
        brushed = width if any(len(stroke) > 1 for stroke in marks) else 0.0
        picture = map_html(
            view, chosen, marks, brushed, f"{which}, with what was seen of it; the list beside has the same"
        )
        there = [gr.update(visible=True)] * 2
        return [picture, gr.update(choices=choices, value=chosen), marks, which, modes(), *there, *self._steps(name)]

    def _steps(self, name: str) -> list[Any]:
        return self.steps.show(self.shell.project(name))

    def drawn(self, state: Drawing, points: Sequence[Point]) -> list[Any]:
        """After a click or a stroke on the picture that changes no region yet."""
        from relook.present.studio.edits import region_at

        id, marks, view = state.id, [*state.marks, list(points)], self._view(state.name, state.which)
        if view is None or view.segments is None:
            return [gr.skip()] * len(self.outputs)
        if state.mode == CHOOSE:
            id, marks = region_at(view.segments, points[-1]), state.marks
            if not id:
                gr.Info(f"No region was seen there. Choose `{SHAPE}` or `{BRUSH}` to draw one.")
        return self.show(state.name, state.which, id, marks[-1:] if state.mode == CUT else marks, state.brush)

    def changed(self, what: str, state: Drawing) -> Project:
        """Change the label map, and the preview with it. Raises SegmentsError for what cannot be done."""
        from relook.present.studio.mapped import Edit, edited

        project, side, seeing = self.shell.project(state.name), PICTURES[state.which], self.studio.seeing
        cut = (
            seeing.at_point(project, side, state.marks[-1][-1])
            if what == "draw" and state.mode == CUT and state.marks
            else None
        )
        edit = Edit(what, state.id or 0, state.title or "", state.marks, state.brush)
        seeing.edit(project, side, edited(seeing.segments(project, side), edit, cut))
        self.studio.refresh(project)
        return project

    def _view(self, name: str, which: str) -> View | None:
        """The picture that is shown; of several style pictures the first, whose map can be edited."""
        views = self.studio.seeing.views(self.shell.project(name))
        if views is None or PICTURES[which] == "structure":
            return None if views is None else views[0]
        return views[1].pictures[0] if views[1].pictures else views[1]


def modes() -> Any:
    """What a click can mean here: cutting out needs a SAM model."""
    here = store.is_here("sam")
    return gr.update(choices=[CHOOSE, SHAPE, *BRUSHES, *([CUT] if here else [])], info="" if here else NO_SAM)
