"""A rug as a whole: the rectangle on the floor that it fills, and which of its sides the picture shows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.ops.flat import places
from relook.ops.rectangle import Rectangle, fitted
from relook.transfer.materials.surface import Surface

AROUND = 0.5
"""Metres around a rug in which the floor says where it ends."""
BINS = 24
"""Parts of a side."""
BESIDE = 0.02, 0.15
"""Metres from a side, between which rug or floor must be seen."""
NARROW = 0.1
"""Metres; half of what is no rug."""
SEEN = 0.2
"""Share of a side that must be seen for it to count."""
FAITHFUL = 0.8
"""Share of the rectangle and the region, of all that is seen, that they have in common."""
CORNERS, EMPTY = 1.1, 0.4
"""Beyond so many radii lie the corners; with less rug there it is round."""


@dataclass(frozen=True)
class Outline:
    """Where a rug lies."""

    rectangle: Rectangle
    """On the floor, in metres."""
    H: Float[Tensor, "3 3"]
    """(x, y, 1) ~ H (u, v, 1), u and v along its own axes from its middle."""
    seen: tuple[float, float, float, float]
    """Share of each side (left, right, near, far) that the picture shows."""
    round: bool

    @property
    def half(self) -> tuple[float, float]:
        """Half its sides in metres."""
        return self.rectangle.half

    def inside(self, place: Float[Tensor, "2 N"]) -> Bool[Tensor, " N"]:
        """Whether places along its axes lie in it."""
        u, v = (one / half for one, half in zip(place, self.half, strict=True))
        return u.square() + v.square() <= 1 if self.round else (u.abs() <= 1) & (v.abs() <= 1)

    def with_sides(self, surface: Surface, sides: tuple[float, float, float, float]) -> Outline:
        """With other sides along its own axes."""
        rectangle = self.rectangle.moved(sides)
        return replace(self, rectangle=rectangle, H=surface.H @ rectangle.frame)


def outline_of(surface: Surface, floor: Bool[Tensor, "H W"]) -> Outline | None:
    """The outline of a rug on the floor's plane. floor: pixels that show the floor beside it. None where no rectangle is like the region."""
    both = surface.mask | (floor & surface.plane)
    found = places(surface.H, both)
    inside = surface.mask[both]
    low, high = (found.place[:, inside].quantile(share, dim=1)[:, None] for share in (0.005, 0.995))
    near = ((found.place > low - AROUND) & (found.place < high + AROUND)).all(0)
    place, inside, weight = found.place[:, near], inside[near], found.grain[near].square()
    weight = weight.minimum(weight.quantile(0.9) if len(weight) < 1 << 20 else weight.median())
    rectangle = fitted(place, inside, weight)
    if rectangle is None or min(rectangle.half) < NARROW:
        return None
    own = rectangle.own(place)
    outline = Outline(rectangle, surface.H @ rectangle.frame, _sides_seen(own, inside, rectangle.half), False)
    beyond = (own / torch.tensor(rectangle.half)[:, None]).square().sum(0)
    corners = outline.inside(own) & (beyond > CORNERS)
    if float(weight[corners & inside].sum()) < EMPTY * float(weight[corners].sum()):
        outline = replace(outline, round=True)
    within = outline.inside(own)
    if float(weight[within & inside].sum()) < FAITHFUL * float(weight[within | inside].sum()):
        return None
    return outline


def _sides_seen(
    own: Float[Tensor, "2 N"], inside: Bool[Tensor, " N"], half: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Share of every side along which the rug is seen within it and the floor beyond it."""
    shares = []
    for axis in (0, 1):
        along = ((own[1 - axis] / half[1 - axis] + 1) / 2 * BINS).floor().long()
        level = (along >= 0) & (along < BINS)
        for sign in (-1, 1):
            beyond = sign * own[axis] - half[axis]
            rug = level & inside & (beyond < 0) & (beyond > -BESIDE[1])
            bare = level & ~inside & (beyond > BESIDE[0]) & (beyond < BESIDE[1])
            shown = [torch.bincount(along[one], minlength=BINS) > 0 for one in (rug, bare)]
            shares.append(float((shown[0] & shown[1]).float().mean()))
    return shares[0], shares[1], shares[2], shares[3]
