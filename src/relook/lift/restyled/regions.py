"""What the Gaussians of a scene are parts of: what a segmenter says of the views, lifted and decided in the scene, shown to the views again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn.functional import one_hot

from relook.errors import SegmentsError
from relook.gaussians import Gaussians
from relook.lift.restyled.alone import agreed, agreement, shaped
from relook.lift.scene.decided import decided
from relook.lift.scene.said import CERTAIN, bordered, numbered, regions_of
from relook.lift.scene.specks import without_specks
from relook.lift.scene.upright import up_of
from relook.ops.align import centre
from relook.ops.splats import Blend, Blends
from relook.types import UNLABELLED, Segments, View

MOST = 150_000
"""Gaussians that are decided together; of more, these many evenly, and others are what the nearest of them is."""


def scene_regions(gaussians: Gaussians, blends: Blends, views: Sequence[View], alone: bool = False) -> Segments:
    """The region of every Gaussian, as labels of shape (1, N), from the segments of posed views.

    One region for each name (floors of other colours are instances of their own), as sure as its pixels are in the mean.
    alone: the scene is of things before nothing, which are named thing by thing (`agreed`, `shaped`) and as sure as views agree, CERTAIN at most.
    """
    names = ("", *dict.fromkeys(name for view in views if view.segments is not None for name in view.segments.names))
    number = {name: place for place, name in enumerate(names)}
    votes, sure = torch.zeros(len(gaussians), len(names)), torch.zeros(2, len(names))
    for view, blend in zip(views, blends, strict=True):
        chances, confidence = _said(view.segments, number)
        votes += blend.transposed(chances * confidence * blend.seen)
        sure += torch.stack([(chances * confidence).sum((1, 2)), chances.sum((1, 2))])
    if alone:
        up = up_of(gaussians, blends.cameras)
        names, votes = shaped(gaussians, agreed(gaussians, votes, names), votes, names, up)
    some, few = _thinned(gaussians)
    eyes = torch.stack([centre(camera) for camera in blends.cameras])
    found = decided(few, votes[some], names, eyes)
    labels = without_specks(gaussians, _everywhere(gaussians.means, some, found.region), found, votes)
    confidence = torch.zeros(len(names))
    confidence[: len(number)] = (sure[0] / sure[1].clamp_min(1)).clamp(0, 1)
    if alone:
        called = torch.tensor([names.index(name) for name in found.names])
        confidence = torch.maximum(confidence, agreement(called[labels], votes).clamp_max(CERTAIN))
    regions = regions_of(found, {name: float(confidence[place]) for place, name in enumerate(names)})
    return Segments(labels[None], regions)


def shown(parts: Segments, blend: Blend, image: Float[Tensor, "3 H W"]) -> Segments:
    """The scene's regions in one view, with borders along the edges of its picture."""
    ids = torch.tensor([UNLABELLED, *parts.regions])
    place = torch.zeros(int(ids.max()) + 1, dtype=torch.int64)
    place[ids] = torch.arange(len(ids))
    chances = blend.render(one_hot(place[parts.labels[0]], len(ids)).float())
    return Segments(ids[bordered(image, chances)], parts.regions)


def _said(segments: Segments | None, number: dict[str, int]) -> tuple[Float[Tensor, "K H W"], Float[Tensor, "H W"]]:
    """What a view's segments say: one of the names for every pixel, and how sure they are."""
    if segments is None:
        raise SegmentsError("Expected segments of every view, got none; perceive it first.")
    names, sure = numbered(segments, number)
    return one_hot(names, len(number)).permute(2, 0, 1).float(), sure


def _thinned(gaussians: Gaussians) -> tuple[Int[Tensor, " M"], Gaussians]:
    """Which of the Gaussians stand for all, MOST at most, and these, as much larger as they are fewer: what was a neighbour stays one."""
    step = -(-len(gaussians) // MOST)
    some = torch.arange(0, len(gaussians), step)
    return some, replace(gaussians[some], scales=gaussians.scales[some] * step**0.5)


def _everywhere(means: Float[Tensor, "N 3"], some: Int[Tensor, " M"], region: Int[Tensor, " M"]) -> Int[Tensor, " N"]:
    """Regions of all Gaussians: those of `some`, and of the nearest of them that has one."""
    labels = torch.zeros(len(means), dtype=torch.int64)
    labels[some] = region
    known = some[region != UNLABELLED]
    left = (labels == UNLABELLED).nonzero()[:, 0]
    if len(known) and len(left):
        labels[left] = labels[known][torch.from_numpy(cKDTree(means[known].numpy()).query(means[left].numpy())[1])]
    return labels
