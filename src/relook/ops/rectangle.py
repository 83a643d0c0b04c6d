"""The rectangle that flat points fill, some of which lie inside of it and some outside."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

ANGLES = 31
"""Directions that are tried in a quarter turn."""
FINER = 9
"""Directions that are tried around the best of them."""
STRAIGHT = 1.03
"""What a rectangle along the axes counts, over others: what stands in a room mostly does so."""
ROUNDS = 4
"""In which the four sides are moved in turn."""
SAMPLED, ENOUGH = 4000, 60_000
"""Points that are looked at while the direction is looked for, and for the sides at last."""
SPARSE = 4.0
"""Times as far apart as evenly the last points of a side lie that may be given up."""
EDGES = torch.tensor([0.02, 0.98])
"""Quantiles of points inside between which sides are looked for at first."""


class Rectangle(NamedTuple):
    """A rectangle of any direction."""

    middle: tuple[float, float]
    half: tuple[float, float]
    """Half its sides, along its own axes."""
    angle: float
    """Radians from the first axis of the plane to its own, towards the second."""

    @property
    def frame(self) -> Float[Tensor, "3 3"]:
        """(u, v, 1) = frame (x, y, 1) for x and y along its own axes from its middle."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        return torch.tensor([[c, -s, self.middle[0]], [s, c, self.middle[1]], [0.0, 0.0, 1.0]])

    def own(self, place: Float[Tensor, "2 N"]) -> Float[Tensor, "2 N"]:
        """Places along its own axes from its middle."""
        turn = self.frame[:2, :2]
        return turn.T @ (place - torch.tensor(self.middle)[:, None])

    def holds(self, place: Float[Tensor, "2 N"]) -> Bool[Tensor, " N"]:
        """Whether places lie in it."""
        return (self.own(place).abs() <= torch.tensor(self.half)[:, None]).all(0)

    def moved(self, sides: tuple[float, float, float, float]) -> Rectangle:
        """With its sides (left, right, first, last) at other places along its own axes."""
        x0, x1, y0, y1 = sides
        middle = (self.frame @ torch.tensor([(x0 + x1) / 2, (y0 + y1) / 2, 1.0]))[:2].tolist()
        return Rectangle((middle[0], middle[1]), ((x1 - x0) / 2, (y1 - y0) / 2), self.angle)


def fitted(
    place: Float[Tensor, "2 N"], inside: Bool[Tensor, " N"], weight: Float[Tensor, " N"], little: float = 0.0
) -> Rectangle | None:
    """The rectangle that holds most of the weight of points inside and least of those outside; None without points inside.

    Nothing is said where there are no points, so sides that nobody sees lie at the last point inside. little: share of what a side could
    gain that it gives up to lie nearer where that is sparse, as a few last points beside something that hides the rest.
    """
    if not bool(inside.any()):
        return None
    gain = torch.where(inside, weight, -weight)
    few, many = (_thinned(place, gain, most) for most in (SAMPLED, ENOUGH))
    quarter = math.pi / 2
    best = _best(*few, [number * quarter / ANGLES - quarter / 2 for number in range(ANGLES)] + [0.0])
    if best != 0.0:
        near = [best + (number / (FINER - 1) - 0.5) * 2 * quarter / ANGLES for number in range(FINER)]
        best = _best(*few, [*near, 0.0])
    sides = _along(*many, [best], little)[0][0].tolist()
    return Rectangle((0.0, 0.0), (0.0, 0.0), best).moved((sides[0], sides[1], sides[2], sides[3]))


def _thinned(
    place: Float[Tensor, "2 N"], gain: Float[Tensor, " N"], most: int
) -> tuple[Float[Tensor, "2 n"], Float[Tensor, " n"]]:
    """At most so many of the points, evenly."""
    step = -(-len(gain) // most)
    return place[:, ::step], gain[::step]


def _best(place: Float[Tensor, "2 N"], gain: Float[Tensor, " N"], angles: list[float]) -> float:
    """The direction whose best rectangle gains most, the first of equal ones."""
    gained = _along(place, gain, angles)[1]
    return angles[int((gained * torch.tensor([STRAIGHT if angle == 0 else 1.0 for angle in angles])).argmax())]


def _along(
    place: Float[Tensor, "2 N"], gain: Float[Tensor, " N"], angles: list[float], little: float = 0.0
) -> tuple[Float[Tensor, "A 4"], Float[Tensor, " A"]]:
    """The best rectangle of every direction, as its sides (left, right, first, last) along its own axes, and the weight that it gains.

    Points are sorted along both axes of a direction once; then one side after the other moves to where most is gained.
    """
    at = torch.stack([Rectangle((0.0, 0.0), (0.0, 0.0), angle).own(place) for angle in angles], 1)
    low, high = at[:, :, gain > 0].quantile(EDGES, dim=2)
    order = at.argsort(-1)
    values, others = at.gather(-1, order), at.flip(0).gather(-1, order)
    gains = gain.double()[order]
    for _ in range(ROUNDS):
        for axis in (0, 1):
            within = (others[axis] >= low[1 - axis, :, None]) & (others[axis] <= high[1 - axis, :, None])
            middle = (low[axis] + high[axis])[:, None] / 2
            above = values[axis] > middle
            outer = _reached(values[axis], middle, gains[axis] * (within & above), little)
            turned = values[axis].flip(-1), middle, (gains[axis] * (within & ~above)).flip(-1)
            low[axis], high[axis] = _reached(*turned, little), outer
    held = ((at >= low[..., None]) & (at <= high[..., None])).all(0)
    return torch.stack([low[0], high[0], low[1], high[1]], 1), (gain * held).sum(1)


def _reached(
    values: Float[Tensor, "A N"], middle: Float[Tensor, "A 1"], gains: Float[Tensor, "A N"], little: float
) -> Float[Tensor, " A"]:
    """To which of sorted values to go from the middle, so that most is gained; less far where the last `little` of it is SPARSE."""
    sums = gains.cumsum(1)
    most = sums.amax(1, keepdim=True)
    far = values.gather(1, (sums >= most).byte().argmax(1, keepdim=True))
    if little:
        nearly = values.gather(1, (sums >= (1 - little) * most).byte().argmax(1, keepdim=True))
        far = torch.where((far - nearly).abs() > SPARSE * little * (far - middle).abs(), nearly, far)
    return torch.where(most > 0, far, middle)[:, 0]
