"""What lies nearest to every Gaussian."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor


def neighbours(points: Float[Tensor, "N 3"], count: int) -> tuple[Float[Tensor, "N K"], Int[Tensor, "N K"]]:
    """Distances and numbers of the K = `count` nearest other points of each, the nearest first; N must be greater than K."""
    found = points.numpy()
    distances, near = cKDTree(found).query(found, count + 1)
    return torch.from_numpy(distances[:, 1:]).float(), torch.from_numpy(near[:, 1:])
