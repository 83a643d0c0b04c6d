"""What a run over a walk reads: its views one by one, and the key that tells one run from another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from relook import cache
from relook.captures import VIDEOS, Capture, read_capture
from relook.captures.frames import of_one_size
from relook.config import ViewsConfig
from relook.errors import InputError
from relook.files import label_map, sha256
from relook.io import read_segments
from relook.io.video import check_thinning
from relook.lift.store import check_folder, check_unpacking
from relook.transfer.references import check_pictures
from relook.types import View

SLOW = 12.0
"""Frames per second of a video whose input says nothing."""


@runtime_checkable
class ViewSource(Protocol):
    """Views in the order of a walk, read one by one: a capture's, some in memory, renderings of a scene."""

    def __len__(self) -> int: ...

    def view(self, number: int) -> View:
        """A view by its number, from 0."""


@dataclass(frozen=True)
class Views:
    """Views that a function reads, as the source of a walk."""

    read: Callable[[int], View]
    numbers: Sequence[int]

    def __len__(self) -> int:
        return len(self.numbers)

    def view(self, number: int) -> View:
        return self.read(self.numbers[number])


def names_of(source: ViewSource) -> list[str]:
    """The names of a capture's frames, or the numbers of other views."""
    if isinstance(source, Capture):
        return [frame.name for frame in source.frames]
    return [f"{number:04d}" for number in range(len(source))]


def with_maps(source: ViewSource, folder: Path) -> ViewSource:
    """The views with label maps of a folder, found by `names_of`. Raises InputError for the first that has none."""
    maps = [label_map(folder, name) for name in names_of(source)]

    def read(number: int) -> View:
        view = source.view(number)
        return replace(view, segments=read_segments(maps[number], view.size, resize=True))

    return Views(read, range(len(source)))


Walk = str | Path | ViewSource | Sequence[View]
"""A folder of frames, a video, a COLMAP project, transforms.json, capture.json; or what was read of one; or views."""


def read_walk(walk: Walk, style: str | Path | View, config: ViewsConfig, out: Path) -> tuple[ViewSource, float]:
    """The views, and how many there are in a second; a video is unpacked into out/input.

    Raises an error of relook.errors for inputs that cannot be used, also for an unreadable style, before anything is written.
    """
    check_folder(out, [Path(path) for path in (walk, style) if isinstance(path, str | Path)])
    check_pictures(style, config.photo)
    if isinstance(walk, str | Path):
        if Path(walk).suffix.lower() in VIDEOS:
            check_unpacking(out)
        source: ViewSource = read_capture(walk, workspace=out / "input", every=config.every, limit=config.limit)
    else:
        source = _thinned(walk, config.every, config.limit)
    if not len(source):
        raise InputError("Expected a walk of at least one frame, got none; name another one.")
    known = None
    if isinstance(source, Capture):
        known = source.fps
        check_folder(out, [file for frame in source for file in (frame.image, frame.depth) if file is not None])
    return source, config.fps or known or SLOW


def _thinned(walk: ViewSource | Sequence[View], every: int, limit: int | None) -> ViewSource:
    """Every `every`-th view of what is in memory or was read before, `limit` of them at most."""
    if isinstance(walk, Capture):
        return of_one_size(walk.thinned(every, limit))
    check_thinning(every, limit)
    numbers = range(len(walk))[::every][:limit]
    if isinstance(walk, ViewSource):
        return Views(walk.view, numbers)
    sizes = sorted({walk[number].size for number in numbers})
    if len(sizes) > 1:
        raise InputError(f"Expected views of one size, got {sizes[0]} and {sizes[1]}; resize them.")
    return Views(walk.__getitem__, numbers)


def key_of(walk: Walk, source: ViewSource, style: str | Path | View, config: ViewsConfig) -> str:
    """What makes a run the same run: all its pictures, depth and cameras, the style, the options, this code."""
    photo = config.photo
    style = Path(style) if isinstance(style, str) else style
    parts = [len(source), config.as_json(), *_content((style, *photo.files().values()))]
    if isinstance(walk, str | Path) and Path(walk).suffix.lower() in VIDEOS:
        return cache.key(*parts, sha256(walk))
    views = source.frames if isinstance(source, Capture) else map(source.view, range(len(source)))
    return cache.key(*parts, *(part for view in views for part in _content(view)))


def _content(value: Any) -> list[Any]:
    """What `cache.key` hashes of a value: tensors, the content of files, names and numbers; dataclasses and tuples part by part."""
    if is_dataclass(value):
        value = tuple(getattr(value, entry.name) for entry in fields(value))
    if isinstance(value, tuple):
        return [part for entry in value for part in _content(entry)]
    if isinstance(value, Path):
        return [sha256(value)]
    return [value if isinstance(value, Tensor) else repr(value)]
