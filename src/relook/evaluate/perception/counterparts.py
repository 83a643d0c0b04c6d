"""Two different rooms of one kind, and where in the style picture every part of the structure picture is: exactly known.

The counterpart of a structure pixel is the style pixel of its class with the nearest part coordinates (relook.dollhouse.parts). Several
may be as good (two chairs, a long wall): all within TOLERANCE of the nearest count.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.correspond.semantic import Correspondence, match_segments
from relook.dollhouse import CLASSES, ROOMS, Rendering, rendering, sample_layout, sample_style, shade, trace
from relook.dollhouse.parts import part_coordinates
from relook.errors import SegmentsError
from relook.evaluate.sources.dollhouse import HELD_OUT, SHOWN
from relook.types import View

TOLERANCE = 0.05
"""A style pixel is as good as the best one if its part coordinates are at most this much farther."""
SAMPLES = 64
"""Structure pixels are scored on a grid of this many along the longer side."""
VALUES = 1 << 23
"""Most distances in memory at once."""


@dataclass(frozen=True)
class Targets:
    """The true counterparts of the scored pixels: pairs of a pixel and a place that is right for it."""

    pixel: Int[Tensor, " K"]
    """Number of the scored pixel."""
    place: Float[Tensor, "K 2"]
    """(x, y) in parts of the style's longer side."""


@dataclass(frozen=True)
class Rooms:
    """A structure and a style with the truth at N structure pixels whose class the style shows."""

    structure: View
    style: View
    pixels: Int[Tensor, "N 2"]
    """(row, column) of the scored structure pixels."""
    classes: Int[Tensor, " N"]
    """Their classes."""
    parts: Float[Tensor, "N 6"]
    """Their part coordinates."""
    style_classes: Int[Tensor, "H W"]
    style_parts: Float[Tensor, "H W 6"]

    @cached_property
    def targets(self) -> Targets:
        """Every place that is right for a scored pixel."""
        longer = max(self.style_classes.shape)
        pixels, places = [], []
        for label in self.classes.unique().tolist():
            own = (self.classes == label).nonzero()[:, 0]
            there = (self.style_classes == label).nonzero()
            parts, centres = self.style_parts[there[:, 0], there[:, 1]], (there.flip(1) + 0.5) / longer
            for some in own.split(max(1, VALUES // len(there))):
                apart = torch.cdist(self.parts[some], parts, compute_mode="donot_use_mm_for_euclid_dist")
                which, target = (apart <= apart.amin(1, keepdim=True) + TOLERANCE).nonzero().unbind(1)
                pixels.append(some[which])
                places.append(centres[target])
        return Targets(torch.cat(pixels), torch.cat(places))

    def correspondence(self) -> Correspondence:
        """Regions of equal names."""
        structure, style = self.structure.segments, self.style.segments
        if structure is None or style is None:
            raise SegmentsError("Expected segments of both rooms, got none; draw them with `draw_rooms`.")
        return match_segments(structure, style)


def draw_rooms(seed: int, index: int, size: tuple[int, int] = (256, 256)) -> Rooms:
    """Pair `index` of the suite's seed: the same two rooms and styles as `relook.evaluate.sources.dollhouse.draw_pair` draws."""
    first = HELD_OUT + seed * 1_000_000 + 2 * index
    layouts = [sample_layout(first + i, ROOMS[index % len(ROOMS)]) for i in range(2)]
    geometry = trace(layouts, size)
    images = shade(geometry, [sample_style(first + i) for i in range(2)])
    structure, style = (rendering(geometry, i, images[i], layouts[i].pose) for i in range(2))
    parts = part_coordinates(geometry, layouts)
    pixels = _scored(structure, style)
    rows, columns = pixels.unbind(1)
    return Rooms(
        structure.view(), style.view(), pixels, structure.classes[rows, columns].long(), parts[0, rows, columns],
        style.classes.long(), parts[1],
    )  # fmt: skip


def class_at(rooms: Rooms, found: Float[Tensor, "N 2"]) -> Int[Tensor, " N"]:
    """Class of the style pixel at (x, y) in parts of its sides; -1 where no place was found."""
    height, width = rooms.style_classes.shape
    there = found.isfinite().all(-1)
    x, y = found.nan_to_num().unbind(-1)
    column, row = (x * width).long().clamp(0, width - 1), (y * height).long().clamp(0, height - 1)
    return torch.where(there, rooms.style_classes[row, column], -1)


def errors(rooms: Rooms, found: Float[Tensor, "N 2"]) -> Float[Tensor, " N"]:
    """From an answer for every scored pixel to the nearest true counterpart, in parts of the style's longer side.

    An answer that is NaN is as far off as can be: the length of the diagonal.
    """
    height, width = rooms.style_classes.shape
    longer = max(height, width)
    answers = found * torch.tensor([width / longer, height / longer])
    away = (answers[rooms.targets.pixel] - rooms.targets.place).norm(dim=1).nan_to_num(nan=torch.inf)
    nearest = torch.full((len(found),), torch.inf).scatter_reduce(0, rooms.targets.pixel, away, "amin")
    return torch.where(nearest.isfinite(), nearest, float((height**2 + width**2) ** 0.5 / longer))


def _scored(structure: Rendering, style: Rendering) -> Int[Tensor, "N 2"]:
    """Structure pixels on a regular grid whose class fills at least SHOWN of the style picture."""
    counts = torch.bincount(style.classes.flatten().long(), minlength=len(CLASSES))
    shown = counts >= SHOWN * style.classes.numel()
    step = max(1, max(structure.classes.shape) // SAMPLES)
    rows, columns = (torch.arange(step // 2, length, step) for length in structure.classes.shape)
    chosen = shown[structure.classes[rows][:, columns].long()].nonzero()
    return torch.stack([rows[chosen[:, 0]], columns[chosen[:, 1]]], 1)
