"""Pairs of dollhouse rooms with the exact answer, drawn from seeds that no training uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from relook.dollhouse import CLASSES, ROOMS, Rendering, Style, render, sample_layout, sample_style, seen, walk
from relook.errors import InputError
from relook.evaluate.sources.pair import Pair
from relook.session import Session

HELD_OUT = 1 << 40
"""Training draws its seeds below this one."""
SHOWN = 0.005
"""A class counts as shown where it fills at least this fraction of a picture."""


Scored = Literal["shared", "all", "unmatched"]
"""What counts: classes that both pictures show (elsewhere the answer is unknowable from the style picture), every class, or only those
that the style picture lacks."""


@dataclass(frozen=True)
class Dollhouse:
    """Pairs of rooms that no training used, with the exact answer."""

    seed: int = 0
    """Draws the pairs."""
    count: int = 48
    """Number of pairs."""
    size: int = 128
    """Height and width of the pictures in pixels."""
    scored: Scored = "shared"
    """What counts."""

    def __post_init__(self) -> None:
        if self.count < 1 or self.size < 32 or self.seed < 0:
            raise InputError(
                f"Expected at least 1 pair, 32 pixels and a seed from 0, got {self.count}, {self.size}, {self.seed}; choose more."
            )

    @property
    def names(self) -> Sequence[str]:
        """000, 001 and so on."""
        return [f"{index:03d}" for index in range(self.count)]

    @property
    def revision(self) -> str:
        """What the pairs are drawn from."""
        return f"dollhouse {self.seed} {self.size} {self.scored}"

    def revision_of(self, name: str) -> str:
        """The same: a name is a number there."""
        return self.revision

    @property
    def answered(self) -> bool:
        """Always."""
        return True

    def pair(self, name: str, session: Session | None = None) -> Pair:
        """A pair by its name."""
        return draw_pair(self.seed, int(name), (self.size, self.size), self.scored)


def unseen_room(seed: int, number: int, size: int) -> Rendering:
    """A room that no training has seen, in a style that none has seen."""
    drawn = HELD_OUT + seed * 1_000_000 + number
    return render(sample_layout(drawn), sample_style(drawn), (size, size))


def unseen_walk(number: int, frames: int, size: int, stride: float = 0.5) -> list[Rendering]:
    """Places on `stride` metres through such a room."""
    layout, style = sample_layout(HELD_OUT + number), sample_style(HELD_OUT + number)
    return [render(layout, style, (size, size), pose) for pose in walk(layout, frames, stride=stride)]


def draw_pair(seed: int, index: int, size: tuple[int, int] = (128, 128), scored: Scored = "shared") -> Pair:
    """Pair `index` of the suite's seed; the same arguments give the same pair."""
    first = HELD_OUT + seed * 1_000_000 + 2 * index
    kind = ROOMS[index % len(ROOMS)]
    layouts = [sample_layout(first + i, kind) for i in range(2)]
    styles = [sample_style(first + i) for i in range(2)]
    structure, style = (render(layout, look, size) for layout, look in zip(layouts, styles, strict=True))
    here, there = seen(structure, SHOWN), seen(style, SHOWN)
    shown = {"shared": here & there, "all": here, "unmatched": here - there}[scored]
    changed = {name for name in shown if _pattern(styles[0], name) != _pattern(styles[1], name)}
    return Pair(
        f"{index:03d}", structure.view(), style.view(), prompt_of(kind),
        render(layouts[0], styles[1], size).image, _only(structure, shown), tuple(CLASSES), _only(structure, changed),
    )  # fmt: skip


def prompt_of(kind: str) -> str:
    """Names the room, never its look."""
    return f"a photo of a {kind}{' room' if kind == 'living' else ''}"


def _pattern(style: Style, name: str) -> tuple[str, int]:
    """What a class's pattern is, apart from its colours: plain surfaces have no frequency."""
    material = style.materials[name]
    return (material.pattern, 0 if material.pattern == "plain" else material.frequency)


def _only(rendering: Rendering, names: set[str] | frozenset[str]) -> Int[Tensor, "H W"]:
    """1 + class id where the class is one of the names, else 0."""
    wanted = torch.tensor([name in names for name in CLASSES])
    return torch.where(wanted[rendering.classes], rendering.classes + 1, 0)
