"""Masks that leak: what lies at a thing's border, looks like what is beside it there, and not like the thing, is of that."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from relook.ops.slopes import SMOOTH
from relook.perceive.borders.cut import depth_inside
from relook.perceive.borders.parted import grown
from relook.perceive.borders.regions import Kinds
from relook.perceive.segment.regions import connected_parts

SURE = 0.006
"""From which depth, in parts of the longer side, a region's pixels say what it looks like."""
NEAR, FEWEST = 0.025, 0.03
"""Half the square, in parts of the longer side, over which they do (so far a mask leaks at most), and the share of it that they have at least."""
LIKE, UNLIKE = 10.0, 2.5
"""Distance in Lab (of 8 bits) up to which a pixel looks like a region, and how many times that plus LIKE it is at least from one that it is not."""
SMALLEST, MOST = 0.0015, 0.25
"""Share of the picture from which on a thing is looked at, and of a thing that it loses at most."""
WEIGHTS = np.array([0.7, 1, 1], np.float32)
"""What differences of L*, a* and b* count."""


def without_leaks(
    lab: UInt8[np.ndarray, "h w 3"], labels: Int[np.ndarray, "h w"], kinds: Kinds
) -> Int[np.ndarray, "h w"]:
    """The labels, what leaked out of things given to the wall, ceiling or other thing that it looks like: colours are those nearby, not of the
    whole thing, whose white upholstery would be like the curtain behind its dark frame."""
    result = labels.copy()
    smooth = cv2.GaussianBlur(lab, (0, 0), SMOOTH).astype(np.float32) * WEIGHTS
    sure, reach = (max(2, round(share * max(labels.shape))) for share in (SURE, NEAR))
    for id in kinds.things:
        mask = labels == id
        if mask.mean() < SMALLEST:
            continue
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        place = tuple(slice(max(0, int(one[0]) - 2 * reach), int(one[-1]) + 2 * reach) for one in (rows, columns))
        here, colours, own = labels[place], smooth[place], mask[place]
        best, taker = np.full(here.shape, np.inf, np.float32), here.copy()
        for other in np.unique(here[grown(own, 1)]).tolist():
            if other != id and other not in kinds.floors:
                away = _distance(colours, here == other, sure, reach)
                taker, best = np.where(away < best, other, taker), np.minimum(away, best)
        inside = _distance(colours, own, sure, reach)
        leaked = (best < LIKE) & (inside > UNLIKE * best + LIKE) & np.isfinite(inside)
        leaked = _at_border(leaked & own, own)
        if leaked.sum() < MOST * own.sum():
            result[place] = np.where(leaked, taker, result[place])
    return result


def _distance(
    colours: Float[np.ndarray, "y x 3"], mask: Bool[np.ndarray, "y x"], sure: int, reach: int
) -> Float[np.ndarray, "y x"]:
    """How far pixels are from the mean colour of what lies nearby surely in a mask; infinity where nothing does."""
    inside = (mask & (depth_inside(mask) > sure)).astype(np.float32)[..., None]
    means = cv2.blur(np.concatenate([colours * inside, inside], -1), (2 * reach + 1, 2 * reach + 1))
    away = np.linalg.norm(colours - means[..., :3] / np.maximum(means[..., 3:], 1e-6), axis=-1)
    return np.where(means[..., 3] < FEWEST, np.inf, away).astype(np.float32)


def _at_border(leaked: Bool[np.ndarray, "y x"], mask: Bool[np.ndarray, "y x"]) -> Bool[np.ndarray, "y x"]:
    """Without specks and holes, those parts that hang together with what lies outside of the mask."""
    whole = cv2.morphologyEx(leaked.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    whole = (cv2.morphologyEx(whole, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0) & mask
    rim, found = grown(~mask, 1), np.zeros_like(mask)
    for place, part, _ in connected_parts(whole):
        found[place] |= part & bool((part & rim[place]).any())
    return found
