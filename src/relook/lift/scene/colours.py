"""Colours of a scene whose geometry is fixed, in closed form: what its Gaussians must carry so that every view shows its picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.gaussians import Gaussians
from relook.ops.splats import Blend, seen_colours, solve, uplift
from relook.ops.splats.solve import Confidences, Maps
from relook.types import Camera


def solved_colours(blends: Sequence[Blend], pictures: Maps, trust: Confidences = None) -> Float[Tensor, "N 3"]:
    """RGB of N Gaussians by least squares over all views, held to the mean of the pixels that show each (a prior of zero is far worse)."""
    mean = uplift(blends, pictures, trust).values
    return solve(blends, pictures, mean, trust).clamp(0, 1)


def residual(
    blends: Sequence[Blend], pictures: Maps, gaussians: Gaussians, cameras: Sequence[Camera], trust: Confidences = None
) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
    """A^T |A f - m|^2 with the colours f that each camera sees, summed over views, the squared error that each Gaussian takes part in, and A^T 1, in pixels that it fills."""
    total, pixels = torch.zeros(len(gaussians)), torch.zeros(len(gaussians))
    for number, (one, picture, camera) in enumerate(zip(blends, pictures, cameras, strict=True)):
        sure = torch.ones(one.size) if trust is None else trust[number]
        error = (one.render(seen_colours(gaussians, camera)) - picture).square().mean(0) * sure
        both = one.transposed(torch.stack([error, sure]))
        total, pixels = total + both[:, 0], pixels + both[:, 1]
    return total, pixels


def gain_of(
    shown: Float[Tensor, "3 H W"], picture: Float[Tensor, "3 H W"], where: Bool[Tensor, "H W"]
) -> Float[Tensor, " 3"]:
    """By how much a picture is brighter than what a scene shows, a number for each of R, G and B; 1 where there is nothing to go by."""
    mine, other = shown[:, where], picture[:, where]
    return ((mine * other).sum(1) + 1e-3) / (mine.square().sum(1) + 1e-3)
