"""A scene cut into pieces of surface: neighbouring surfels of like colour and direction, so that a thing can be decided as a whole."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from relook.gaussians import Gaussians
from relook.lift.scene.neighbours import neighbours
from relook.ops.oklab import rgb_to_oklab
from relook.ops.splats.kernels import compiled

NEAR, REACH = 8, 3.0
"""Neighbours of a surfel that are looked at, and how far away they may be, in standard deviations of the larger of both."""
LIGHT, TURN = 0.5, 0.15
"""What differences of lightness count beside those of chroma (shade is no border), and what a right angle counts, in units of OKLab."""
LOOSE = 1.2
"""How different what a piece takes in may be, in units of OKLab times surfels: larger makes larger pieces (the k of the method)."""
SMALL = 30
"""Surfels of the smallest piece."""


def pieces(gaussians: Gaussians) -> Int[Tensor, " N"]:
    """The number of the piece that every Gaussian belongs to, from 0.

    Graph-based segmentation (Felzenszwalb, Huttenlocher 2004) of the graph of nearest neighbours: two pieces become one where the difference
    across their border is no greater than those within both, each plus LOOSE over its size.
    """
    first, second = _edges(gaussians)
    lab = rgb_to_oklab(gaussians.colours.T[..., None].clamp(0, 1))[..., 0].T * torch.tensor([LIGHT, 1.0, 1.0])
    facing = gaussians.normals
    turned = 1 - (facing[first] * facing[second]).sum(1).abs()
    weight = (lab[first] - lab[second]).norm(dim=1) + TURN * turned
    order = weight.argsort(stable=True)
    edges = torch.stack([first[order], second[order]], 1).numpy()
    parents = _joined(edges, weight[order].double().numpy(), len(gaussians), LOOSE, SMALL)
    return torch.from_numpy(np.unique(parents, return_inverse=True)[1])


def _edges(gaussians: Gaussians) -> tuple[Int[Tensor, " E"], Int[Tensor, " E"]]:
    """Pairs of neighbours, no farther apart than REACH."""
    size, (distance, second) = gaussians.scales.amax(1), neighbours(gaussians.means, NEAR)
    first = torch.arange(len(size))[:, None].expand_as(second)
    near = distance < REACH * torch.maximum(size[first], size[second])
    return first[near], second[near]


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
