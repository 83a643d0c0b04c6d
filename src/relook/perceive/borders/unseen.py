"""Doubtful things whose border nobody can see in the picture: a cabinet that a segmenter takes a wall's panels for is wall."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from relook.io import as_pixels
from relook.ops.resize import at_most, resized
from relook.ops.slopes import slopes
from relook.perceive.borders.regions import Kinds, kinds_of
from relook.perceive.segment.regions import around, connected_parts
from relook.perceive.segment.superpixels import SIDE
from relook.perceive.segment.vocabulary import canonical
from relook.types import Region, Segments

DOUBTFUL = 0.6
"""Confidence below which a thing may be none."""
SMALLEST = 0.0002
"""Share of the picture from which on a part is looked at."""
REACH = 0.015
"""How far, in parts of the longer side, either side of a border counts."""
WEIGHTS, ALIKE = np.array([0.5, 1, 1], np.float32), 8.0
"""What a difference of L*, a* and b* (of 8 bits) counts, and the distance up to which the means of both sides are alike."""
CALM = 7.0
"""Change of Lab (of 8 bits) per pixel below which there is no edge, in the median along the border."""
UNSEEN = 0.35
"""Share of a part's whole border that must be unseen, and shared with one larger region, which then gets the part."""
HALF, CLEAR = 0.5, 0.6
"""Share of a part that must be doubted, and that share of the border of a part that is not."""


def without_unseen(image: Float[Tensor, "3 H W"], segments: Segments) -> Segments:
    """A picture's segments, parts of doubtful things given as by `unseen_given`, but to no floor (black chairs stand before dark ones); borders as
    coarse as at SIDE pixels. For what is lifted from many frames, before they vote."""
    size = at_most((image.shape[1], image.shape[2]), SIDE)
    small = segments.resized(size)
    lab = cv2.cvtColor(as_pixels(resized(image.cpu(), size)), cv2.COLOR_RGB2LAB)
    kinds = kinds_of(segments)
    doubtful, takers = _doubtful_of(segments, kinds), set(segments.regions) - set(kinds.floors)
    labels = parts_given(lab, small.labels.cpu().numpy().astype(np.int32), doubtful, takers)
    found = Segments(torch.from_numpy(labels.astype(np.int64)).to(segments.labels.device), segments.regions)
    return found.resized((image.shape[1], image.shape[2]))


def unseen_given(
    lab: UInt8[np.ndarray, "h w 3"], labels: Int[np.ndarray, "h w"], segments: Segments, kinds: Kinds
) -> Int[np.ndarray, "h w"]:
    """The labels, parts of doubtful things given to a larger region from which nothing in the picture parts them.

    segments: the regions that the labels are of, with their confidence.
    """
    return parts_given(lab, labels, _doubtful_of(segments, kinds), set(segments.regions))


def parts_given(
    lab: UInt8[np.ndarray, "h w 3"],
    labels: Int[np.ndarray, "h w"],
    doubtful: Sequence[int],
    takers: Collection[int],
    doubted: Bool[np.ndarray, "h w"] | None = None,
) -> Int[np.ndarray, "h w"]:
    """The labels, parts of the doubtful regions given to a larger one among the takers from which nothing in the picture parts them.

    No edge runs along their common border, and along UNSEEN of the part's whole border the colours on both sides have about the same mean.
    Smaller parts first. doubted: pixels of which a part must have more than half, or its border be unseen along CLEAR of it; None for all pixels.
    """
    result, steep = labels.copy(), slopes(lab)
    areas = np.bincount(labels.ravel(), minlength=int(labels.max()) + 1)
    parts = [(area, place, part) for id in doubtful for place, part, area in connected_parts(labels == id)]
    for area, place, part in sorted(parts, key=lambda one: one[0]):
        if area < SMALLEST * labels.size:
            continue
        least = UNSEEN if doubted is None or doubted[place][part].mean() > HALF else CLEAR
        beside = around(result, place, part)
        for other in np.unique(beside).tolist():
            shared = float((beside == other).mean())
            if shared > least and areas[other] > area and other in takers:
                unseen = _unseen(lab, steep, _only(part, place, labels.shape), result == other)
                if shared * unseen > least:
                    result[place][part] = other
                    break
    return result


def _doubtful_of(segments: Segments, kinds: Kinds) -> list[int]:
    return [id for id in kinds.things if _doubtful(segments.regions[id])]


def _doubtful(region: Region) -> bool:
    """Whether a region may be no thing of its own; where rugs end, `rug_whole` decides."""
    return region.confidence < DOUBTFUL and canonical(region.name) != "rug"


def _only(part: Bool[np.ndarray, "y x"], place: tuple[slice, slice], size: tuple[int, ...]) -> Bool[np.ndarray, "h w"]:
    """A part in the whole picture."""
    mask = np.zeros(size, bool)
    mask[place] = part
    return mask


def _unseen(
    lab: UInt8[np.ndarray, "h w 3"],
    steep: Float[np.ndarray, "h w"],
    part: Bool[np.ndarray, "h w"],
    other: Bool[np.ndarray, "h w"],
) -> float:
    """Share of the border between two regions along which both sides are alike; 0 where an edge runs along it."""
    border = other & (cv2.dilate(part.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    if np.median(steep[border]) > CALM:
        return 0.0
    reach = 2 * max(2, round(REACH * max(part.shape))) + 1
    one, two = (_means(lab, mask, reach)[border] for mask in (part, other))
    return float((np.linalg.norm((one - two) * WEIGHTS, axis=-1) < ALIKE).mean())


def _means(lab: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"], side: int) -> Float[np.ndarray, "h w 3"]:
    """Mean colours of a region's pixels in squares of that side."""
    inside = mask.astype(np.float32)
    total, count = (cv2.blur(one, (side, side)) for one in (lab * inside[..., None], inside))
    return np.asarray(total / np.maximum(count, 1e-6)[..., None])
