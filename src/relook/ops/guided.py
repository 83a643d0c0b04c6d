"""The guided filter: smooth or sharpen a map so that its edges are those of a picture."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from relook.errors import ShapeError
from relook.ops.resize import at_most


def guided_filter(
    guide: Float[Tensor, "3 H W"],
    values: Float[Tensor, "C h w"],
    radius: float,
    epsilon: float,
    *,
    working_side: int = 640,
) -> Float[Tensor, "C H W"]:
    """Locally linear in the guide: q = a · I + b, with a = (cov(I) + epsilon)^-1 cov(I, p) (He, Sun, Tang 2013, eq. 19-21).

    `values` may have another size than the guide. radius: half window as a fraction of the longer side. epsilon: variance of
    the guide below which it counts as flat. Coefficients are found with at most `working_side` pixels on the longer side and
    applied at full size (He and Sun 2015), so a picture of any size takes about the same time.
    """
    if guide.ndim != 3 or values.ndim != 3:
        raise ShapeError(
            f"Expected guide 3 x H x W and values C x h x w, got {guide.shape} and {values.shape}; add the channel."
        )
    height, width = guide.shape[-2:]
    size = at_most((height, width), working_side)
    small, target = _resize(guide, size), _resize(values, size)
    pixels = max(1, round(radius * max(size)))
    mean, mean_target = box(small, pixels), box(target, pixels)
    inverse = _inverse_covariance(small, mean, pixels, epsilon)
    cross = torch.stack([box(target * channel, pixels) for channel in small]) - mean[:, None] * mean_target[None]
    slope = torch.stack([row[0] * cross[0] + row[1] * cross[1] + row[2] * cross[2] for row in inverse])
    offset = mean_target - (slope * mean[:, None]).sum(0)
    result = _resize(box(offset, pixels), (height, width))
    for channel, factor in zip(guide, box(slope.flatten(0, 1), pixels).view_as(slope), strict=True):
        result.addcmul_(_resize(factor, (height, width)), channel)
    return result


def _inverse_covariance(
    guide: Float[Tensor, "3 H W"], mean: Float[Tensor, "3 H W"], radius: int, epsilon: float
) -> list[list[Tensor]]:
    """(covariance + epsilon)^-1 of the guide's colours in each window, by cofactors (far faster than a solve per pixel)."""
    c = {(i, j): box((guide[i] * guide[j])[None], radius)[0] - mean[i] * mean[j] for i in range(3) for j in range(i, 3)}
    for i in range(3):
        c[i, i] = c[i, i] + epsilon
    xx, xy, xz, yy, yz, zz = c[0, 0], c[0, 1], c[0, 2], c[1, 1], c[1, 2], c[2, 2]
    first, second, third = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    scale = 1 / (xx * first + xy * second + xz * third).clamp_min(epsilon**3 / 2)
    middle, cross, last = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    rows = [[first, second, third], [second, middle, cross], [third, cross, last]]
    return [[entry * scale for entry in row] for row in rows]


def box(values: Float[Tensor, "C H W"], radius: int) -> Float[Tensor, "C H W"]:
    """Mean over a square window, mirrored at the borders (OpenCV's running sums: any radius costs the same)."""
    import cv2

    size = (2 * radius + 1, 2 * radius + 1)
    planes = [cv2.blur(plane, size, borderType=cv2.BORDER_REFLECT) for plane in values.detach().cpu().numpy()]
    return torch.from_numpy(np.stack(planes)).to(values)


def _resize(values: Float[Tensor, "C H W"], size: tuple[int, int]) -> Float[Tensor, "C h w"]:
    """Area mean when smaller, bilinear when larger."""
    if tuple(values.shape[-2:]) == size:
        return values
    if size[0] <= values.shape[-2] and size[1] <= values.shape[-1]:
        return functional.interpolate(values[None], size, mode="area")[0]
    return functional.interpolate(values[None], size, mode="bilinear", align_corners=False)[0]
