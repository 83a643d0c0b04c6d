"""Gaussians where pictures are finer than they are shrink, then become four; those that hang where nothing is go."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.gaussians import Gaussians

WORST = 0.15
"""The share of Gaussians that is changed at a time (study: feasibility of Gaussian scenes)."""
SHRINK = 0.75
"""What is left of the size of one that blurs."""
FLOATING = 0.03
"""Mean squared error (RGB) of the pixels that show it from which a Gaussian is where nothing is: views see other colours there."""
SHOWN = 0.5
"""Pixels of all views that one must fill: what hides behind others is noise."""
APART, PART = 0.7, 0.55
"""Of four that take the place of one: how far from its centre along both wide axes, and their size, in its own."""


def worst(error: Float[Tensor, " N"], share: float = WORST) -> Bool[Tensor, " N"]:
    """Those of the largest error; none of those without."""
    if not len(error):
        return error > 0
    least = error.sort().values[min(len(error) - 1, int(len(error) * (1 - share)))]
    return (error >= least) & (error > 0)


def shrunk(gaussians: Gaussians, chosen: Bool[Tensor, " N"], by: float = SHRINK) -> Gaussians:
    """The same, the chosen ones smaller."""
    return replace(gaussians, scales=torch.where(chosen[:, None], by * gaussians.scales, gaussians.scales))


def split(gaussians: Gaussians, chosen: Bool[Tensor, " N"]) -> Gaussians:
    """The others, then four for each of the chosen ones, in its plane; they are found after the others, one corner after the other."""
    old = gaussians[chosen]
    wide = old.scales.argsort(1, descending=True)[:, :2]
    rows = torch.arange(len(old))
    steps = [APART * old.scales[rows, k, None] * old.rotations[rows, :, k] for k in wide.unbind(1)]
    corners = [old.means + a * steps[0] + b * steps[1] for a in (1, -1) for b in (1, -1)]
    parts = replace(old, scales=PART * old.scales)
    found = gaussians[~chosen]
    for means in corners:
        found = found.joined(replace(parts, means=means))
    return found


def shrink_worst(gaussians: Gaussians, error: Float[Tensor, " N"], pixels: Float[Tensor, " N"]) -> Gaussians:
    """Smaller where pictures are worst, pixel for pixel."""
    return shrunk(gaussians, worst(error / pixels.clamp_min(1e-6)))


def split_worst(gaussians: Gaussians, error: Float[Tensor, " N"], pixels: Float[Tensor, " N"]) -> Gaussians:
    """Four for each of those that take part in most of the error, however many pixels they fill."""
    return split(gaussians, worst(error))


def without_floating(gaussians: Gaussians, error: Float[Tensor, " N"], pixels: Float[Tensor, " N"]) -> Gaussians:
    """Those that some view shows in about its own colours; all, where that is less than half of them: then cameras are wrong."""
    stay = (error < FLOATING * pixels) & (pixels > SHOWN)
    return gaussians[stay] if float(stay.float().mean()) > 0.5 else gaussians
