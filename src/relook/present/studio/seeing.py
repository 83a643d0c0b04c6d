"""What is seen of a project's pictures, previews of its look and edits of both: everything of the studio that computes between two clicks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files
from itertools import chain, repeat
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from relook.config import PhotoConfig
from relook.errors import InputError, SegmentsError
from relook.files import together
from relook.io import as_pixels, read_image, read_picture, read_segments, write_segments
from relook.models.catalogue import CATALOGUE
from relook.perceive.layout.files import read_layout, write_layout
from relook.perceive.segment import SEGMENTERS
from relook.present.studio.gains import Seen, gain
from relook.present.studio.look import Look, MapKind, Which
from relook.present.studio.previews import Full, Previews, full_of, key_of, mixes, strong
from relook.present.studio.project import Project
from relook.present.studio.things import Thing, things_of
from relook.progress import SILENT, Progress
from relook.session import Session
from relook.transfer.draft import PREVIEW
from relook.transfer.foresee import draft_photo, foresee
from relook.transfer.photo import restyle_photo
from relook.transfer.references import joined
from relook.transfer.saving import preview_of
from relook.transfer.working import shrunk
from relook.types import Layout, Metadata, Result, Segments, View

SEEING = ("segmenter", "label", "labeller")
"""Options on which it depends what is seen."""
REMEMBERED = 24
"""Small pictures with what is known of them, kept in memory."""
WARM = 256
"""Longer side in pixels of the picture that is restyled before anybody asks."""
NO_FILES: dict[str, Any] = {
    "segments": None, "style_segments": None, "layout": "auto", "style_layout": "auto", "preview": False, "keep_maps": False, "layers": False,
    "label_edited": False, "quality": None, "certificate": None, "key": None,
}  # fmt: skip
"""Options of files, as a preview in memory has them."""
SEEN: Mapping[MapKind, str] = {"segments": "segments.png", "layout": "layout.json"}
"""Files of what is seen, as `relook perceive` names them."""


class Seeing:
    """What is seen, in one session: what a network said of a picture is remembered by content."""

    def __init__(self, session: Session) -> None:
        self.session, self.previews = session, Previews()
        self._lock = Lock()

    def warm(self, progress: Progress) -> None:
        """Restyle a small picture, so that what is loaded or compiled once is there; nothing is fetched."""
        folder = files("relook.present") / "photographs"
        room, look = (shrunk(View(read_image(str(folder / f"{name}.jpg"))), WARM) for name in ("structure", "style"))
        config = PhotoConfig(segmenter=SEGMENTERS.chosen("auto"), device=str(self.session.device))
        restyle_photo(room, look, config, session=self.session, progress=progress)

    def foresee(self, project: Project, progress: Progress) -> None:
        """See the pictures there are, as their run will; where no network sees them, that run fetches one first, or has none."""
        look = project.look
        config = replace(look.config(project.folder), device=str(self.session.device))
        if SEGMENTERS.chosen(config.segmenter) != "layout":
            structure = project.file(look.structure) if look.structure else None
            foresee(structure, [project.file(name) for name in look.styles], config, self.session, progress)

    def restyle(self, project: Project, look: Look, config: PhotoConfig, out: Path, progress: Progress) -> None:
        """Make and write the full picture of a look, and keep what was seen."""
        pictures = [project.file(name) for name in (look.structure, *look.styles)]
        key = self._key(project, look) if look == strong(look) and not config.label_edited else ""
        if key:
            self.previews.keep(key, preview_of(out))
        result = restyle_photo(pictures[0], pictures[1:], config, out=out, session=self.session, progress=progress)
        self._keep_seen(project, pictures, result)
        if key:
            self.previews.keep(key, full_of(result))

    def before(self, project: Project) -> UInt8[np.ndarray, "H W 3"]:
        """The room picture at PREVIEW pixels."""
        return as_pixels(self.small(project)[0].image)

    def after(self, project: Project) -> UInt8[np.ndarray, "H W 3"]:
        """The preview of the project's look: mixed from what is there where only strengths changed, else restyled, one at a time."""
        look = project.look
        config = look.config(project.folder)
        if not mixes(config):
            with self._lock:
                return as_pixels(self.preview(project, look).image)
        key, structure = self._key(project, look), self.small(project)[0]
        full = self.previews.of(key, structure) or self._made(project, structure)
        if full is None or (config.thing_strengths and full.structure.segments is None):
            with self._lock:
                result = self.preview(project, strong(look))
            full = Full(result.image, result.structure)
            if result.record:  # a draft is not kept
                self.previews.keep(key, full)
        return as_pixels(full.at(config))

    def preview(self, project: Project, look: Look, progress: Progress = SILENT) -> Result:
        """A look at PREVIEW pixels, from what is known of the pictures."""
        config = look.config(project.folder)
        if not _edited(look) and SEGMENTERS.chosen(config.segmenter) == "layout":
            config = replace(config, materials=False)  # as in a run that sees no more than the room's planes
        structure, *styles = self.small(project, look)
        config = replace(config, device=str(self.session.device), **NO_FILES)
        if any(view.segments is None for view in (structure, *styles)):
            with suppress(SegmentsError):  # what is named is not seen at a glance: look carefully
                return self._draft(project, look, config, progress)
        return restyle_photo(structure, styles, config, session=self.session, progress=progress)

    def _draft(self, project: Project, look: Look, config: PhotoConfig, progress: Progress) -> Result:
        """A look after a glance at its pictures; it has no record."""
        structure, *styles = (project.file(name) for name in (look.structure, *look.styles))
        room, new = draft_photo(structure, styles, config, session=self.session, progress=progress)
        return Result(new.image, {}, room, room)

    @staticmethod
    def _made(project: Project, structure: View) -> Full | None:
        """The project's look at full strength, of a full picture that was made of it, perhaps days ago; None where there is none."""
        wanted = strong(project.look)
        made = [one for one in project.variants if one.look == wanted and project.file(one.out).is_file()]
        if not made or wanted.options.get("label_edited"):
            return None
        image = shrunk(View(read_image(project.file(made[-1].out))), PREVIEW).image
        return Full(image, structure) if image.shape == structure.image.shape else None

    @staticmethod
    def _key(project: Project, look: Look) -> str:
        return key_of(project, look, SEGMENTERS.chosen(look.options.get("segmenter", "auto")))

    def views(self, project: Project) -> tuple[View, View] | None:
        """Both pictures, small, with their regions; None until they were seen."""
        if not project.look.ready:
            return None
        structure, *styles = self.small(project)
        if any(view.segments is None for view in (structure, *styles)):
            return None
        return structure, joined(styles)

    def things(self, project: Project) -> list[Thing]:
        """The things of the room picture; none until it was seen."""
        views = self.views(project)
        return [] if views is None else things_of(*views, project.look, project.look.config(project.folder))

    def gains(self, project: Project) -> dict[str, str]:
        """What the present picture would gain, by the names of models; nothing until both were seen."""
        views = self.views(project)
        if views is None:
            return {}
        seen = Seen(*views, self.things(project), project.look.config(project.folder))
        return {name: gain(model, seen) for name, model in CATALOGUE.items()}

    def small(self, project: Project, look: Look | None = None) -> list[View]:
        """The pictures of the project's look, or of another, at PREVIEW pixels, with the regions and the room where they are known."""
        look = look or project.look
        first = project.file(look.structure)
        edited = chain(((look.segments, look.layout), (look.style_segments, look.style_layout)), repeat(("", "")))
        return [
            self._small(project, project.file(name), None if number == 0 else first, *maps)
            for number, (name, maps) in enumerate(zip((look.structure, *look.styles), edited, strict=False))
        ]

    def _small(self, project: Project, path: Path, like: Path | None, maps: str, layout: str) -> View:
        """One picture, small; its edited maps, else those that an earlier run saw."""
        seen = self.seen_of(project, path)
        segments = project.file(maps) if maps else seen / SEEN["segments"]
        room = project.file(layout) if layout else seen / SEEN["layout"]

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

    def segments(self, project: Project, which: Which) -> Segments:
        """The regions of the room picture or of the first style picture, at full size. Raises InputError until a run has seen them."""
        path = self._known(project, which, "segments")
        if path is None:
            raise InputError("Expected a picture whose regions are known, got none; make the full picture first.")
        return read_segments(path)

    def edit(self, project: Project, which: Which, segments: Segments) -> None:
        """Take an edited label map: files as `relook perceive` writes them, in a folder of their own, so that it can be undone."""
        place = project.new_place("seen", "-edited")
        with together(project.file(place)) as folder:
            write_segments(folder / "segments.png", segments)
        look = project.look.with_map(which, "segments", f"{place}/segments.png")
        if which == "structure":
            look = replace(look, things={name: one for name, one in look.things.items() if name in segments.names})
        project.decide(look)

    def at_point(self, project: Project, which: Which, point: tuple[float, float]) -> Bool[np.ndarray, "H W"]:
        """What SAM sees at a point (x, y) in parts of the width and height of the room picture or of the first style picture, at full size."""
        from relook.perceive.segment.open_vocabulary import pointed

        image, _ = read_picture(project.file(project.look.picture(which)))
        return pointed(View(image), point, session=self.session).numpy()

    def layout(self, project: Project, which: Which) -> Layout | None:
        """The room of the room picture or of the first style picture; None where none is known."""
        path = self._known(project, which, "layout")
        return None if path is None else read_layout(path)

    def edit_layout(self, project: Project, which: Which, layout: Layout | None) -> None:
        """Take an edited layout, a file of its own, so that it can be undone; None: as it was seen."""
        if layout is None:
            project.decide(project.look.with_map(which, "layout", ""))
            return
        place = project.new_place("seen", "-edited")
        with together(project.file(place)) as folder:
            write_layout(folder / "layout.json", layout)
        project.decide(project.look.with_map(which, "layout", f"{place}/layout.json"))

    def _known(self, project: Project, which: Which, kind: MapKind) -> Path | None:
        """The file of what is known of a picture: as it was edited, else as a run saw it."""
        picture, edited = project.look.picture(which), project.look.map_of(which, kind)
        if not picture:
            return None
        path = project.file(edited) if edited else self.seen_of(project, Path(picture)) / SEEN[kind]
        return path if path.is_file() else None

    def _keep_seen(self, project: Project, pictures: Sequence[Path], result: Result) -> None:
        """Write what a run saw, for previews and edits; pictures with edited maps keep them."""
        views = (result.structure, *(result.style.pictures or (result.style,)))
        for path, view in zip(pictures, views, strict=False):
            folder = self.seen_of(project, path)
            if not (folder / SEEN["segments"]).is_file():
                write_seen(folder, view)


def _edited(look: Look) -> bool:
    return bool(look.segments or look.style_segments)


def write_seen(folder: Path, view: View) -> None:
    """Write regions and layout as `relook perceive` names them."""
    with together(folder) as place:
        if view.segments is not None:
            write_segments(place / SEEN["segments"], view.segments)
        if view.layout is not None:
            write_layout(place / SEEN["layout"], view.layout)
