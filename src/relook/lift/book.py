"""What a run over a walk has finished, on disk: every frame complete or absent, so that a stopped run goes on with the same bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from relook.cache import recall, remember
from relook.errors import InputError
from relook.files import read_json, write_json
from relook.io import read_image, write_image
from relook.lift.carry import Painted
from relook.types import View

OLDEST = 15.0
"""Ages beyond this are kept as this."""
KEPT = 12
"""Frames held in memory."""
WRITTEN = ("walk.mp4", "points.ply", "report.html", "views.json")
"""What a finished run leaves beside its frames."""


@dataclass
class Book:
    """The folder of a run: frames/NAME.png, and in work/ what later frames must know of them."""

    folder: Path
    names: Sequence[str]
    """File names of the frames, without ending, by number."""
    held: dict[int, Painted] = field(default_factory=dict)

    def open(self, key: str, settle: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """What was settled when the run began, or is settled now.

        Raises InputError when the folder holds finished frames of another run; one that finished none does not count.
        """
        place = self.folder / "work" / "run.json"
        settled = recall(place, key)
        if settled is None:
            if begun(self.folder):
                raise _other(self.folder)
            settled = dict(settle())
            remember(place, key, settled)
        return settled

    def notes(self, number: int) -> dict[str, Any] | None:
        """What is noted of a finished frame; None for one that is not."""
        place = self._place("work", number, ".json")
        return read_json(place) if place.is_file() else None

    def write(
        self, number: int, image: Tensor, age: Tensor, usable: Tensor, styled: Tensor, notes: Mapping[str, Any]
    ) -> None:
        """Keep a finished frame: the picture, then what later frames must know of its pixels, then its notes, which make it count."""
        write_image(self.frame(number), image)
        ages = (age.clamp(0, OLDEST) / OLDEST).expand(3, -1, -1).clone()
        ages[1], ages[2] = usable.to(ages), styled.to(ages)
        write_image(self._place("work", number, ".png"), ages)
        write_json(self._place("work", number, ".json"), notes)
        self.held.pop(number, None)

    def painted(self, number: int, view: Callable[[int], View]) -> Painted:
        """A finished frame, always as it lies on disk, whether it was finished now or before a stop."""
        if number not in self.held:
            age, usable, styled = read_image(self._place("work", number, ".png"))
            image = read_image(self.frame(number))
            self.held[number] = Painted(number, view(number), image, age * OLDEST, _usable(usable), styled)
            while len(self.held) > KEPT:
                self.held.pop(next(iter(self.held)))
        return self.held[number]

    def frame(self, number: int) -> Path:
        """Where a frame's picture lies."""
        return self._place("frames", number, ".png")

    def image(self, number: int) -> Float[Tensor, "3 H W"]:
        """A finished frame's picture."""
        return read_image(self.frame(number))

    def fresh(self, number: int) -> Bool[Tensor, "H W"]:
        """Pixels that were painted in this frame, and are no one that moves."""
        ages = read_image(self._place("work", number, ".png"))
        return (ages[0] * OLDEST < 0.5) & _usable(ages[1])

    def _place(self, room: str, number: int, ending: str) -> Path:
        return self.folder / room / f"{self.names[number]}{ending}"


def begun(folder: Path) -> bool:
    """Whether the folder holds a finished frame of some run."""
    return any(file.name != "run.json" for file in (folder / "work").glob("*.json"))


def check_folder(folder: Path, inputs: Iterable[Path]) -> None:
    """Raise InputError unless a run may write into the folder, and writes none of its inputs over."""
    place = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise InputError(
            f"Expected a folder {folder} to write to, got none ({place} is no writable folder); choose another."
        )
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


def _usable(values: Float[Tensor, "H W"]) -> Bool[Tensor, "H W"]:
    return values > 0.5
