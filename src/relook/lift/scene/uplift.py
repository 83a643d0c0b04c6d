"""Any 2D map of posed views in the scene: labels as probabilities, features of any width, looks, points; and what no view saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array
from scipy.spatial import cKDTree
from torch import Tensor

from relook.errors import ShapeError
from relook.gaussians import Gaussians
from relook.lift.scene.neighbours import neighbours as nearest
from relook.ops.splats import Blend, Uplifted, solve, uplift
from relook.ops.splats.solve import CHANNELS, Confidences, Maps

SURE = 2.0
"""A label counts by this power of its greatest probability."""
NEIGHBOURS = 8
"""Of each Gaussian in the graph."""
LIKE = 0.1
"""Distance of colours at which a neighbour counts by exp(-1/2)."""
PULL, ROUNDS = 2.0, 10
"""How many pixels' worth all neighbours of a Gaussian count together, and how often they are asked."""
COLOUR, FACING, PLACE = 1.0, 0.5, 0.15
"""Weights of colour, normal and place (in parts of the scene's size) for what is alike."""


def lifted(
    blends: Sequence[Blend], maps: Maps, confidence: Confidences = None, *, ridge: float | None = None
) -> Uplifted:
    """A map of any width in the scene: the mean over what shows each Gaussian, or with `ridge` the least squares held to it.

    Probabilities stay probabilities by the mean only. Pixels that the scene does not cover count for nothing. Labels: `confidence` by
    `sureness`; depth: its points in the world (`relook.ops.geometry.unproject`), of which every camera has another depth.
    Raises ShapeError where views and maps are not as many.
    """
    found = uplift(blends, maps, confidence, covered=True)
    if ridge is None:
        return found
    return Uplifted(solve(blends, maps, found.values, confidence, ridge=ridge, covered=True), found.weight)


def sureness(chances: Float[Tensor, "C H W"], power: float = SURE) -> Float[Tensor, "H W"]:
    """How much a pixel's probabilities count: the greatest of them to a power. Views that are sure outvote those that guess."""
    return chances.amax(0) ** power


@dataclass(frozen=True)
class Graph:
    """The N Gaussians' neighbours in space, by how alike they are."""

    matrix: csr_array
    """N x N, rows sum to one."""

    def mean(self, values: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        """Of every Gaussian's neighbours."""
        return torch.from_numpy(self.matrix @ values.numpy())

    def smoothed(self, values: Float[Tensor, "N D"], rounds: int) -> Float[Tensor, "N D"]:
        """`rounds` times the mean of each and its neighbours' mean."""
        for _ in range(rounds):
            values = (values + self.mean(values.contiguous())) / 2
        return values

    @property
    def back(self) -> Graph:
        """Its transpose, by which gradients go back."""
        return Graph(self.matrix.T.tocsr())


def graph(gaussians: Gaussians, neighbours: int = NEIGHBOURS) -> Graph:
    """Every Gaussian's nearest ones, weighted by likeness of colour and by the cosine of normals: surfaces hold together, edges do not."""
    count = min(neighbours, len(gaussians) - 1)
    if count < 1:
        raise ShapeError(f"Expected at least 2 Gaussians and 1 neighbour, got {len(gaussians)} and {neighbours}.")
    distances, near = nearest(gaussians.means, count)
    reach = distances.mean(1, keepdim=True).clamp_min(1e-9)
    apart = (gaussians.colours[near] - gaussians.colours[:, None]).square().sum(-1) / LIKE**2
    along = (gaussians.normals[near] * gaussians.normals[:, None]).sum(-1).abs()
    weights = torch.exp(-((distances / reach).square() + apart) / 2) * along + 1e-6
    weights = weights / weights.sum(1, keepdim=True)
    pointer = np.arange(0, count * len(near) + 1, count)
    return Graph(csr_array((weights.flatten().numpy(), near.flatten().numpy(), pointer), shape=2 * (len(near),)))


def diffused(found: Uplifted, along: Graph, *, pull: float = PULL, rounds: int = ROUNDS) -> Float[Tensor, "N D"]:
    """What the views say, evened out over like neighbours: `rounds` steps of f <- (w m + pull W f) / (w + pull), W the graph's mean.

    A Gaussian that a hundred pixels saw hardly moves, one that none saw takes its neighbours' value (after label propagation, Zhou et al.
    2004, with as much trust in what is known as there are pixels).
    """
    values, trust = found.values.clone(), (found.weight / (found.weight + pull))[:, None]
    for first in range(0, values.shape[1], CHANNELS):
        some = slice(first, first + CHANNELS)
        measured = values[:, some].clone()
        for _ in range(rounds):
            values[:, some] = trust * measured + (1 - trust) * along.mean(values[:, some].contiguous())
    return values


def likeness(gaussians: Gaussians) -> Float[Tensor, "N 9"]:
    """Keys for `spread`: what has about the same old colour, normal and place has about the same new look."""
    means = gaussians.means
    size = (means - means.median(0).values).norm(dim=1).median().clamp_min(1e-9)
    facing = gaussians.normals
    turned = facing * torch.where(facing[:, :1].abs() > 1e-6, facing[:, :1].sign(), 1.0)
    return torch.cat([COLOUR * gaussians.colours, FACING * turned, PLACE * means / size], 1)


def spread(
    values: Float[Tensor, "N D"],
    seen: Bool[Tensor, " N"],
    keys: Float[Tensor, "N K"],
    groups: Int[Tensor, " N"] | None = None,
    count: int = 1,
) -> Float[Tensor, "N D"]:
    """Values of Gaussians that no view saw: those of the seen one with the nearest key, in the same group (class) where it has a seen one.

    count: the mean of so many nearest ones, which is smooth where neighbours differ. Raises ShapeError where nothing was seen at all.
    """
    if not bool(seen.any()):
        raise ShapeError("Expected Gaussians that some view saw, got none; use views that show the scene.")
    groups = torch.zeros(len(seen), dtype=torch.long) if groups is None else groups
    result = values.clone()
    for group in groups[~seen].unique().tolist():
        wanted, known = ~seen & (groups == group), seen & (groups == group)
        known = known if bool(known.any()) else seen
        ranks = list(range(1, min(count, int(known.sum())) + 1))
        _, nearest = cKDTree(keys[known].numpy()).query(keys[wanted].numpy(), k=ranks)
        result[wanted] = values[known][torch.from_numpy(np.asarray(nearest))].mean(1)
    return result
