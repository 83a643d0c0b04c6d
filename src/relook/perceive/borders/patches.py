"""Regions that end where the picture's superpixels do: what a thing has of a wall's."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Int

from relook.ops.fill import filled
from relook.perceive.borders.regions import Kinds

MOST = 0.6
"""Share of a superpixel that a wall or a thing must have to get what the other has of it."""
LOST = 0.25
"""Share of a thing that walls get at most: what is as they are all over has no border there."""
THIN = 4
"""Half the width in pixels of what is a sliver."""


def voted(labels: Int[np.ndarray, "h w"], patches: Int[np.ndarray, "h w"], kinds: Kinds) -> Int[np.ndarray, "h w"]:
    """The labels, superpixels that nearly all belong to a wall or ceiling, or to a thing, given to it whole.

    Only what walls, ceilings and things have of each other changes: floors end at thinner things than superpixels.
    """
    counts = _counts(labels, patches)
    best, share = counts.argmax(1), counts.max(1) / np.maximum(counts.sum(1), 1)
    upright = np.isin(labels, kinds.walls + kinds.ceilings)
    thing, most = np.isin(labels, kinds.things), best[patches]
    sure = share[patches] > MOST
    lost = sure & thing & np.isin(most, kinds.walls + kinds.ceilings)
    sizes, losses = (np.bincount(one, minlength=int(labels.max()) + 1) for one in (labels.ravel(), labels[lost]))
    lost &= (losses < LOST * sizes)[labels]
    result = np.where(lost | (sure & upright & np.isin(most, kinds.things)), most, labels).astype(labels.dtype)
    return _without_slivers(result, lost, kinds.things)


def _without_slivers(
    labels: Int[np.ndarray, "h w"], lost: Bool[np.ndarray, "h w"], things: tuple[int, ...]
) -> Int[np.ndarray, "h w"]:
    """Thin lines of a thing beside what it lost, superpixels along edges, taken by what is nearest."""
    mask = np.isin(labels, things).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * THIN + 1, 2 * THIN + 1))
    thin = mask > cv2.morphologyEx(mask, cv2.MORPH_OPEN, disc)
    sliver = thin & (cv2.dilate(lost.astype(np.uint8), disc) > 0)
    return filled(torch.from_numpy(labels), torch.from_numpy(sliver)).numpy()


def _counts(labels: Int[np.ndarray, "h w"], patches: Int[np.ndarray, "h w"]) -> Int[np.ndarray, "P K"]:
    """Pixels of every label in every superpixel."""
    kinds, number = int(labels.max()) + 1, int(patches.max()) + 1
    both = patches.astype(np.int64) * kinds + labels
    return np.bincount(both.ravel(), minlength=number * kinds).reshape(number, kinds)
