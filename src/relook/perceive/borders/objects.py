"""Things that a segmenter saw as two of like classes, a sofa half of which it took for a bed: one object is one region."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from relook.ops.slopes import slopes
from relook.perceive.borders.parted import grown, reach_of, unseen_share
from relook.perceive.segment.vocabulary import canonical
from relook.types import Segments

SEATS = ("sofa", "armchair", "chair", "bed")
"""What is upholstered, and taken for each other."""
SHARED = 0.55
"""Length of the border that two parts of one object share, in parts of the side of a square as large as the smaller of the two."""
UNSEEN, CALM = 0.35, 6.0
"""Share of that border along which both sides are alike, and the change of Lab (of 8 bits) per pixel up to which there is no edge."""


def joined(
    lab: UInt8[np.ndarray, "h w 3"], labels: Int[np.ndarray, "h w"], segments: Segments
) -> Int[np.ndarray, "h w"]:
    """The labels with seats joined that no edge of the picture parts and whose colours go on over their border.

    The surer one takes the other. segments: the regions that the labels are of.
    """
    result, seen = labels.copy(), (lab, slopes(lab))
    sure = {id: region.confidence for id, region in segments.regions.items() if canonical(region.name) in SEATS}
    for first, other in combinations(sorted(sure, key=lambda id: -sure[id]), 2):
        if _one_object(seen, result == first, result == other):
            result[result == other] = first
    return result


def _one_object(
    seen: tuple[UInt8[np.ndarray, "h w 3"], Float[np.ndarray, "h w"]],
    one: Bool[np.ndarray, "h w"],
    two: Bool[np.ndarray, "h w"],
) -> bool:
    """Whether nothing parts two regions. seen: the picture in Lab, and its slopes."""
    border = grown(one, 1) & grown(two, 1)
    if border.sum() / 2 <= SHARED * min(one.sum(), two.sum()) ** 0.5:
        return False
    return unseen_share(*seen, one, two, reach_of(one.shape), CALM) >= UNSEEN
