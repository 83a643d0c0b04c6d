"""Pictures of any sizes side by side, without gaps: the first as it is, the others in a column beside it or in a row below it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal

from jaxtyping import Shaped
from torch import Tensor
from torch.nn.functional import interpolate

from relook.errors import ShapeError

Size = tuple[int, int]


@dataclass(frozen=True)
class Place:
    """Where a picture lies, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Mosaic:
    """Places that fill a picture and do not overlap."""

    places: tuple[Place, ...]

    @property
    def size(self) -> Size:
        """(H, W) of the whole."""
        return max(one.top + one.height for one in self.places), max(one.left + one.width for one in self.places)

    def pasted(
        self, maps: Sequence[Shaped[Tensor, "C _ _"]], mode: Literal["bicubic", "nearest-exact"] = "nearest-exact"
    ) -> Shaped[Tensor, "C H W"]:
        """One map from one of each picture, at its place. Raises ShapeError for another number of maps than of places."""
        if len(maps) != len(self.places):
            raise ShapeError(f"Expected {len(self.places)} maps for the places, got {len(maps)}; give one for each.")
        whole = maps[0].new_zeros(maps[0].shape[0], *self.size)
        for place, values in zip(self.places, maps, strict=True):
            rows, columns = slice(place.top, place.top + place.height), slice(place.left, place.left + place.width)
            whole[:, rows, columns] = _at_size(values, (place.height, place.width), mode).to(whole)
        return whole


def mosaic(sizes: Sequence[Size]) -> Mosaic:
    """Places of pictures of these sizes (H, W): the first keeps its size, the others their aspect, to a pixel.

    They stand in a column as high as the first, or in a row as wide: whichever brings the whole nearer to the aspect of the first, so that a
    network that sees all of it at one size sees the first least distorted.
    """
    (height, width), *others = sizes
    if not others:
        return Mosaic((Place(0, 0, height, width),))
    aspects = [w / h for h, w in others]
    wide, high = height / sum(1 / a for a in aspects), width / sum(aspects)
    beside = (width + wide) / height  # aspects of the two
    below = width / (height + high)
    own = width / height
    if abs(math.log(beside / own)) <= abs(math.log(below / own)) + 1e-9:
        column = max(1, round(wide))
        edges = _edges([wide / a for a in aspects], height)
        return Mosaic((Place(0, 0, height, width), *(Place(a, width, b - a, column) for a, b in pairwise(edges))))
    row = max(1, round(high))
    edges = _edges([high * a for a in aspects], width)
    return Mosaic((Place(0, 0, height, width), *(Place(height, a, row, b - a) for a, b in pairwise(edges))))


def _edges(lengths: Sequence[float], whole: int) -> list[int]:
    """Where parts of these lengths begin and end, in whole pixels, none of them empty. Raises ShapeError for more parts than pixels."""
    if len(lengths) > whole:
        raise ShapeError(
            f"Expected at most {whole} pictures beside one of {whole} pixels, got {len(lengths)}; take fewer."
        )
    ends = [round(end) for end in accumulate(lengths)]
    for number in range(len(ends)):  # room for those before and behind
        ends[number] = min(max(ends[number], (ends[number - 1] if number else 0) + 1), whole - (len(ends) - 1 - number))
    return [0, *ends[:-1], whole]


def _at_size(values: Shaped[Tensor, "C h w"], size: Size, mode: Literal["bicubic", "nearest-exact"]) -> Tensor:
    if tuple(values.shape[-2:]) == size:
        return values
    floating = values if values.is_floating_point() else values.double()
    resized = interpolate(floating[None], size, mode=mode, **({"antialias": True} if mode == "bicubic" else {}))[0]
    return resized.clamp(0, 1) if mode == "bicubic" else resized
