"""What was seen, drawn over both pictures: click a region to choose it; rename, join, part and draw regions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image, ImageDraw
from torch.nn.functional import interpolate

from relook.io import as_pixels
from relook.models import store
from relook.perceive.overlay import overlay
from relook.present.studio.edits import Point, drawn, merged, painted, parted, region_at, renamed
from relook.present.studio.project import Project
from relook.present.studio.shell import ORDERED, QUIET, Shell, polite
from relook.present.studio.work import Which
from relook.types import UNLABELLED, Segments, View

NAMES = ("wall", "floor", "ceiling", "window", "door", "curtain", "rug", "sofa", "armchair", "chair", "table", "bed", "cabinet", "shelf",
         "lamp", "plant", "painting", "cushion", "mirror", "television")  # fmt: skip
"""Names that are offered; any other can be written."""
CHOOSE, SHAPE, BRUSH, CUT = (
    "choose a region",
    "corners of a shape",
    "brush from click to click",
    "cut out what is there",
)
PICTURES: dict[str, Which] = {"Your room": "structure", "The look": "style"}


NO_SAM = "Get `sam` in Models, and a click can also cut out what is there."
SHOWN = 1024
"""Longer side of the overlay in pixels."""


class Regions:
    """Components and what they do. `marks` are the points that were clicked."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        self.marks = gr.State([])
        with gr.Row():
            with gr.Column(scale=3, min_width=320):
                self.overlay = gr.Image(label="What was seen", type="numpy", interactive=False, elem_id="overlay",
                                        buttons=["fullscreen"], height=560)  # fmt: skip
            with gr.Column(scale=2, min_width=320):
                self.which = gr.Radio(list(PICTURES), value="Your room", label="Picture", elem_id="which")
                self.mode = gr.Radio([CHOOSE, SHAPE, BRUSH], value=CHOOSE, label="A click means", elem_id="mode")
                self.width = gr.Slider(
                    0.005, 0.15, 0.03, step=0.005, label="Width of the brush, in parts of the picture"
                )
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
                    self.buttons["draw"] = gr.Button("Make the shape a region", elem_id="draw", min_width=180)
                    self.clear = gr.Button("Forget the clicks", min_width=120)
                gr.Markdown(
                    "Rename and the shape take the name above; Join adds the region to the one of that name; Part makes pieces that do not touch regions of their own. Undo is on the first part of the page. The maps are files of the project (`seen/`), as `relook perceive` writes them."
                )

    @property
    def outputs(self) -> list[Any]:
        """What `show` fills."""
        return [self.overlay, self.region, self.marks, self.which, self.mode]

    def wire(self, refresh: Callable[[Project], list[Any]], outputs: list[Any]) -> None:
        """refresh: project -> what `outputs` show of a changed look."""
        name, state = self.shell.name, [self.shell.name, self.which, self.region, self.marks]
        drawing = [*state, self.mode, self.width]
        self.which.input(
            polite(lambda name, which: self.show(name, which, None, [])), [name, self.which], self.outputs, **QUIET
        )
        self.region.input(polite(self.show), state, self.outputs, **QUIET)
        self.clear.click(
            polite(lambda name, which, id: self.show(name, which, id, [])), state[:3], self.outputs, **QUIET
        )
        self.overlay.select(polite(self._clicked), drawing, self.outputs, **QUIET)
        for what, button in self.buttons.items():
            button.click(
                polite(self._edit(what, refresh)), [*drawing, self.title], [*self.outputs, *outputs], **ORDERED
            )

    def show(
        self, name: str, which: str = "Your room", id: int | None = None, marks: list[Point] | None = None
    ) -> list[Any]:
        """The overlay, the list of regions, the clicks and which picture it is."""
        views, marks = self.studio.views(self.shell.project(name)), marks or []
        view = None if views is None else _enlarged(_side(views, which))
        if view is None or view.segments is None:
            return [None, gr.update(choices=[], value=None), [], which, modes()]
        ids = view.segments.labels.unique().tolist()
        choices = [(_words(view.segments, one), one) for one in sorted(view.segments.regions) if one in ids]
        picture = as_pixels(overlay(view.image, view.segments))
        chosen = id if id in view.segments.regions and id in ids else None
        mask = None if chosen is None else (view.segments.labels == chosen).numpy()
        return [_marked(picture, mask, marks), gr.update(choices=choices, value=chosen), marks, which, modes()]

    def _clicked(
        self, name: str, which: str, id: int | None, marks: list[Point], mode: str, width: float, event: gr.SelectData
    ) -> list[Any]:
        """A click on the overlay."""
        views = self.studio.views(self.shell.project(name))
        if views is None:
            return [gr.skip()] * len(self.outputs)
        view = _side(views, which)
        height, across = _enlarged(view).size
        point = (event.index[0] / across, event.index[1] / height)
        if mode == CHOOSE and view.segments is not None:
            id = region_at(view.segments, point)
            if id == UNLABELLED:
                gr.Info("No region was seen there. Choose `corners of a shape` above to draw one.")
            return self.show(name, which, id, marks)
        return self.show(name, which, id, [point] if mode == CUT else [*marks, point])

    def _edit(self, what: str, refresh: Callable[[Project], list[Any]]) -> Callable[..., list[Any]]:
        """A handler that changes the label map."""

        def edit(
            name: str, which: str, id: int | None, marks: list[Point], mode: str, width: float, title: str
        ) -> list[Any]:
            project, side = self.shell.project(name), PICTURES[which]
            segments = self.studio.segments(project, side)
            if what == "draw" and mode == CUT and marks:
                mask = self.studio.at_point(project, side, marks[-1])
            else:
                mask = drawn(marks, _size(segments), width if mode == BRUSH else 0.0)
            new = self._edited(what, segments, id or 0, title or "", mask)
            self.studio.edit(project, side, new)
            self.studio.refresh(project)
            return [*self.show(name, which), *refresh(project)]

        return edit

    def _edited(self, what: str, segments: Segments, id: int, title: str, mask: np.ndarray) -> Segments:
        """The map after one edit."""
        match what:
            case "rename":
                return renamed(segments, id, title)
            case "join":
                return merged(segments, id, title)
            case "part":
                return parted(segments, id)
            case _:
                return painted(segments, mask, title)


def modes() -> Any:
    """What a click can mean here: cutting out needs a SAM model."""
    here = store.is_here("sam")
    return gr.update(choices=[CHOOSE, SHAPE, BRUSH, *([CUT] if here else [])], info="" if here else NO_SAM)


def _side(views: tuple[View, View], which: str) -> View:
    """The picture that is shown; of several style pictures the first, whose map can be edited."""
    structure, style = views
    if PICTURES[which] == "structure":
        return structure
    return style.pictures[0] if style.pictures else style


def _enlarged(view: View) -> View:
    """The view at SHOWN pixels: browsers show a picture no larger than it is."""
    factor = SHOWN / max(view.size)
    size = (round(view.size[0] * factor), round(view.size[1] * factor))
    segments = None if view.segments is None else view.segments.resized(size)
    return View(interpolate(view.image[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1), segments)


def _size(segments: Segments) -> tuple[int, int]:
    return segments.labels.shape[0], segments.labels.shape[1]


def _words(segments: Segments, id: int) -> str:
    """A region in the list."""
    region = segments.regions[id]
    return f"{region.name}{f' {region.instance + 1}' if region.instance else ''} ({100 * region.confidence:.0f} % sure)"


def _marked(picture: np.ndarray, mask: np.ndarray | None, marks: list[Point]) -> np.ndarray:
    """The overlay with all but the chosen region darkened, and with the clicks."""
    if mask is not None:
        picture = np.where(mask[..., None], picture, picture // 2)
    sheet = Image.fromarray(picture)
    draw, places = ImageDraw.Draw(sheet), [(x * sheet.width, y * sheet.height) for x, y in marks]
    if len(places) > 1:
        draw.line(places, fill="white", width=3)
    for x, y in places:
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill="white", outline="black")
    return np.asarray(sheet)
