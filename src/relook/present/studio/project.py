"""A project: a folder of its own with the pictures, what was seen of them, the results with their records, and every look, so that it reopens.

ROOT/NAME/project.json   looks (for undo), variants
         pictures/       the designer's files under safe names
         seen/           regions and layouts, as `relook perceive` writes them
         results/        pictures and records, as `relook photo` writes them
         walk/, scene/   what was dropped there, its options and its runs
ROOT/signature/          the certificate and key that pictures are signed with
ROOT/materials/          swatches, for all projects; captures/ and reports/: what lies there can be opened by its name
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from secrets import token_hex
from threading import RLock
from typing import Any

from relook.errors import InputError, PictureError
from relook.files import read_json, write_json
from relook.present.studio.look import Look
from relook.present.studio.signature import FOLDER as SIGNATURE

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
"""Names of projects: nothing that leaves the folder."""
MATERIALS, CAPTURES, REPORTS = "materials", "captures", "reports"
"""The folders beside the projects: swatches; captures to restyle and reports of suites, which can be chosen by name. No other place of the
machine can be named."""
MEGABYTES = 200
"""Largest upload."""
FILES = 400
"""Most pictures in a project."""
LOOKS = 200
"""Steps that can be undone."""
ENDINGS = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "TIFF": ".tif",
    "HEIF": ".heic",
    "AVIF": ".avif",
    "MPO": ".jpg",
    "BMP": ".bmp",
    "GIF": ".gif",
}
"""Pillow's names of formats -> endings: a file's content says what it is."""


@dataclass(frozen=True)
class Variant:
    """A result that was kept."""

    title: str
    look: Look
    out: str
    """The picture, inside the project."""


@dataclass
class Project:
    """One project, open. Changes are written at once, whole or not at all."""

    folder: Path
    looks: list[Look] = field(default_factory=lambda: [Look()])
    at: int = 0
    variants: list[Variant] = field(default_factory=list)
    version: int = 0
    """Grows with every change, for pages that show it."""
    live: tuple[Look, Any] | None = None
    """The latest preview in memory, and what was decided for it."""
    lock: RLock = field(default_factory=RLock)

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.folder.name

    @property
    def look(self) -> Look:
        """What is decided now."""
        return self.looks[self.at]

    @property
    def undoable(self) -> bool:
        """Whether there is something to undo."""
        return self.at > 0

    @property
    def redoable(self) -> bool:
        """Whether something was undone."""
        return self.at + 1 < len(self.looks)

    def decide(self, look: Look) -> None:
        """Another look; the one before can be had back."""
        with self.lock:
            if look != self.look:
                self.looks = [*self.looks[: self.at + 1], look][-LOOKS:]
                self.at = len(self.looks) - 1
                self.save()

    def step(self, by: int) -> None:
        """Undo (-1) or redo (1)."""
        with self.lock:
            self.at = min(max(self.at + by, 0), len(self.looks) - 1)
            self.save()

    def keep(self, variant: Variant) -> None:
        """Keep a result beside others."""
        with self.lock:
            self.variants.append(variant)
            self.save()

    def drop(self, number: int) -> None:
        """Forget a variant; its files stay."""
        with self.lock:
            del self.variants[number]
            self.save()

    def save(self) -> None:
        """Write project.json."""
        self.version += 1
        looks = [look.as_json() for look in self.looks]
        write_json(
            self.folder / "project.json",
            {"at": self.at, "looks": looks, "variants": [asdict(one) for one in self.variants]},
        )

    def take_in(self, path: str | Path, title: str = "") -> str:
        """Copy a picture into the project; its name inside. Raises InputError for what is no picture and for too many."""
        return take_picture(path, self.folder, "pictures", title)

    def new_place(self, folder: str, ending: str) -> str:
        """A name inside that is not taken yet: folder/1, folder/2, ..."""
        place = self.folder / folder
        place.mkdir(exist_ok=True)
        numbers = [int(found[0]) for path in place.iterdir() if (found := re.match(r"\d+", path.name))]
        return f"{folder}/{max(numbers, default=0) + 1}{ending}"

    def part(self, name: str) -> Path:
        """The folder of a part of the page, in a project that reopens."""
        with self.lock:
            if not (self.folder / "project.json").is_file():
                self.save()
        place = self.folder / name
        place.mkdir(exist_ok=True)
        return place

    def file(self, name: str) -> Path:
        """A file inside. Raises InputError for a name that leaves the folder."""
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise InputError(f"Expected a file of the project, got {name!r}; choose one of its own.")
        return path


def take_picture(path: str | Path, folder: Path, inside: str, title: str = "") -> str:
    """Copy a picture into a folder under a name made of its own, as far as that is plain, and its content's ending.

    Raises InputError for what is no picture, too large, or one too many.
    """
    from relook.io.pictures import open_picture

    path, place = Path(path), folder / inside
    if path.stat().st_size > MEGABYTES * 10**6:
        raise InputError(
            f"Expected at most {MEGABYTES} MB, got {path.stat().st_size / 1e6:.0f}; make the picture smaller."
        )
    kind = open_picture(path, PictureError).format or ""
    if kind not in ENDINGS:
        raise PictureError(
            f"Expected a photograph (JPEG, PNG, HEIC, WebP, TIFF, AVIF), got {kind or 'another file'}; convert it."
        )
    place.mkdir(parents=True, exist_ok=True)
    if sum(1 for _ in place.iterdir()) >= FILES:
        raise InputError(f"Expected at most {FILES} pictures, got one more; start a new project.")
    stem = re.sub(r"[^A-Za-z0-9]+", "-", title or path.stem).strip("-")[:40] or "picture"
    name, number = f"{stem}{ENDINGS[kind]}", 1
    while (place / name).exists() and (place / name).read_bytes() != path.read_bytes():
        number += 1
        name = f"{stem}-{number}{ENDINGS[kind]}"
    if not (place / name).exists():
        shutil.copyfile(path, place / name)
    return f"{inside}/{name}"


class Projects:
    """All projects of a folder; each is opened once."""

    def __init__(self, root: Path) -> None:
        """root: made if it is not there. Raises InputError for a folder whose name options could not carry."""
        self.root = root.resolve()
        if set(",=#") & set(str(self.root)):
            raise InputError(f"Expected a folder without commas, = and # in its name, got {self.root}; choose another.")
        self.root.mkdir(parents=True, exist_ok=True)
        self._open: dict[str, Project] = {}
        self._lock = RLock()

    def names(self) -> Sequence[str]:
        """The projects there are, the latest first."""
        found = [path.parent for path in self.root.glob("*/project.json") if NAME.fullmatch(path.parent.name)]
        return [path.name for path in sorted(found, key=lambda path: -(path / "project.json").stat().st_mtime)]

    def new(self) -> Project:
        """An empty project. Its folder comes with its first decision."""
        with self._lock:
            name = f"room-{token_hex(4)}"
            return self._open.setdefault(name, Project(self.root / name))

    def get(self, name: str) -> Project:
        """A project by its name. Raises InputError where there is none."""
        with self._lock:
            if name in self._open:
                return self._open[name]
            folder = self.root / name
            if not NAME.fullmatch(name) or not (folder / "project.json").is_file():
                raise InputError(f"Expected the name of a project in {self.root}, got {name!r}; open one of the list.")
            return self._open.setdefault(name, _read(folder))

    def rename(self, project: Project, title: str) -> Project:
        """The project under another name. Raises InputError for a name that is taken or none."""
        name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40]
        if not NAME.fullmatch(name) or (self.root / name).exists() or name in (MATERIALS, CAPTURES, REPORTS, SIGNATURE):
            raise InputError(f"Expected a new name of letters and digits, got {title!r}; choose another.")
        with self._lock, project.lock:
            project.folder.rename(self.root / name)
            self._open.pop(project.name, None)
            moved = replace(project, folder=self.root / name)
            self._open[name] = moved
            return moved

    @property
    def materials(self) -> Mapping[str, Path]:
        """The swatches, by their names."""
        place = self.root / MATERIALS
        return {path.stem: path for path in sorted(place.glob("*")) if path.suffix in ENDINGS.values()}


def _read(folder: Path) -> Project:
    """A project from its folder."""
    held: Any = read_json(folder / "project.json")
    try:
        looks = [Look.from_json(one) for one in held["looks"]]
        variants = [Variant(one["title"], Look.from_json(one["look"]), one["out"]) for one in held["variants"]]
        return Project(folder, looks, int(held["at"]), variants)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"Expected a project of the studio in {folder}, got something else ({error}); start a new one."
        ) from error
