"""Rugs of which a thing that stands on them has a part: a bed's, say, whose end is as large."""

from __future__ import annotations

from collections.abc import Collection

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, Integer, UInt8

from relook.perceive.segment.regions import around, connected_parts
from relook.perceive.segment.superpixels import means_of

CHANCE = 0.2
"""Chance of rug below which a superpixel is none, whatever its colours."""
NEARER, APART = 0.85, 0.7
"""How many times as near to a rug's colours as to its own region's a superpixel has to be, and how far at least from the latter."""
UNIT = np.array([26, 8, 9, 6], np.float32)
"""What counts as a distance of 1, in Lab of 8 bits and in how much lightness varies nearby."""
MOSTLY = 0.5
"""Part of what lies next to a piece that is rug, above which the piece lies in the rug."""
GRAIN = 0.006
"""Half the side, in parts of the longer side, of the window in which it varies."""


def rugs_grown(
    lab: UInt8[np.ndarray, "h w 3"],
    labels: Integer[np.ndarray, "h w"],
    patches: Int[np.ndarray, "h w"],
    rug: int,
    things: Collection[int],
    chances: Float[np.ndarray, "h w"],
) -> Integer[np.ndarray, "h w"]:
    """The labels, superpixels of things beside a rug that hang together with it, have its colours and not the thing's, and may be rug given to it.

    rug: its label; things: those of what may stand on it; chances: of rug, in every pixel.
    """
    result, looks = labels.copy(), _looks(lab)
    means, here = means_of(patches, looks), labels == rug
    chance = means_of(patches, chances[..., None])[:, 0]
    for thing in _beside(labels, here, things):
        own, other = (_usual(looks[mask]) for mask in (labels == thing, here))
        from_own, from_rug = (np.linalg.norm((means - one) / UNIT, axis=1) for one in (own, other))
        like = (from_rug < NEARER * from_own) & (from_own > APART) & (chance > CHANCE)
        alike = like[patches] & (labels == thing)
        for place, part, _ in connected_parts(alike | here):
            if here[place][part].any():
                result[place][part & alike[place]] = rug
        _close(result, labels == thing, thing, rug)
    return result


def _close(result: Integer[np.ndarray, "h w"], before: Bool[np.ndarray, "h w"], thing: int, rug: int) -> None:
    """Give the rug, in place, what it has cut off from a thing: pieces that lie mostly in it, of what hung together with a larger one."""
    _, whole = cv2.connectedComponents(before.astype(np.uint8), connectivity=8)
    pieces = connected_parts(result == thing)
    homes = [int(whole[place][piece][0]) for place, piece, _ in pieces]
    largest = {home: area for area, home in sorted((piece[2], home) for piece, home in zip(pieces, homes, strict=True))}
    for (place, piece, area), home in zip(pieces, homes, strict=True):
        if area < largest[home] and (around(result, place, piece) == rug).mean() > MOSTLY:
            result[place][piece] = rug


def _beside(labels: Integer[np.ndarray, "h w"], here: Bool[np.ndarray, "h w"], things: Collection[int]) -> list[int]:
    """Things that touch a region."""
    ring = (cv2.dilate(here.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~here
    return [id for id in np.unique(labels[ring]).tolist() if id in things]


def _looks(lab: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 4"]:
    """Colour, and the standard deviation of lightness around, of every pixel."""
    light, side = lab[..., 0].astype(np.float32), 2 * max(1, round(GRAIN * max(lab.shape))) + 1
    mean, square = (cv2.blur(one, (side, side)) for one in (light, light * light))
    return np.dstack([lab.astype(np.float32), np.sqrt((square - mean * mean).clip(0))])


def _usual(looks: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, "4"]:
    """Their median."""
    return np.asarray(np.median(looks[:: 1 + len(looks) // 20_000], 0), np.float32)
