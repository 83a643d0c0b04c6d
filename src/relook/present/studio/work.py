"""What the studio does with a project: the same functions as the command line, in one session, with what is seen kept for the next time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool

from relook.errors import InputError
from relook.files import together
from relook.io import as_pixels, read_picture, read_segments, write_segments
from relook.perceive.layout.files import read_layout, write_layout
from relook.perceive.segment import SEGMENTERS
from relook.present.line import line
from relook.present.photo import Photo
from relook.present.studio.jobs import Job, Jobs
from relook.present.studio.look import Look
from relook.present.studio.project import Project, Projects, Variant
from relook.present.studio.things import Thing, things_of
from relook.progress import Progress
from relook.session import Session
from relook.transfer.photo import PREVIEW, restyle_photo
from relook.transfer.references import joined
from relook.transfer.saving import preview_of
from relook.transfer.working import shrunk
from relook.types import Layout, Metadata, Result, Segments, View

SEEING = ("segmenter", "label", "labeller")
"""Options on which it depends what is seen."""
REMEMBERED = 24
"""Small pictures with what is known of them, kept in memory."""
NO_FILES: dict[str, Any] = {
    "segments": None, "style_segments": None, "layout": "auto", "preview": False, "keep_maps": False, "layers": False,
    "label_edited": False, "quality": None, "certificate": None, "key": None,
}  # fmt: skip
"""Options of files, as a preview in memory has them."""


Which = Literal["structure", "style"]
"""One of the two pictures."""


class Studio:
    """The projects of one machine, its queue of heavy work and its session."""

    def __init__(self, root: Path, device: str = "auto") -> None:
        """root: folder of the projects. Raises InputError for a folder or a device that cannot be used."""
        self.projects, self.jobs, self.device = Projects(root), Jobs(), device
        self._lock = Lock()

    @cached_property
    def session(self) -> Session:
        """What is loaded, for all projects: what is seen is remembered by content."""
        return Session(self.device)

    def refresh(self, project: Project) -> None:
        """Make the preview of what is decided now, unless its full picture or preview is there."""
        look = project.look
        if not look.ready or self.latest(project) or (project.live is not None and project.live[0] == look):
            return
        with self._lock:
            result = self.preview(project)
        project.live = (look, as_pixels(result.image))

    def preview(self, project: Project) -> Result:
        """The look at PREVIEW pixels, from what is known of the pictures."""
        look = project.look
        config = look.config(project.folder)
        if not self._edited(look) and SEGMENTERS.chosen(config.segmenter) == "layout":
            config = replace(config, materials=False)  # as in a run that sees no more than the room's planes
        structure, *styles = self.small(project)
        return restyle_photo(structure, styles, replace(config, device=self.device, **NO_FILES), session=self.session)

    def views(self, project: Project) -> tuple[View, View] | None:
        """Both pictures, small, with their regions; None until a run has seen them."""
        if not project.look.ready:
            return None
        structure, *styles = self.small(project)
        if any(view.segments is None for view in (structure, *styles)):
            return None
        return structure, joined(styles)

    def things(self, project: Project) -> list[Thing]:
        """The things of the room picture; none until a run has seen it."""
        views = self.views(project)
        return [] if views is None else things_of(*views, project.look, project.look.config(project.folder))

    def small(self, project: Project) -> list[View]:
        """The project's pictures at PREVIEW pixels, with the regions and the room where they are known."""
        look = project.look
        known = [look.segments, look.style_segments, *([""] * len(look.styles))]
        first = project.file(look.structure)
        return [
            self._small(
                project, project.file(name), None if number == 0 else first, maps, look.layout if number == 0 else ""
            )
            for number, (name, maps) in enumerate(zip((look.structure, *look.styles), known, strict=False))
        ]

    def _small(self, project: Project, path: Path, like: Path | None, maps: str, layout: str) -> View:
        """One picture, small; its edited maps, else those that an earlier run saw."""
        seen = self.seen_of(project, path)
        segments = project.file(maps) if maps else seen / "segments.png"
        room = project.file(layout) if layout else seen / "layout.json"

        def read() -> View:
            image, _ = read_picture(path, like=None if like is None else self._metadata(like))
            view = View(image)
            if segments.is_file():
                view = replace(view, segments=read_segments(segments, view.size))
            if room.is_file():
                view = replace(view, layout=read_layout(room, view.size))
            return shrunk(view, PREVIEW)

        key = tuple((str(one), one.stat().st_mtime_ns if one.is_file() else 0) for one in (path, segments, room))
        return self.session.remembered("small picture", (*key, like), read, REMEMBERED)

    def _metadata(self, path: Path) -> Metadata:
        """What the file of a picture holds beside its colours."""
        return self.session.remembered("metadata", (path, path.stat().st_mtime_ns), lambda: read_picture(path)[1])

    def seen_of(self, project: Project, picture: Path) -> Path:
        """The folder of what is seen of a picture with the options of the project's look."""
        asked = {name: project.look.options.get(name) for name in SEEING}
        asked["best"] = SEGMENTERS.chosen(asked["segmenter"] or "auto")
        key = sha256(f"{picture.name} {sorted(asked.items(), key=str)}".encode()).hexdigest()[:8]
        return project.folder / "seen" / f"{picture.stem}-{key}"

    def full(self, project: Project, ending: str = ".png") -> Job:
        """Begin the full picture: first a preview, then the picture and its record; both are in the project when it is done."""
        look = project.look
        if not look.ready:
            raise InputError("Expected a room picture and a style picture, got less; drop both.")
        out = project.new_place("results", ending)
        config = replace(look.config(project.folder), preview=True, device=self.device)

        def work(progress: Progress) -> Variant:
            files = [project.file(name) for name in (look.structure, *look.styles)]
            result = restyle_photo(
                files[0], files[1:], config, out=project.file(out), session=self.session, progress=progress
            )
            self._keep_seen(project, files, result)
            variant = Variant(_title(project), look, out)
            project.keep(variant)
            return variant

        return self.jobs.start(Job(project.name, f"picture {out}", work, out=project.file(out)))

    def preview_file(self, project: Project) -> Path | None:
        """The preview that the running job has written."""
        job = self.jobs.of(project.name)
        path = None if job is None or job.out is None else preview_of(job.out)
        return path if path is not None and path.is_file() else None

    def line(self, project: Project, ending: str = ".png") -> str:
        """The command line that does the same."""
        look, folder = project.look, project.folder
        if not look.ready:
            return "relook photo ROOM --style STYLE --out OUT"
        made = [one for one in project.variants if one.look == look]
        out = made[-1].out if made else f"results/new{ending}"
        styles = tuple(folder / name for name in look.styles)
        return line("photo", Photo((folder / look.structure,), styles, folder / out, config=look.config(folder)))

    def latest(self, project: Project) -> Variant | None:
        """The last full picture of what is decided now."""
        return next((one for one in reversed(project.variants) if one.look == project.look), None)

    def segments(self, project: Project, which: Which) -> Segments:
        """The regions of the room picture or of the first style picture, at full size. Raises InputError until a run has seen them."""
        look = project.look
        name, edited = (
            (look.structure, look.segments)
            if which == "structure"
            else (next(iter(look.styles), ""), look.style_segments)
        )
        path = project.file(edited) if edited else self.seen_of(project, Path(name)) / "segments.png"
        if not name or not path.is_file():
            raise InputError("Expected a picture whose regions are known, got none; make the full picture first.")
        return read_segments(path)

    def edit(self, project: Project, which: Which, segments: Segments) -> None:
        """Take an edited label map: files as `relook perceive` writes them, in a folder of their own, so that it can be undone."""
        place = project.new_place("seen", "-edited")
        with together(project.file(place)) as folder:
            write_segments(folder / "segments.png", segments)
        path = f"{place}/segments.png"
        look = project.look
        names = set(segments.names)
        if which == "structure":
            things = {name: choice for name, choice in look.things.items() if name in names}
            project.decide(replace(look, segments=path, things=things))
        else:
            project.decide(replace(look, style_segments=path))

    def at_point(self, project: Project, which: Which, point: tuple[float, float]) -> Bool[np.ndarray, "H W"]:
        """What SAM sees at a point (x, y) in parts of the width and height of the room picture or of the first style picture, at full size."""
        from relook.perceive.segment.open_vocabulary import pointed

        look = project.look
        image, _ = read_picture(project.file(look.structure if which == "structure" else look.styles[0]))
        return pointed(View(image), point, session=self.session).numpy()

    def layout(self, project: Project) -> Layout | None:
        """The room of the room picture; None where none is known."""
        look = project.look
        if not look.structure:
            return None
        path = project.file(look.layout) if look.layout else self.seen_of(project, Path(look.structure)) / "layout.json"
        return read_layout(path) if path.is_file() else None

    def edit_layout(self, project: Project, layout: Layout | None) -> None:
        """Take an edited layout, a file of its own, so that it can be undone; None: as it was seen."""
        if layout is None:
            project.decide(replace(project.look, layout=""))
            return
        place = project.new_place("seen", "-edited")
        with together(project.file(place)) as folder:
            write_layout(folder / "layout.json", layout)
        project.decide(replace(project.look, layout=f"{place}/layout.json"))

    def _keep_seen(self, project: Project, files: Sequence[Path], result: Result) -> None:
        """Write what a run saw, for previews and edits; pictures with edited maps keep them."""
        views = (result.structure, *(result.style.pictures or (result.style,)))
        for path, view in zip(files, views, strict=False):
            folder = self.seen_of(project, path)
            if not (folder / "segments.png").is_file():
                write_seen(folder, view)

    @staticmethod
    def _edited(look: Look) -> bool:
        return bool(look.segments or look.style_segments)


def write_seen(folder: Path, view: View) -> None:
    """Write regions and layout as `relook perceive` names them."""
    with together(folder) as place:
        if view.segments is not None:
            write_segments(place / "segments.png", view.segments)
        if view.layout is not None:
            write_layout(place / "layout.json", view.layout)


def _title(project: Project) -> str:
    return f"variant {len(project.variants) + 1}"
