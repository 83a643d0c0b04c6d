"""Things that a segmenter saw as two of like classes, a sofa half of which it took for a bed: one object is one region."""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from relook.ops.slopes import slopes
from relook.perceive.segment.vocabulary import canonical
from relook.types import Segments

SEATS = ("sofa", "armchair", "chair", "bed")
"""What is upholstered, and taken for each other."""
REACH = 0.01
"""How far, in parts of the longer side, either side of a border counts."""
SHARED = 0.3
"""Length of the border that two parts of one object share, in parts of the side of a square as large as the smaller of the two."""
CALM = 6.0
"""Change of Lab (of 8 bits) per pixel below which there is no edge, in the median along the border."""
ALIKE = np.array([16, 6, 6], np.float32)
"""Differences of Lab (of 8 bits) up to which both sides have one colour."""


def joined(
    lab: UInt8[np.ndarray, "h w 3"], labels: Int[np.ndarray, "h w"], segments: Segments
) -> Int[np.ndarray, "h w"]:
    """The labels with seats joined that no edge of the picture parts and whose colours go on over their border.

    The surer one takes the other. segments: the regions that the labels are of.
    """
    result, steep = labels.copy(), slopes(lab)
    sure = {id: region.confidence for id, region in segments.regions.items() if canonical(region.name) in SEATS}
    for first, other in combinations(sorted(sure, key=lambda id: -sure[id]), 2):
        if _one_object(lab, steep, result == first, result == other):
            result[result == other] = first
    return result


def _one_object(
    lab: UInt8[np.ndarray, "h w 3"],
    steep: Float[np.ndarray, "h w"],
    one: Bool[np.ndarray, "h w"],
    two: Bool[np.ndarray, "h w"],
) -> bool:
    """Whether nothing parts two regions."""
    near = [_grown(mask, 1) for mask in (one, two)]
    border = near[0] & near[1]
    if border.sum() / 2 <= SHARED * min(one.sum(), two.sum()) ** 0.5 or np.median(steep[border]) > CALM:
        return False
    beside = _grown(border, round(REACH * max(border.shape)))
    colours = [np.median(lab[beside & mask], 0) for mask in (one, two)]
    return bool((np.abs(colours[0] - colours[1]) < ALIKE).all())


def _grown(mask: Bool[np.ndarray, "h w"], pixels: int) -> Bool[np.ndarray, "h w"]:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * pixels + 1,) * 2, np.uint8)) > 0
