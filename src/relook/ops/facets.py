"""Measured depth as small planes: less noise, no pin holes, and which way surfaces face although readings are missing."""

from __future__ import annotations

import math
from typing import NamedTuple, no_type_check

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relook.ops.geometry import known_depth
from relook.ops.normals import of_slopes
from relook.ops.splats.kernels import compiled

REACH = 3
"""Pixels to each side of the square in which a plane is fitted."""
ALIKE, CLOSE = 0.06, 0.012
"""Readings that differ by more than this share are of another surface: first from the middle's, then from the plane."""
LEAST = 8
"""Readings that a plane needs."""
APART = 0.03
"""A reading that its own plane contradicts by more than this share lies between two surfaces and is dropped."""
MIDDLE = 0.35
"""A plane says nothing of a hole that is farther from the middle of its readings than this share of REACH: it would have to be continued."""
NEAR = np.exp(-np.add.outer(*[np.arange(-REACH, REACH + 1.0) ** 2] * 2) / (2 * (0.6 * REACH) ** 2))
"""What readings around a pixel count."""
_FLAT = 0.05


class Facets(NamedTuple):
    """Depth and direction of the planes that lie best in the readings around each pixel; NaN where there is none."""

    depth: Float[Tensor, "H W"]
    normals: Float[Tensor, "3 H W"]
    """Unit, in the camera's axes, towards the eye."""


def facets(depth: Float[Tensor, "H W"], K: Float[Tensor, "3 3"]) -> Facets:
    """A plane for every pixel that was read, or lies among readings of one surface: inverse depth is affine in pixels there.

    Weighted least squares in a square of 2 REACH + 1 pixels, fitted twice, the second time to what is close to the first plane. depth: NaN
    or 0 where nothing was read. A hole is no edge: readings missing at random are filled in, wide holes stay.
    """
    inverse = torch.where(known_depth(depth), 1 / depth, 0.0).cpu().numpy()
    sums = torch.from_numpy(_planes(inverse, _middle(inverse), NEAR)).to(depth)
    value, across, down, off, readings = sums.unbind(-1)
    read = torch.from_numpy(inverse).to(depth)
    among = (read > 0) | (off < (MIDDLE * REACH) ** 2)
    found = (readings >= LEAST) & (value > 0) & among
    found &= ~((read > 0) & ((read - value).abs() > APART * value))
    normals = of_slopes(value, across, down, K)
    return Facets(torch.where(found, 1 / value, torch.nan), torch.where(found, normals, torch.nan))


@compiled
@no_type_check
def _planes(inverse, middle, near):
    """H x W x 5 numbers of the planes a + b dx + c dy that lie best in the readings around every pixel (0: none), by weighted least squares: a, b, c,
    squared distance of the middle of the weights, readings. The second time for what is close to the first plane."""
    height, width = inverse.shape
    reach = near.shape[0] // 2
    found = np.zeros((height, width, 5), np.float32)
    for i in range(height):
        for j in range(width):
            low, high = middle[i, j] * math.exp(-ALIKE), middle[i, j] * math.exp(ALIKE)
            value = across = down = 0.0
            for again in range(2):
                close = CLOSE * abs(value)
                total = x = y = xx = xy = yy = mean = vx = vy = 0.0
                count = 0
                for k in range(max(0, i - reach), min(height, i + reach + 1)):
                    for m in range(max(0, j - reach), min(width, j + reach + 1)):
                        reading, dy, dx = inverse[k, m], k - i, m - j
                        if reading <= 0 or (not again and (reading <= low or reading >= high)):
                            continue
                        if again and abs(reading - value - across * dx - down * dy) >= close:
                            continue
                        weight = near[dy + reach, dx + reach]
                        count += 1
                        total += weight
                        x, y = x + weight * dx, y + weight * dy
                        xx, xy, yy = xx + weight * dx * dx, xy + weight * dx * dy, yy + weight * dy * dy
                        mean, vx, vy = mean + weight * reading, vx + weight * reading * dx, vy + weight * reading * dy
                total = max(total, 1e-9)
                x, y, mean = x / total, y / total, mean / total
                xx, xy, yy = xx / total - x * x + _FLAT, xy / total - x * y, yy / total - y * y + _FLAT
                vx, vy, determinant = vx / total - x * mean, vy / total - y * mean, max(xx * yy - xy * xy, 1e-6)
                across, down = (yy * vx - xy * vy) / determinant, (xx * vy - xy * vx) / determinant
                value = mean - across * x - down * y
            for n, one in enumerate((value, across, down, x * x + y * y, float(count))):
                found[i, j, n] = one
    return found


@compiled
@no_type_check
def _middle(inverse):
    """The reading of a pixel; of a hole the (lower) median of those one or two pixels away; 0 where there are none."""
    height, width = inverse.shape
    for reach in (1, 2):
        filled = inverse.copy()
        for i in range(height):
            for j in range(width):
                if inverse[i, j] <= 0:
                    around = (
                        inverse[max(0, i - reach) : i + reach + 1, max(0, j - reach) : j + reach + 1].copy().ravel()
                    )
                    some = np.sort(around[around > 0])
                    if len(some):
                        filled[i, j] = some[(len(some) - 1) // 2]
        inverse = filled
    return inverse
