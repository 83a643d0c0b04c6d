"""How right depth is: pure functions with their better direction and source in HEADS (Eigen et al. 2014)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from relook.errors import ShapeError

HEADS = {
    "abs_rel": ("AbsRel", "lower", "mean of |found - true| / true, in metres, without alignment"),
    "abs_rel_scaled": ("AbsRel, scaled", "lower", "the same after both medians are made equal"),
    "delta1": ("δ < 1.25", "higher", "share of pixels whose depth is off by less than a factor of 1.25"),
}
"""Head of a column, better direction, source."""


def abs_rel(found: Float[Tensor, "H W"], truth: Float[Tensor, "H W"]) -> float:
    """Mean relative error of depth, without any alignment."""
    _same_size(found, truth)
    return float(((found - truth).abs() / truth).double().mean())


def median_scaled(found: Float[Tensor, "H W"], truth: Float[Tensor, "H W"]) -> Float[Tensor, "H W"]:
    """Depth times the factor that makes its median the true one (Zhou et al. 2017)."""
    _same_size(found, truth)
    return found * (truth.median() / found.median())


def delta1(found: Float[Tensor, "H W"], truth: Float[Tensor, "H W"]) -> float:
    """Share of pixels with max(found / true, true / found) < 1.25."""
    _same_size(found, truth)
    return float((torch.maximum(found / truth, truth / found) < 1.25).double().mean())


def _same_size(found: Tensor, truth: Tensor) -> None:
    if found.shape != truth.shape:
        raise ShapeError(
            f"Expected depth maps of one size, got {tuple(found.shape)} and {tuple(truth.shape)}; resize one."
        )
