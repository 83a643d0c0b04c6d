"""The sides of a rug: those of a rectangle on the floor, each moved onto the picture's edge beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.ops.rectangle import Rectangle

REACH, STEPS = 0.06, 7
"""How far in metres each end of a side moves to either side to find the picture's edge, and in how many steps."""
STEEPER = 1.5
"""Times as steep as where the side was that the picture must be along its new place."""
NEARLY = 0.85
"""Of places nearly as steep, so many times, the outermost is taken, by the end that moves out less: a rug has stripes, and a fringe."""
SEEN = 0.1
"""Part of a side that must be seen between rug and floor."""
MOST = 4.0
"""Slopes count up to so many times the floor's median: one black line is no edge."""
ALONG = np.linspace(-1, 1, 101)
"""Places along a side, in halves of its length."""


@dataclass(frozen=True)
class Sides:
    """A rectangle whose sides are moved, both ends by themselves: planes and cameras are not exact."""

    rectangle: Rectangle
    moves: Float[np.ndarray, "2 2 2"]
    """Metres outwards, by the axis across the side, its sign (first the negative), and the end."""

    def beyond(self, place: Float[Tensor, "2 N"]) -> Float[Tensor, " N"]:
        """How far places on the floor lie beyond the nearest side, negative within all."""
        own, half = self.rectangle.own(place), self.rectangle.half
        far = []
        for axis in (0, 1):
            share = (own[1 - axis] / half[1 - axis] + 1) / 2
            for sign, (first, last) in zip((-1, 1), self.moves[axis].tolist(), strict=True):
                far.append(sign * own[axis] - half[axis] - first - share * (last - first))
        return torch.stack(far).amax(0)


def on_edges(
    rectangle: Rectangle, H: Float[Tensor, "3 3"], steep: Float[np.ndarray, "h w"], lies: Bool[np.ndarray, "h w"]
) -> Sides:
    """The sides where the picture is steepest near them; as they are where it is not clearly steeper there.

    H: (x, y, 1) ~ H (u, v, 1) of the floor's metres; steep: the picture's slopes; lies: pixels that show rug or floor and no border of either.
    """
    to_picture = (H @ rectangle.frame).double().numpy()
    calm = np.minimum(steep, MOST * np.median(steep[lies])) if lies.any() else steep
    moves = np.zeros((2, 2, 2))
    for axis in (0, 1):
        for number, sign in enumerate((-1, 1)):
            moves[axis, number] = _moved(rectangle.half, (axis, sign), to_picture, calm, lies)
    return Sides(rectangle, moves)


def _moved(
    half: tuple[float, float],
    side: tuple[int, int],
    to_picture: Float[np.ndarray, "3 3"],
    steep: Float[np.ndarray, "h w"],
    lies: Bool[np.ndarray, "h w"],
) -> tuple[float, float]:
    """How far both ends of a side (axis across it, sign) move outwards."""
    from scipy.ndimage import map_coordinates

    (axis, sign), shifts = side, np.linspace(-REACH, REACH, STEPS)
    share = (ALONG + 1) / 2
    out = shifts[:, None, None] * (1 - share) + shifts[None, :, None] * share
    across, along = sign * (half[axis] + out), np.broadcast_to(ALONG * half[1 - axis], out.shape)
    u, v = (across, along) if axis == 0 else (along, across)
    x, y, depth = np.einsum("ij,j...->i...", to_picture, np.stack([u, v, np.ones_like(u)]))
    x, y = (one / np.where(depth > 0, depth, np.inf) - 0.5 for one in (x, y))
    inside = (depth > 0) & (x >= 0) & (x <= steep.shape[1] - 1) & (y >= 0) & (y <= steep.shape[0] - 1)
    rows, columns = (np.where(inside, one, 0).round().astype(int) for one in (y, x))
    seen = inside & lies[rows, columns]
    values = map_coordinates(steep, [y, x], order=1, mode="nearest")
    support = np.where(seen.mean(-1) >= SEEN, (values * seen).sum(-1) / seen.sum(-1).clip(1), 0.0)
    outermost = np.where(support >= NEARLY * support.max(), np.minimum(shifts[:, None], shifts), -np.inf)
    first, last = np.unravel_index(outermost.argmax(), support.shape)
    if support[first, last] < STEEPER * support[STEPS // 2, STEPS // 2] or support[STEPS // 2, STEPS // 2] == 0:
        return 0.0, 0.0
    return float(shifts[first]), float(shifts[last])
