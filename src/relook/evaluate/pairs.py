"""Pairs of dollhouse rooms with the exact answer, drawn from seeds that no training uses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.correspond.semantic import Correspondence, match_segments
from relook.dollhouse import CLASSES, ROOMS, Rendering, Style, render, sample_layout, sample_style, seen
from relook.types import View

HELD_OUT = 1 << 40
"""Training draws its seeds below this one."""
SHOWN = 0.005
"""A class counts as shown where it fills at least this fraction of a picture."""


@dataclass(frozen=True)
class Pair:
    """A structure and a style of one kind of room, and the structure's room in the style's look."""

    structure: View
    style: View
    exact: Float[Tensor, "3 H W"]
    """The answer: the layout of the structure rendered in the style."""
    scored: Int[Tensor, "H W"]
    """1 + class of the structure's pixels where both pictures show the class, else 0: elsewhere the answer is unknowable."""
    patterned: Int[Tensor, "H W"]
    """The same, only for classes whose pattern differs between the two styles."""
    prompt: str
    """Names the room, never its look."""

    def correspondence(self) -> Correspondence:
        """Regions of equal names."""
        ours, theirs = self.structure.segments, self.style.segments
        assert ours is not None
        assert theirs is not None
        return match_segments(ours, theirs)


@lru_cache(maxsize=128)
def draw_pair(seed: int, index: int, size: tuple[int, int] = (128, 128)) -> Pair:
    """Pair `index` of the suite's seed; the same arguments give the same pair."""
    first = HELD_OUT + seed * 1_000_000 + 2 * index
    kind = ROOMS[index % len(ROOMS)]
    layouts = [sample_layout(first + i, kind) for i in range(2)]
    styles = [sample_style(first + i) for i in range(2)]
    structure, style = (render(layout, look, size) for layout, look in zip(layouts, styles, strict=True))
    shown = seen(structure, SHOWN) & seen(style, SHOWN)
    changed = {name for name in shown if _pattern(styles[0], name) != _pattern(styles[1], name)}
    return Pair(
        structure.view(), style.view(), render(layouts[0], styles[1], size).image,
        _only(structure, shown), _only(structure, changed), f"a photo of a {kind}{' room' if kind == 'living' else ''}",
    )  # fmt: skip


def _pattern(style: Style, name: str) -> tuple[str, int]:
    """What a class's pattern is, apart from its colours: plain surfaces have no frequency."""
    material = style.materials[name]
    return (material.pattern, 0 if material.pattern == "plain" else material.frequency)


def _only(rendering: Rendering, names: set[str] | frozenset[str]) -> Int[Tensor, "H W"]:
    """1 + class id where the class is one of the names, else 0."""
    wanted = torch.tensor([name in names for name in CLASSES])
    return torch.where(wanted[rendering.classes], rendering.classes + 1, 0)
