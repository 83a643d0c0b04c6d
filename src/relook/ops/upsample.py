"""Coarse depth at full size with the picture's edges: smooth surfaces stay smooth, steps become sharp where the picture has them."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from relook.ops.resize import at_most

WINDOW = 7
"""Coarse pixels along one side of the window that a full pixel chooses from."""
COLOUR = 0.06
"""Difference of colour (RGB in [0, 1]) at which a coarse pixel counts e^-1/2 as much."""
REACH = 2.0
"""Distance in coarse pixels at which one counts e^-1/2 as much."""
BENT = (0.02, 0.05)
"""Where a third of the second difference of disparity is less than the first part of the disparity, the surface is smooth; where it is
more than the second, it is a step."""
FINER = 1.5
"""Where the picture has at most this many times the coarse side, there is nothing to sharpen."""
WORKING_SIDE = 768
"""Steps are made sharp with at most this many pixels on the longer side, so a picture of any size takes about the same time."""
BATCH = 1 << 17
"""Full pixels at a time."""


def upsample_depth(image: Float[Tensor, "3 H W"], coarse: Float[Tensor, "h w"]) -> Float[Tensor, "H W"]:
    """Positive depth at the picture's size; every value lies within the range of the coarse ones.

    Disparity, which is linear on planes, is interpolated bilinearly; around steps each pixel takes the weighted median of the
    coarse pixels around it, weighted by nearness and likeness of colour (so no depth in between two surfaces is made up).
    """
    size = (image.shape[1], image.shape[2])
    working = at_most(size, WORKING_SIDE)
    disparity = 1 / coarse
    mixed = _full(disparity[None], working)[0]
    if min(coarse.shape) >= 3 and max(working) > FINER * max(coarse.shape):
        guide = functional.interpolate(image[None], working, mode="area")[0] if working != size else image
        steps = _full(steepness(disparity)[None], working)[0]
        near = steps > 0
        mixed[near] += steps[near] * (_medians(guide, disparity, near) - mixed[near])
    return (1 / _full(mixed[None], size)[0]).clamp(float(coarse.min()), float(coarse.max()))


def steepness(disparity: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """From 0 (a smooth surface all around) to 1 (a step within two pixels)."""
    bend = torch.zeros_like(disparity)
    bend[1:-1] = disparity.diff(n=2, dim=0).abs()
    bend[:, 1:-1] = torch.maximum(bend[:, 1:-1], disparity.diff(n=2, dim=1).abs())
    bend = bend / 3 / disparity
    widest = functional.max_pool2d(bend[None, None], 5, 1, 2)[0, 0]
    return ((widest - BENT[0]) / (BENT[1] - BENT[0])).clamp(0, 1)


def _medians(
    image: Float[Tensor, "3 H W"], disparity: Float[Tensor, "h w"], chosen: Bool[Tensor, "H W"]
) -> Float[Tensor, " N"]:
    """The weighted median of the coarse pixels around every chosen full pixel, in row-major order."""
    (height, width), (h, w), half = chosen.shape, disparity.shape, WINDOW // 2
    colours = _padded(functional.interpolate(image[None], (h, w), mode="area")[0], half)
    values = _padded(disparity[None], half)[0]
    rows, columns = chosen.nonzero(as_tuple=True)
    offsets = torch.arange(WINDOW, device=rows.device)
    found = []
    for start in range(0, len(rows), BATCH):
        row, column = rows[start : start + BATCH], columns[start : start + BATCH]
        y, x = (row + 0.5) * h / height - 0.5, (column + 0.5) * w / width - 0.5
        top, left = y.round().long().clamp(0, h - 1), x.round().long().clamp(0, w - 1)
        ys, xs = (top[:, None] + offsets)[:, :, None], (left[:, None] + offsets)[:, None, :]
        far = (ys - half - y[:, None, None]).square() + (xs - half - x[:, None, None]).square()
        unlike = sum(
            (plane[ys, xs] - own[row, column][:, None, None]).square()
            for plane, own in zip(colours, image, strict=True)
        )
        weights = torch.exp(-far / (2 * REACH**2) - unlike / (2 * COLOUR**2)).flatten(1) + 1e-12
        ordered, order = values[ys, xs].flatten(1).sort(1)
        running = weights.gather(1, order).cumsum(1)
        middle = (running < running[:, -1:] / 2).sum(1, keepdim=True).clamp_max(WINDOW**2 - 1)
        found.append(ordered.gather(1, middle)[:, 0])
    return torch.cat(found) if found else disparity.new_empty(0)


def _full(values: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "C H W"]:
    return functional.interpolate(values[None], size, mode="bilinear", align_corners=False)[0]


def _padded(values: Float[Tensor, "C h w"], border: int) -> Float[Tensor, "C h2 w2"]:
    return functional.pad(values[None], (border,) * 4, mode="replicate")[0]
