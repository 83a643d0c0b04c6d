"""Regions that end where the picture's superpixels do: what a thing has of a wall's, and what it has of the rug beside it."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8

from relook.ops.fill import filled
from relook.perceive.borders.regions import Kinds
from relook.perceive.segment.regions import connected_parts

MOST = 0.6
"""Share of a superpixel that a wall or a thing must have to get what the other has of it."""
LOST = 0.25
"""Share of a thing that walls get at most: what is as they are all over has no border there."""
THIN = 4
"""Half the width in pixels of what is a sliver."""
NEARER, APART = 0.85, 0.7
"""How many times as near to a rug's colours as to its own region's a superpixel has to be, and how far at least from the latter."""
UNIT = np.array([26, 8, 9, 6], np.float32)
"""What counts as a distance of 1, in Lab of 8 bits and in how much lightness varies nearby."""
GRAIN = 0.006
"""Half the side, in parts of the longer side, of the window in which it varies."""


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


def rugs_grown(
    lab: UInt8[np.ndarray, "h w 3"],
    labels: Int[np.ndarray, "h w"],
    patches: Int[np.ndarray, "h w"],
    rugs: tuple[int, ...],
    kinds: Kinds,
) -> Int[np.ndarray, "h w"]:
    """The labels, superpixels of things beside a rug that hang together with it and have its colours and not the thing's given to it."""
    result, looks = labels.copy(), _looks(lab)
    means = _means(looks, patches)
    for rug in rugs:
        here = labels == rug
        for thing in _beside(labels, here, kinds.things, rugs):
            own, other = (_usual(looks[mask]) for mask in (labels == thing, here))
            from_own, from_rug = (np.linalg.norm((means - one) / UNIT, axis=1) for one in (own, other))
            alike = ((from_rug < NEARER * from_own) & (from_own > APART))[patches] & (labels == thing)
            for place, part, _ in connected_parts(alike | here):
                if here[place][part].any():
                    result[place][part & alike[place]] = rug
    return result


def _beside(
    labels: Int[np.ndarray, "h w"], here: Bool[np.ndarray, "h w"], things: tuple[int, ...], rugs: tuple[int, ...]
) -> list[int]:
    """Things that touch a region."""
    ring = (cv2.dilate(here.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~here
    return [id for id in np.unique(labels[ring]).tolist() if id in things and id not in rugs]


def _counts(labels: Int[np.ndarray, "h w"], patches: Int[np.ndarray, "h w"]) -> Int[np.ndarray, "P K"]:
    """Pixels of every label in every superpixel."""
    kinds, number = int(labels.max()) + 1, int(patches.max()) + 1
    both = patches.astype(np.int64) * kinds + labels
    return np.bincount(both.ravel(), minlength=number * kinds).reshape(number, kinds)


def _looks(lab: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 4"]:
    """Colour, and the standard deviation of lightness around, of every pixel."""
    light, side = lab[..., 0].astype(np.float32), 2 * max(1, round(GRAIN * max(lab.shape))) + 1
    mean, square = (cv2.blur(one, (side, side)) for one in (light, light * light))
    return np.dstack([lab.astype(np.float32), np.sqrt((square - mean * mean).clip(0))])


def _means(looks: Float[np.ndarray, "h w 4"], patches: Int[np.ndarray, "h w"]) -> Float[np.ndarray, "P 4"]:
    """Of superpixels."""
    flat = patches.ravel()
    sums = [np.bincount(flat, looks[..., channel].ravel()) for channel in range(4)]
    return (np.stack(sums, 1) / np.maximum(np.bincount(flat), 1)[:, None]).astype(np.float32)


def _usual(looks: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, "4"]:
    """Their median."""
    return np.asarray(np.median(looks[:: 1 + len(looks) // 20_000], 0), np.float32)
