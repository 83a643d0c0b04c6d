"""Coarse depth at the picture's own size."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from relook.errors import DepthError
from relook.io import fill_holes
from relook.ops.upsample import upsample_depth
from relook.types import Depth

NEAREST = 0.2
"""No estimate is nearer than this, in metres (fastdepth) or as a fraction of the farthest (pydnet)."""


def at_full_size(
    image: Float[Tensor, "3 H W"], depth: Float[Tensor, "1 h w"], kind: Literal["metric", "relative"]
) -> Depth:
    """Coarse depth at the picture's size with the picture's edges, never outside the range of the estimate.

    Holes (not finite, or not positive) take the nearest depth. Raises DepthError where there is no depth at all.
    """
    if not bool((torch.isfinite(depth) & (depth > 0)).any()):
        raise DepthError("Expected finite, positive depth from the estimator, got none; check the picture.")
    coarse = fill_holes(depth[0].float()).clamp_min(NEAREST)
    return Depth(upsample_depth(image.detach().cpu(), coarse), kind)
