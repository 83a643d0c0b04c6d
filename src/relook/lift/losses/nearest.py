"""Nearest-neighbour feature matching: every feature of a rendered picture should be like some feature of the style picture's.

ARF (Zhang et al. 2022, equation 1); within the counterpart of each thing alone, as StyleSplat (Jain et al. 2024) does object by object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate, normalize

NEAREST_LAYERS = ("relu3_1", "relu3_2", "relu3_3")
"""Whose features are compared, one behind the other: the third block, as in ARF (there of VGG16)."""


@dataclass(frozen=True, eq=False)
class Counterparts:
    """Which pixels of every view take from which of the style picture."""

    views: Sequence[Int[Tensor, "_ _"]]
    """Common ids of every view's things; 0: unmatched."""
    style: Int[Tensor, "_ _"]
    """The same ids in the style picture."""


def nearest_loss(
    features: Float[Tensor, "D N"],
    style: Float[Tensor, "D M"],
    groups: tuple[Int[Tensor, " N"], Int[Tensor, " M"]] | None = None,
) -> Float[Tensor, ""]:
    """mean_i min_j (1 - cos(f_i, s_j)); no gradient passes the choice of j.

    groups: common ids of both; j is then of i's own, and what has none in the style counts for nothing.
    """
    found, wanted = normalize(features, dim=0), normalize(style, dim=0)
    if groups is None:
        return 1 - (found.T @ wanted).amax(1).mean()
    here, there = groups
    shared = sorted((set(here.unique().tolist()) & set(there.unique().tolist())) - {0})
    best = [(found[:, here == id].T @ wanted[:, there == id]).amax(1) for id in shared]
    return 1 - torch.cat(best).mean() if best else 0 * found.sum()


def at_features(labels: Int[Tensor, "H W"], size: tuple[int, int]) -> Int[Tensor, " n"]:
    """Ids at the places of a map of features of `size` (h, w), by the nearest pixel."""
    return interpolate(labels[None, None].double(), size, mode="nearest-exact")[0, 0].long().flatten()
