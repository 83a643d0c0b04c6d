"""Points that two views have in common, and which of them one move of the camera explains."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from relook.types import Matches, View

EPIPOLAR, ENOUGH = 1.5, 16
"""Pixels from the epipolar line that a match may lie, and how many matches are needed to tell."""


GRID = 64
"""Places along the longer side at which flow is read."""
SURE = 0.5
"""Least confidence of flow that counts as a match."""


class KeypointMatches(NamedTuple):
    """Points that two views have in common."""

    first: Float[Tensor, "N 2"]
    """(x, y) in pixels of the first view; pixel centres lie at half-integers."""
    second: Float[Tensor, "N 2"]
    """The same points in the second view."""
    scores: Float[Tensor, " N"]
    """From 0 to 1."""


Matcher = Callable[[View, View], Matches]
KeypointMatcher = Callable[[View, View], KeypointMatches]


def on_a_grid(first: View, second: View, dense: Matcher) -> KeypointMatches:
    """Where the flow of a dense matcher leads from the places of a grid, as far as it is sure."""
    found, step = dense(first, second), max(1, round(max(first.size) / GRID))
    start = step // 2
    sure = found.confidence[start::step, start::step] > SURE
    rows, columns = (start + step * sure.nonzero()).unbind(1)
    places = torch.stack([columns, rows], 1) + 0.5
    return KeypointMatches(places, places + found.flow[:, rows, columns].T, found.confidence[rows, columns])


def verified(found: KeypointMatches, longer_side: int) -> KeypointMatches:
    """The matches that one epipolar geometry explains (MAGSAC++, Barath et al. 2020): views of one room differ only by the camera.

    Fewer than ENOUGH matches, or a geometry that explains fewer than half of ENOUGH, change nothing; nor do matches in which OpenCV
    finds no geometry at all (it raises an error for some degenerate sets).
    """
    import cv2

    if len(found.scores) < ENOUGH:
        return found
    cv2.setRNGSeed(0)
    allowed = EPIPOLAR * max(1.0, longer_side / 640)
    first, second = found.first.numpy(), found.second.numpy()
    try:
        _, kept = cv2.findFundamentalMat(first, second, cv2.USAC_MAGSAC, allowed, 0.999, 2000)
    except cv2.error:
        return found
    if kept is None or kept.sum() < ENOUGH // 2:
        return found
    inliers = torch.from_numpy(kept[:, 0].astype(bool))
    return KeypointMatches(found.first[inliers], found.second[inliers], found.scores[inliers])
