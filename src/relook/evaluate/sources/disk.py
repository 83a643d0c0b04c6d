"""Pairs that lie on disk: what a folder of the user's own and a public benchmark have in common."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from relook.captures.frames import natural_order
from relook.captures.pictures import pictures_in
from relook.config import PerceiveConfig
from relook.errors import InputError, PictureError
from relook.evaluate.sources.pair import Pair
from relook.files import reason, sha256
from relook.io import MINIMUM_SIDE, read_depth, read_image, read_segments, read_size
from relook.perceive.depth import ESTIMATORS
from relook.perceive.perceive import perceive_photo
from relook.perceive.segment import SEGMENTERS
from relook.session import Session
from relook.transfer.working import shrunk
from relook.types import Depth, Segments, View

LEAST = 32
"""Fewer pixels along the longer side leave no room for a picture."""
READABLE = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
"""Endings of photographs."""
PAIRS = "pairs.csv"
"""File of a source's folder that says which pairs there are."""
NO_REGION = "no region"
"""The class of pixels that no region holds."""


@dataclass(frozen=True)
class Shot:
    """A picture on disk with those of its maps that lie there too."""

    image: Path
    segments: Path | None = None
    depth: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that is read: a label map brings the JSON of its names."""
        labels = () if self.segments is None else (self.segments, self.segments.with_suffix(".json"))
        return tuple(file for file in (self.image, *labels, self.depth) if file is not None and file.is_file())


@dataclass(frozen=True)
class Case:
    """What a pair is made of."""

    name: str
    structure: Shot
    style: Shot
    prompt: str = ""
    exact: Path | None = None
    """A picture of the answer, of the structure's size."""


@dataclass(frozen=True)
class OnDisk:
    """A source that reads files, perceives what is not there, and writes nothing. Subclasses say where what lies (`listing`)."""

    path: Path
    """The folder."""
    longest: int | None = 512
    """Longer side in pixels that pictures are shrunk to; None: as they are. What is perceived is perceived at this size."""
    segmenter: str = "auto"
    """Which segmenter finds the regions of pictures without segments, as for `relook photo`."""
    depth: str = "auto"
    """Which model estimates the depth of pictures without depth, or `none`."""

    def __post_init__(self) -> None:
        from relook.models.load import absolute

        if self.longest is not None and self.longest < LEAST:
            raise InputError(f"Expected a longer side of at least {LEAST} pixels, got {self.longest}; choose more.")
        object.__setattr__(self, "path", Path(self.path).expanduser().absolute())
        object.__setattr__(self, "segmenter", absolute(self.segmenter, SEGMENTERS.names))
        object.__setattr__(self, "depth", absolute(self.depth, ("none", *ESTIMATORS.names)))

    def listing(self) -> Sequence[Case]:
        """Every pair in order. Raises InputError where the folder does not have the layout."""
        raise NotImplementedError

    def read_segments(self, path: Path, size: tuple[int, int]) -> Segments:
        """A map of regions for a picture of `size` = (H, W)."""
        return read_segments(path, size)

    def read_depth(self, path: Path, size: tuple[int, int]) -> Depth:
        """A depth map for a picture of `size` = (H, W)."""
        return read_depth(path, size)

    @cached_property
    def cases(self) -> Mapping[str, Case]:
        """The listing by names, every picture's head read. Raises InputError or PictureError for what cannot be used."""
        found = self.listing()
        if not found:
            raise InputError(f"Expected pairs in {self.path}, got none; see docs/evaluate.md for the layout.")
        if alike := [names for names in _by_place(found).values() if len(names) > 1]:
            raise InputError(
                f"Expected pairs whose names differ in letters or digits, got {' and '.join(alike[0])} in {self.path}; rename a file."
            )
        shots = [shot for case in found for shot in (case.structure, case.style)]
        sizes = {image: self._size(image) for image in dict.fromkeys(shot.image for shot in shots)}
        for case in found:
            if case.exact is not None and read_size(case.exact) != sizes[case.structure.image]:
                raise InputError(
                    f"Expected the answer {case.exact} to have the size of {case.structure.image}, got another; scale it."
                )
        return {case.name: case for case in found}

    @property
    def names(self) -> Sequence[str]:
        """Names of the pairs, in order; each can be a file's name."""
        return tuple(self.cases)

    @property
    def revision(self) -> str:
        """SHA-256 of the pairs' revisions."""
        return _digest([[name, self.revision_of(name)] for name in self.names])

    def revision_of(self, name: str) -> str:
        """SHA-256 of every file of a pair, and of the models that perceive what is not there: asked once, while one source lives."""
        if name not in self._revisions:
            case, models = self.cases[name], dict[str, str]()
            shots = (case.structure, case.style)
            if any(shot.segments is None for shot in shots):
                models |= self._segmenters
            if self.depth != "none" and any(shot.depth is None for shot in shots):
                models |= self._depths
            files = [_hashes(case.structure.files), _hashes(case.style.files), _hashes([case.exact])]
            self._revisions[name] = _digest([self.longest, models, case.name, case.prompt, files])
        return self._revisions[name]

    @cached_property
    def _revisions(self) -> dict[str, str]:
        return {}

    @cached_property
    def _segmenters(self) -> Mapping[str, str]:
        return SEGMENTERS.revisions(self.segmenter)

    @cached_property
    def _depths(self) -> Mapping[str, str]:
        return ESTIMATORS.revisions(self.depth)

    @property
    def answered(self) -> bool:
        """Whether every pair has an exact answer."""
        return all(case.exact is not None for case in self.cases.values())

    def pair(self, name: str, session: Session) -> Pair:
        """A pair by its name, read and perceived; the session remembers the last few pictures.

        With an answer, its pixels are scored by the structure's regions. Raises InputError for names that are not in `names`, and
        errors of relook.errors for files that cannot be read.
        """
        if name not in self.cases:
            raise InputError(f"Expected the name of a pair in {self.path}, got {name!r}; see its pairs.csv.")
        case = self.cases[name]
        structure, style = (
            session.remembered("picture", (self, shot, _stamps(shot.files)), partial(self._view, shot, session))
            for shot in (case.structure, case.style)
        )
        pair = Pair(name, structure, style, case.prompt)
        if case.exact is None:
            return pair
        scored, names = _classes(structure)
        return replace(pair, exact=_small(View(read_image(case.exact)), self.longest).image, scored=scored, names=names)

    def _view(self, shot: Shot, session: Session) -> View:
        """A picture with its segments and depth, read or perceived."""
        view = View(read_image(shot.image))
        if shot.segments is not None:
            view = replace(view, segments=self.read_segments(shot.segments, view.size))
        if shot.depth is not None:
            view = replace(view, depth=self.read_depth(shot.depth, view.size))
        view = _small(view, self.longest)
        segmenter = self.segmenter if view.segments is None else "exact"
        return perceive_photo(
            view, PerceiveConfig(segmenter, self.depth if view.depth is None else "exact", "none"), session=session
        )

    def _size(self, image: Path) -> tuple[int, int]:
        """(H, W) of a picture that can be used."""
        size = read_size(image)
        scale = 1.0 if self.longest is None else min(1.0, self.longest / max(size))
        if round(min(size) * scale) < MINIMUM_SIDE:
            raise PictureError(
                f"Expected sides of at least {MINIMUM_SIDE} pixels at {round(max(size) * scale)} pixels of the longer one, got "
                f"{size[1]} x {size[0]} in {image}; use another picture."
            )
        return size


def pictures(folder: Path) -> list[Path]:
    """Pictures in a folder in the natural order of their names. Raises InputError where there are none."""
    files = pictures_in(folder) if folder.is_dir() else []
    if not files:
        raise InputError(f"Expected pictures in {folder}, got none; put some there.")
    return sorted(files, key=lambda file: (natural_order(file.name), file.name))


def photographs(folder: Path | None) -> list[Path]:
    """Pictures under a folder, at any depth; none without a folder. Raises InputError where there are none."""
    if folder is None:
        return []
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in READABLE)
    if not files:
        raise InputError(f"Expected pictures ({', '.join(READABLE)}) under {folder}, got none; name their folder.")
    return files


def read_pairs(path: Path, needed: Sequence[str], optional: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """(line number, cells by column) of a CSV file in UTF-8 with a head, empty lines left out; optional cells may be empty.

    Raises InputError, naming the line, for a file that cannot be read, other columns, empty or missing cells, and a pair that comes twice.
    """
    allowed = f"{', '.join(needed)} (and perhaps {', '.join(optional)})"
    try:
        reader = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""), strict=True)
        lines = [(reader.line_num, [cell.strip() for cell in line]) for line in reader if any(map(str.strip, line))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"Expected a CSV file in UTF-8 at {path}, got none ({reason(error)}); save it as CSV, UTF-8."
        ) from error
    head = lines[0][1] if lines else []
    if set(head) - {*needed, *optional} or not set(needed) <= set(head) or len(set(head)) < len(head):
        raise InputError(
            f"Expected the columns {allowed}, separated by commas, in {path}, got {', '.join(head) or 'none'}; mend its first line."
        )
    if len(lines) == 1:
        raise InputError(f"Expected pairs in {path}, got a head alone; add lines, or remove the file.")
    rows: list[tuple[int, dict[str, str]]] = []
    seen: dict[tuple[str, ...], int] = {}
    for number, line in lines[1:]:
        cells = dict(zip(head, line, strict=False))
        if len(line) != len(head) or not all(cells[column] for column in needed):
            raise InputError(
                f"Expected {len(head)} cells in line {number} of {path}, none of {', '.join(needed)} empty, got {', '.join(line)}; "
                "mend it."
            )
        first = seen.setdefault(tuple(cells[column] for column in needed), number)
        if first != number:
            raise InputError(f"Expected every pair once in {path}, got line {number} as line {first}; remove one.")
        rows.append((number, cells))
    return rows


def _by_place(cases: Iterable[Case]) -> dict[str, list[str]]:
    """Names by the place where the results of the pair would lie: names that differ only in capitals or signs share one."""
    found: dict[str, list[str]] = {}
    for case in cases:
        found.setdefault("".join(c if c.isalnum() else "-" for c in case.name.casefold()), []).append(case.name)
    return found


def _small(view: View, longest: int | None) -> View:
    return view if longest is None else shrunk(view, longest)


def _classes(view: View) -> tuple[Int[Tensor, "H W"], tuple[str, ...]]:
    """1 + index into the names of the regions' classes, per pixel; pixels without a region are a class of their own, the last."""
    segments = view.segments or Segments(torch.zeros(view.size, dtype=torch.int64))
    names = segments.names
    classes = torch.full(view.size, len(names) + 1)
    for number, name in enumerate(names, start=1):
        classes[segments.mask(name)] = number
    return classes, (*names, NO_REGION) if bool((classes > len(names)).any()) else names


def _stamps(files: Iterable[Path]) -> tuple[tuple[str, int, int], ...]:
    """Path, size and time of files: changes when one of them is written."""
    return tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)


def _digest(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _hashes(files: Iterable[Path | None]) -> list[str]:
    return [_hash(*stamp) for stamp in _stamps(file for file in files if file is not None)]


@lru_cache(maxsize=4096)
def _hash(path: str, size: int, time: int) -> str:
    return sha256(path)
