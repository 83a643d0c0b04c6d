"""Values of a scene without what varies quickly over its surfaces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

AROUND = 16
"""Cells that a mean is over, the nearest."""


def broad(
    points: Float[Tensor, "N 3"], values: Float[Tensor, "N D"], groups: Int[Tensor, " N"], reach: float
) -> Float[Tensor, "N D"]:
    """Means over the points around of the same group, by a Gaussian of that deviation: of cells as wide, the AROUND nearest."""
    result = values.clone()
    for group in groups.unique().tolist():
        here = (groups == group).nonzero()[:, 0]
        cells = _cells(points[here], values[here], reach)
        count = min(AROUND, len(cells.size))
        distance, near = cKDTree(cells.middle.numpy()).query(points[here].numpy(), range(1, count + 1))
        weight = torch.from_numpy(np.exp(-((distance / reach) ** 2) / 2)).float() * cells.size[near] + 1e-12
        result[here] = (weight[..., None] * cells.mean[near]).sum(1) / weight.sum(1, keepdim=True)
    return result


class _Cells(NamedTuple):
    """Points counted as one."""

    middle: Float[Tensor, "M 3"]
    mean: Float[Tensor, "M D"]
    size: Float[Tensor, " M"]
    """How many they are."""


def _cells(points: Float[Tensor, "N 3"], values: Float[Tensor, "N D"], side: float) -> _Cells:
    """Cubes of that side that hold any."""
    _, place = torch.unique((points / side).floor().long(), dim=0, return_inverse=True)
    size = torch.bincount(place).float()
    sums = torch.zeros(len(size), 3 + values.shape[1]).index_add_(0, place, torch.cat([points, values], 1))
    mean = sums / size[:, None]
    return _Cells(mean[:, :3], mean[:, 3:], size)
