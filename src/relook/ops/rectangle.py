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
    tried = [number * quarter / ANGLES - quarter / 2 for number in range(ANGLES)] + [0.0]
    best = max(tried, key=lambda angle: _rated(*few, angle))
    if best != 0.0:
        near = [best + (number / (FINER - 1) - 0.5) * 2 * quarter / ANGLES for number in range(FINER)]
        best = max([*near, 0.0], key=lambda angle: _rated(*few, angle))
    return _along(*many, best, little)[0]


def _thinned(
    place: Float[Tensor, "2 N"], gain: Float[Tensor, " N"], most: int
) -> tuple[Float[Tensor, "2 n"], Float[Tensor, " n"]]:
    """At most so many of the points, evenly."""
    step = -(-len(gain) // most)
    return place[:, ::step], gain[::step]


def _rated(place: Float[Tensor, "2 N"], gain: Float[Tensor, " N"], angle: float) -> float:
    return _along(place, gain, angle)[1] * (STRAIGHT if angle == 0 else 1.0)


def _along(
    place: Float[Tensor, "2 N"], gain: Float[Tensor, " N"], angle: float, little: float = 0.0
) -> tuple[Rectangle, float]:
    """The best rectangle of one direction, and the weight that it gains."""
    start = Rectangle((0.0, 0.0), (0.0, 0.0), angle)
    at = start.own(place)
    held = at[:, gain > 0]
    low, high = held.quantile(EDGES, dim=1).tolist()
    for _ in range(ROUNDS):
        for axis in (0, 1):
            across = at[1 - axis]
            within = (across >= low[1 - axis]) & (across <= high[1 - axis])
            middle = (low[axis] + high[axis]) / 2
            values, gains = at[axis][within], gain[within]
            above = values > middle
            high[axis] = middle + _reach(values[above] - middle, gains[above], little)
            low[axis] = middle - _reach(middle - values[~above], gains[~above], little)
    x, y = at
    total = gain[(x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])].sum()
    return start.moved((low[0], high[0], low[1], high[1])), float(total)


def _reach(values: Float[Tensor, " N"], gains: Float[Tensor, " N"], little: float) -> float:
    """How far to go from 0, so that most is gained; less far where the last `little` of it is SPARSE."""
    if len(values) == 0:
        return 0.0
    order = values.argsort()
    sums = gains[order].cumsum(0)
    most = float(sums.max())
    if most <= 0:
        return 0.0
    far, nearly = (float(values[order[int((sums >= share * most).long().argmax())]]) for share in (1, 1 - little))
    return nearly if far - nearly > SPARSE * little * far else far
