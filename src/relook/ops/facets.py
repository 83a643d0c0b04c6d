"""Measured depth as small planes: less noise, no pin holes, and which way surfaces face although readings are missing."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad, unfold

from relook.ops.geometry import known_depth
from relook.ops.normals import of_slopes

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
    inverse = torch.where(known_depth(depth), 1 / depth, torch.nan)
    around = _around(inverse, REACH)
    steps = torch.arange(2 * REACH + 1.0) - REACH
    dy, dx = (part.reshape(-1, 1, 1).to(depth) for part in torch.meshgrid(steps, steps, indexing="ij"))
    near = torch.isfinite(around) * torch.exp(-(dx * dx + dy * dy) / (2 * (0.6 * REACH) ** 2))
    around, middle = around.nan_to_num(0.0), _middle(inverse)
    weight = near * ((around / middle).clamp_min(1e-6).log().abs() < ALIKE)
    value, across, down, _ = _plane(weight, around, dx, dy)
    weight = near * ((around - value - across * dx - down * dy).abs() < CLOSE * value.abs())
    value, across, down, off = _plane(weight, around, dx, dy)
    among = torch.isfinite(inverse) | (off < (MIDDLE * REACH) ** 2)
    found = ((weight > 0).sum(0) >= LEAST) & (value > 0) & among
    found &= ~((inverse - value).abs() > APART * value)
    normals = of_slopes(value, across, down, K)
    return Facets(torch.where(found, 1 / value, torch.nan), torch.where(found, normals, torch.nan))


def _plane(
    weight: Float[Tensor, "P H W"],
    values: Float[Tensor, "P H W"],
    dx: Float[Tensor, "P 1 1"],
    dy: Float[Tensor, "P 1 1"],
) -> tuple[Float[Tensor, "H W"], Float[Tensor, "H W"], Float[Tensor, "H W"], Float[Tensor, "H W"]]:
    """Weighted least squares of a + b dx + c dy in every pixel: (a, b, c, squared distance of the middle of the weights)."""
    powers = torch.stack([torch.ones_like(dx), dx, dy, dx * dx, dx * dy, dy * dy]).flatten(1)
    total, x, y, xx, xy, yy = (powers @ weight.flatten(1)).view(6, *weight.shape[1:])
    mean, vx, vy = (powers[:3] @ (weight * values).flatten(1)).view(3, *weight.shape[1:]) / total.clamp_min(1e-9)
    x, y, xx, xy, yy = (part / total.clamp_min(1e-9) for part in (x, y, xx, xy, yy))
    xx, xy, yy = xx - x * x + _FLAT, xy - x * y, yy - y * y + _FLAT
    vx, vy, determinant = vx - x * mean, vy - y * mean, (xx * yy - xy * xy).clamp_min(1e-6)
    across, down = (yy * vx - xy * vy) / determinant, (xx * vy - xy * vx) / determinant
    return mean - across * x - down * y, across, down, x * x + y * y


def _middle(inverse: Float[Tensor, "H W"]) -> Float[Tensor, "H W"]:
    """The reading of a pixel; of a hole the median of those one or two pixels away."""
    for reach in (1, 2):
        median = _around(inverse, reach).nanmedian(0).values
        inverse = torch.where(torch.isfinite(inverse), inverse, median)
    return inverse


def _around(values: Float[Tensor, "H W"], reach: int) -> Float[Tensor, "P H W"]:
    """The P = (2 reach + 1)^2 values around each pixel, NaN beyond the border."""
    side = 2 * reach + 1
    return unfold(pad(values[None, None], (reach,) * 4, value=torch.nan), side).view(side * side, *values.shape)
