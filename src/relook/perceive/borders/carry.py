"""Labels of a small picture at the size of the large one, along its edges."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.ops.guided import Guide

RADIUS, EPSILON = 0.004, 1e-5
"""Reach in parts of the longer side, and the variance of colour below which the picture counts as flat."""


def carried(image: Float[Tensor, "3 H W"], labels: Int[np.ndarray, "h w"]) -> Int[np.ndarray, "H W"]:
    """The labels at the picture's size: the largest of their masks, each filtered along the picture's edges (He, Sun, Tang 2013)."""
    small = torch.from_numpy(labels)
    best, result = torch.full(image.shape[-2:], -torch.inf), torch.zeros(image.shape[-2:], dtype=torch.int32)
    guide = Guide.of(image, RADIUS, EPSILON, max(labels.shape))
    for id in np.unique(labels).tolist():
        weight = guide.filtered((small == id).float())
        result[weight > best] = id
        best = torch.maximum(best, weight)
    return result.numpy()
