"""A scene cut into pieces of surface: neighbouring surfels of like colour and direction, so that a thing can be decided as a whole."""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.gaussians import Gaussians
from relook.lift.scene.neighbours import neighbours
from relook.ops.oklab import rgb_to_oklab
from relook.ops.splats.kernels import compiled

NEAR, REACH = 8, 3.0
"""Neighbours of a surfel that are looked at, and how far away they may be, in standard deviations of the larger of both."""
LIGHT, TURN = 0.5, 0.15
"""What differences of lightness count beside those of chroma (shade is no border), and what a right angle counts, in units of OKLab."""
WHOLE, FINE = (1.2, 30), (0.1, 10)
"""Of pieces as large as a floor's or a wall's, and of those of which even a sofa before a wall of its colour has many: how different what a piece
takes in may be, in units of OKLab times surfels (the k of the method), and surfels of the smallest piece."""


class Surface(NamedTuple):
    """Which Gaussians are neighbours, no farther apart than REACH, the most alike first."""

    size: int
    """Number of Gaussians."""
    pairs: Int[Tensor, "E 2"]
    differences: Float[Tensor, " E"]
    """Between both in colour and direction, in units of OKLab."""


def surface(gaussians: Gaussians) -> Surface:
    """The graph of nearest neighbours."""
    size, (distance, second) = gaussians.scales.amax(1), neighbours(gaussians.means, NEAR)
    first = torch.arange(len(size))[:, None].expand_as(second)
    near = distance < REACH * torch.maximum(size[first], size[second])
    first, second = first[near], second[near]
    lab = rgb_to_oklab(gaussians.colours.T[..., None].clamp(0, 1))[..., 0].T * torch.tensor([LIGHT, 1.0, 1.0])
    facing = gaussians.normals
    turned = 1 - (facing[first] * facing[second]).sum(1).abs()
    difference = (lab[first] - lab[second]).norm(dim=1) + TURN * turned
    order = difference.argsort(stable=True)
    return Surface(len(size), torch.stack([first[order], second[order]], 1), difference[order])


def pieces(graph: Surface, size: tuple[float, int] = WHOLE) -> Int[Tensor, " N"]:
    """The number of the piece that every Gaussian belongs to, from 0. size: WHOLE, FINE, or what is as they are.

    Graph-based segmentation (Felzenszwalb, Huttenlocher 2004) of the graph of nearest neighbours: two pieces become one where the difference
    across their border is no greater than those within both, each plus size[0] over its surfels.
    """
    parents = _joined(graph.pairs.numpy(), graph.differences.double().numpy(), graph.size, *size)
    return torch.from_numpy(np.unique(parents, return_inverse=True)[1])


@compiled
@no_type_check
def _root(parents, i):
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@compiled
@no_type_check
def _joined(edges, weights, count, loose, small):
    """The root of every node after all edges, in ascending order of their weight; what stays small joins its most alike neighbour."""
    parents, sizes, bounds = np.arange(count), np.ones(count, np.int64), np.full(count, loose)
    for e in range(len(edges)):
        a, b = _root(parents, edges[e, 0]), _root(parents, edges[e, 1])
        if a != b and weights[e] <= min(bounds[a], bounds[b]):
            parents[b] = a
            sizes[a] += sizes[b]
            bounds[a] = weights[e] + loose / sizes[a]
    for e in range(len(edges)):
        a, b = _root(parents, edges[e, 0]), _root(parents, edges[e, 1])
        if a != b and min(sizes[a], sizes[b]) < small:
            parents[b] = a
            sizes[a] += sizes[b]
    for i in range(count):
        parents[i] = _root(parents, i)
    return parents
