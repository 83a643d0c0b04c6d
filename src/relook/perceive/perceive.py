"""One picture: what is in it, how far it is, where its edges are, which room it shows; as files that people edit and give back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from relook.config import PerceiveConfig
from relook.errors import InputError
from relook.files import check_writable, together
from relook.io import read_picture, write_depth, write_image, write_segments
from relook.perceive.edges import edges
from relook.perceive.exif import focal_of
from relook.perceive.first_use import first_use
from relook.perceive.layout.draw import layout_picture, plan_picture
from relook.perceive.layout.files import write_layout
from relook.perceive.overlay import depth_picture, overlay
from relook.perceive.perception import Perception
from relook.perceive.segment.open_vocabulary import label_views
from relook.progress import SILENT, Progress
from relook.session import Session, opened
from relook.types import Metadata, View

FILES = (
    "segments.png", "segments.json", "depth.npz", "depth.png", "edges.png", "overlay.png", "depth_preview.png", "layout.json",
    "layout.png", "plan.png",
)  # fmt: skip
"""What may be written into a folder; nothing else there is touched."""


def perceive_photo(
    picture: str | Path | View,
    config: PerceiveConfig | None = None,
    *,
    out: str | Path | None = None,
    session: Session | None = None,
    progress: Progress = SILENT,
) -> View:
    """The picture with its segments, its depth and the room's layout; with `out`, written into that folder (see `write_perceived`).

    session: what is loaded stays in it; None opens one for this call. progress: stages `fetching NAME` (on first use), `perceiving` and `writing`.
    The view has no depth if none was asked for, or with `auto` where no model is on this machine; it has no layout if none was asked for, or
    where the picture has hardly a line. Raises an error of relook.errors,
    one sentence, for a picture, an option or a place that cannot be used; nothing is written then.
    """
    config = config or PerceiveConfig()
    check_place(out, picture, config.segmenter, config.depth_estimator, config.layout)
    view, metadata = (picture, Metadata()) if isinstance(picture, View) else _read(picture)
    with opened(session, config.device) as session:
        config = first_use(config, session, view, progress=progress)
        with progress.stage("perceiving", 3) as tick:
            asked = Perception(session, config.segmenter, config.depth_estimator)
            view = asked.regions_and_room(_unless_named(view, config), config.layout, focal_of(metadata, view.size))
            tick(1)
            (view,) = label_views([view], config.label, config.labeller, session)
            tick(2)
            view = asked.depth(view)
            tick(3)
    if out is not None:
        with progress.stage("writing"):
            write_perceived(Path(out), view)
    return view


def write_perceived(folder: Path, view: View) -> None:
    """Write the view into a folder: all files or none, and all that are there belong together.

    segments.png and segments.json: the regions, for `--segments`. depth.npz: exact, for `--depth`; depth.png: millimetres, for painting
    programs, if the depth is metric and below 65 m. edges.png: lines, grey. layout.json: the room, for `--layout`. overlay.png,
    depth_preview.png, layout.png (planes and lines), plan.png (the floor from above): to look at.
    Raises InputError where the folder holds one of FILES of an earlier run that this one would not replace.
    """
    with together(folder) as place:
        if view.segments is not None:
            write_segments(place / "segments.png", view.segments)
            write_image(place / "overlay.png", overlay(view.image, view.segments))
        if view.depth is not None:
            write_depth(place / "depth.npz", view.depth)
            if view.depth.kind == "metric" and float(view.depth.values.max()) < 65:
                write_depth(place / "depth.png", view.depth)
            write_image(place / "depth_preview.png", depth_picture(view.depth))
        if view.layout is not None:
            write_layout(place / "layout.json", view.layout)
            write_image(place / "layout.png", layout_picture(view.image, view.layout))
            write_image(place / "plan.png", plan_picture(view.image, view.layout))
        write_image(place / "edges.png", edges(view).expand(3, -1, -1))
        if left := [name for name in FILES if (folder / name).exists() and not (place / name).exists()]:
            raise InputError(
                f"Expected a folder whose files this run replaces, got {', '.join(left)} of an earlier one in {folder}; "
                "remove them or choose another folder."
            )


def check_place(out: str | Path | None, *inputs: str | Path | View) -> None:
    """Raise before any work if the folder cannot be written, or holds an input under a name that is written."""
    if out is None:
        return
    folder = Path(out)
    written = {(folder / name).resolve() for name in FILES}
    for name in inputs:
        if isinstance(name, str | Path) and Path(name).resolve() in written:
            raise InputError(f"Expected an output that is no input, got {name} as both; choose another folder.")
    check_writable(folder, folder=True)


def _unless_named(view: View, config: PerceiveConfig) -> View:
    """The view without the segments and the depth that somebody was named to find anew."""
    own = ("auto", "exact")
    return replace(
        view,
        segments=view.segments if config.segmenter in own else None,
        depth=view.depth if config.depth_estimator in own else None,
    )


def _read(path: str | Path) -> tuple[View, Metadata]:
    image, metadata = read_picture(path)
    return View(image), metadata
