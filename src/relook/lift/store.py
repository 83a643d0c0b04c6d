"""Finished frames that later ones look back on: in memory, or on disk, where a stopped run goes on with the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from relook.cache import recall, remember
from relook.errors import InputError
from relook.files import check_writable, read_json, write_json
from relook.io import read_image, write_image
from relook.lift.look import OLDEST, Look, RestyledFrame
from relook.types import View

KEPT = 12
"""Frames held in memory beside those on disk."""
WRITTEN = ("walk.mp4", "points.ply", "report.html", "views.json")
"""What a finished run leaves beside its frames."""


@runtime_checkable
class History(Protocol):
    """The finished frames of a walk."""

    def notes(self, number: int) -> Mapping[str, Any] | None:
        """What is noted of a finished frame; None for one that is not finished."""

    def frame(self, number: int, view: Callable[[int], View]) -> RestyledFrame:
        """A finished frame; view reads what it was before."""

    def add(self, frame: RestyledFrame) -> None:
        """Keep a finished frame."""

    def folder_of(self, name: str) -> Path | None:
        """Where else a stopped run finds what it made; None where nothing is kept."""


@dataclass
class InMemory:
    """The history of a walk that nobody resumes. Frames that none looks back on any more are let go, unless `whole`."""

    whole: bool = False
    frames: dict[int, RestyledFrame] = field(default_factory=dict)

    def notes(self, number: int) -> Mapping[str, Any] | None:
        return self.frames[number].notes if number in self.frames else None

    def frame(self, number: int, view: Callable[[int], View]) -> RestyledFrame:
        return self.frames[number]

    def add(self, frame: RestyledFrame) -> None:
        wanted = self.frames if self.whole else frame.notes["candidates"]
        self.frames = {number: other for number, other in self.frames.items() if number in wanted}
        self.frames[frame.number] = frame

    def folder_of(self, name: str) -> Path | None:
        return None


@dataclass
class WalkStore:
    """The folder of a run: frames/NAME.png, and in work/ what later frames must know of them; every frame complete or absent."""

    folder: Path
    held: dict[int, RestyledFrame] = field(default_factory=dict)

    def open(self, key: str, decide: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """What was decided when the run began, or is decided now.

        Raises InputError when the folder holds finished frames of another run; one that finished none does not count.
        """
        path = self.folder / "work" / "run.json"
        decided = recall(path, key)
        if decided is None:
            if begun(self.folder):
                raise _other(self.folder)
            decided = dict(decide())
            remember(path, key, decided)
        return decided

    def notes(self, number: int) -> dict[str, Any] | None:
        path = self._path("work", number, ".json")
        return read_json(path) if path.is_file() else None

    def add(self, frame: RestyledFrame) -> None:
        """Write a finished frame: its picture, then what later frames must know of its pixels, then its notes, which make it count."""
        look = frame.look
        write_image(self.path(frame.number), look.image)
        maps = torch.stack([look.age.clamp_max(OLDEST) / OLDEST, look.confidence, look.styled])
        write_image(self._path("work", frame.number, ".png"), maps)
        write_json(self._path("work", frame.number, ".json"), dict(frame.notes))
        self._hold(frame)

    def frame(self, number: int, view: Callable[[int], View]) -> RestyledFrame:
        if number not in self.held:
            age, usable, styled = read_image(self._path("work", number, ".png"))
            before = view(number)
            look = Look(self.image(number), age * OLDEST, styled, before.image, (usable > 0.5).float())
            self._hold(RestyledFrame(number, before, look, self.notes(number) or {}))
        return self.held[number]

    def folder_of(self, name: str) -> Path:
        return self.folder / "work" / name

    def path(self, number: int) -> Path:
        """Where a frame's picture lies."""
        return self._path("frames", number, ".png")

    def image(self, number: int) -> Float[Tensor, "3 H W"]:
        """A finished frame's picture."""
        return read_image(self.path(number))

    def _hold(self, frame: RestyledFrame) -> None:
        """Keep a frame in memory, and let the one go that was kept longest."""
        self.held[frame.number] = frame
        while len(self.held) > KEPT:
            self.held.pop(next(iter(self.held)))

    def _path(self, folder: str, number: int, ending: str) -> Path:
        return self.folder / folder / f"{number:06d}{ending}"


def begun(folder: Path) -> bool:
    """Whether the folder holds a finished frame of some run."""
    return any(file.name != "run.json" for file in (folder / "work").glob("*.json"))


def check_folder(folder: Path, inputs: Iterable[Path]) -> None:
    """Raise InputError unless a run may write into the folder, and writes none of its inputs over."""
    check_writable(folder, folder=True)
    own = folder.resolve()
    for file in (path.resolve() for path in inputs):
        if file.parent in (own / "frames", own / "work") or file in {own / name for name in WRITTEN}:
            raise InputError(
                f"Expected a folder to write to that holds no input, got {file} in it; choose another folder."
            )


def check_unpacking(folder: Path) -> None:
    """Raise InputError where a video would be unpacked into the folder of a run that had none."""
    if begun(folder) and not (folder / "input").is_dir():
        raise _other(folder)


def _other(folder: Path) -> InputError:
    return InputError(
        f"Expected {folder} to hold nothing or the same run, got frames of another input, style, option or version; "
        "choose another folder or remove this one."
    )
