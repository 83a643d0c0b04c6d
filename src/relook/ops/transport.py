"""Optimal transport between the colours of two regions: a map from colours to colours (Cuturi 2013; Pooladian and Niles-Weed 2021)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

ROUNDS, CLOSE = 300, 1e-6
"""Most iterations of Sinkhorn's algorithm, and the error of the marginals at which it stops."""
LARGEST = 200.0
"""Cost up to which Sinkhorn's algorithm works on exponentials, some ten times as fast as on logarithms: products of three stay in range."""
CHUNK = 1 << 16
"""Colours that are moved at a time."""

ColourMap = Callable[[Float[Tensor, "N 3"]], Float[Tensor, "N 3"]]


@dataclass(frozen=True)
class Cells:
    """The colours of a region, like ones counted as one."""

    colours: Float[np.ndarray, "M 3"]
    """Mean colour of each cell."""
    shares: Float[np.ndarray, " M"]
    """Of the region's pixels, in all 1."""

    @property
    def mean(self) -> Float[np.ndarray, "3"]:
        """The region's mean colour."""
        return self.shares @ self.colours


def cells(values: Float[np.ndarray, "N 3"], side: float, most: int = 256) -> Cells:
    """The colours in the cells of a grid that they fill, `most` of them: the cells grow from `side` until there are no more."""
    while True:
        grid = np.floor((values - values.min(0)) / side).astype(np.int64)
        cell = np.ravel_multi_index(tuple(grid.T), tuple(grid.max(0) + 1))
        _, cell, counts = np.unique(cell, return_inverse=True, return_counts=True)
        if len(counts) <= most:
            sums = np.stack([np.bincount(cell, channel) for channel in values.T], 1)
            return Cells(sums / counts[:, None], counts / len(values))
        side *= 1.25


def entropic_map(source: Cells, target: Cells, blur: float) -> ColourMap:
    """The barycentric projection of the entropic plan between the colours x and y_j, both taken from their means (a shift leaves it the same):

    T(x) = sum_j y_j w_j(x), w_j(x) = softmax_j (g_j - |x - y_j|^2 / (2 blur^2)), g the dual potential over the target.
    What it gives lies between colours of the target. A blur near 0 is optimal transport; a large one gives the target's mean alone.
    """
    middle, wanted = torch.from_numpy(source.mean).float(), torch.from_numpy(target.mean).float()
    x, y = source.colours - source.mean, target.colours - target.mean
    costs = ((x[:, None] - y[None]) ** 2).sum(2) / (2 * blur**2)
    potential = _potential(costs, source.shares, target.shares)
    colours = torch.from_numpy(y).float()
    bias = torch.from_numpy(potential - (y**2).sum(1) / (2 * blur**2)).float()

    def moved(values: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
        parts = [
            torch.softmax(part @ colours.T / blur**2 + bias, 1) @ colours for part in (values - middle).split(CHUNK)
        ]
        return torch.cat(parts) + wanted

    return moved


def _potential(
    costs: Float[np.ndarray, "N M"], rows: Float[np.ndarray, " N"], columns: Float[np.ndarray, " M"]
) -> Float[np.ndarray, " M"]:
    """Sinkhorn's dual potential over the columns, for both marginals; on logarithms where a cost is too large for its exponential."""
    if costs.max() > LARGEST:
        return _potential_of_logarithms(costs, np.log(rows), np.log(columns))
    kernel, first = np.exp(-costs), np.ones(len(rows))
    for _ in range(ROUNDS):
        second = columns / (first @ kernel)
        reached = kernel @ second
        error, first = np.abs(first * reached - rows).sum(), rows / reached
        if error < CLOSE:
            break
    return np.asarray(np.log(second))


def _potential_of_logarithms(
    costs: Float[np.ndarray, "N M"], rows: Float[np.ndarray, " N"], columns: Float[np.ndarray, " M"]
) -> Float[np.ndarray, " M"]:
    """The same for the logarithms of both marginals."""
    first, second = np.zeros(len(rows)), np.zeros(len(columns))
    for _ in range(ROUNDS):
        second = columns - _log_sum(first[:, None] - costs, 0)
        before, first = first, rows - _log_sum(second[None] - costs, 1)
        if np.exp(rows) @ np.abs(np.expm1(np.clip(before - first, -50, 50))) < CLOSE:
            break
    return second


def _log_sum(values: Float[np.ndarray, "N M"], axis: int) -> Float[np.ndarray, " K"]:
    """Logarithm of the sum of exponentials."""
    top = values.max(axis, keepdims=True)
    return (top + np.log(np.exp(values - top).sum(axis, keepdims=True))).squeeze(axis)
