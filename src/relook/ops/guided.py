"""The guided filter: smooth or sharpen a map so that its edges are those of a picture."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from relook.errors import ShapeError


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
        raise ShapeError(f"Expected guide 3 x H x W and values C x h x w, got {guide.shape} and {values.shape}; add the channel.")
    height, width = guide.shape[-2:]
    scale = min(1.0, working_side / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small, target = _resize(guide, size), _resize(values, size)
    pixels = max(1, round(radius * max(size)))
    mean, mean_target = _box(small, pixels), _box(target, pixels)
    pairs = _box(torch.stack([small[i] * small[j] for i in range(3) for j in range(3)]), pixels).view(3, 3, *size)
    covariance = pairs - mean[:, None] * mean[None] + epsilon * torch.eye(3, dtype=guide.dtype)[..., None, None].to(guide.device)
    cross = torch.stack([_box(target * channel, pixels) for channel in small]) - mean[:, None] * mean_target[None]
    slope = torch.linalg.solve(covariance.permute(2, 3, 0, 1), cross.permute(2, 3, 0, 1)).permute(2, 3, 0, 1)
    offset = mean_target - (slope * mean[:, None]).sum(0)
    result = _resize(_box(offset, pixels), (height, width))
    for channel, factor in zip(guide, _box(slope.flatten(0, 1), pixels).view_as(slope), strict=True):
        result.addcmul_(_resize(factor, (height, width)), channel)
    return result


def _box(values: Float[Tensor, "C H W"], radius: int) -> Float[Tensor, "C H W"]:
    """Mean over a square window, at the borders over what lies inside."""
    size = 2 * radius + 1
    along = functional.avg_pool2d(values[None], (1, size), 1, (0, radius), count_include_pad=False)
    return functional.avg_pool2d(along, (size, 1), 1, (radius, 0), count_include_pad=False)[0]


def _resize(values: Float[Tensor, "C H W"], size: tuple[int, int]) -> Float[Tensor, "C h w"]:
    """Area mean when smaller, bilinear when larger."""
    if tuple(values.shape[-2:]) == size:
        return values
    if size[0] <= values.shape[-2] and size[1] <= values.shape[-1]:
        return functional.interpolate(values[None], size, mode="area")[0]
    return functional.interpolate(values[None], size, mode="bilinear", align_corners=False)[0]
