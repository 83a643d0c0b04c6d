"""Whether anything in the picture parts two regions: an edge along their border, or other colours on its other side."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

REACH = 0.015
"""How far, in parts of the longer side, either side of a border counts."""
WEIGHTS, ALIKE = np.array([0.5, 1, 1], np.float32), 8.0
"""What a difference of L*, a* and b* (of 8 bits) counts, and the distance up to which the means of both sides are alike."""
PANEL = 10.0
"""That distance, and that of their deviations, for a part and what lies around it as far as it is large."""
CALM, TEXTURE = 7.0, 1.25
"""Change of Lab (of 8 bits) per pixel up to which there is no edge, in the median along the border; and how many times that of both sides
themselves an edge between two patterns has at least."""


def unseen_share(
    lab: UInt8[np.ndarray, "y x 3"],
    steep: Float[np.ndarray, "y x"],
    one: Bool[np.ndarray, "y x"],
    two: Bool[np.ndarray, "y x"],
    reach: int,
    calm: float = CALM,
) -> float:
    """Share of the border between two regions along which both sides are alike; 0 where an edge runs along it.

    lab, steep: the picture in Lab, and its slopes. reach: pixels either side of the border that count. calm: in place of CALM.
    """
    border = two & grown(one, 1)
    near = [mask & grown(border, reach) & ~grown(border, 2) for mask in (one, two)]
    pattern = min((float(np.median(steep[mask])) if mask.any() else 0.0) for mask in near)
    if np.median(steep[border]) > max(calm, TEXTURE * pattern):
        return 0.0
    colours = [_means(lab, mask, 2 * reach + 1)[border] for mask in (one, two)]
    return float((np.linalg.norm((colours[0] - colours[1]) * WEIGHTS, axis=-1) < ALIKE).mean())


def alike(lab: UInt8[np.ndarray, "y x 3"], part: Bool[np.ndarray, "y x"], other: Bool[np.ndarray, "y x"]) -> bool:
    """Whether a part has the colours, all over, that another region has around it, whatever edges part them."""
    near = other & grown(part, max(3, round(part.sum() ** 0.5 / 2)))
    if not near.any():
        return False
    inside, beside = (np.stack([lab[mask].mean(0), lab[mask].std(0)]) for mask in (part, near))
    return bool((np.linalg.norm((inside - beside) * WEIGHTS, axis=1) < PANEL).all())


def reach_of(size: tuple[int, ...]) -> int:
    """REACH in pixels of a picture of that size."""
    return max(2, round(REACH * max(size)))


def grown(mask: Bool[np.ndarray, "y x"], pixels: int) -> Bool[np.ndarray, "y x"]:
    """A mask and all that lies in squares of so many pixels to each side of its pixels."""
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((2 * pixels + 1,) * 2, np.uint8)) > 0)


def _means(lab: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"], side: int) -> Float[np.ndarray, "h w 3"]:
    """Mean colours of a region's pixels in squares of that side."""
    inside = mask.astype(np.float32)
    total, count = (cv2.blur(one, (side, side)) for one in (lab * inside[..., None], inside))
    return np.asarray(total / np.maximum(count, 1e-6)[..., None])
