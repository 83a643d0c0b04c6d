"""What stands on a rug and was taken for it: legs of tables and chairs, by their colours."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Bool, UInt8
from torch import Tensor

from relook.errors import SegmentsError
from relook.io import as_pixels
from relook.ops.resize import at_most, resized
from relook.perceive.borders.regions import kinds_of
from relook.perceive.borders.surface import FOREIGN, foreign
from relook.perceive.segment.regions import around, connected_parts, ids_named
from relook.types import Segments, View

SIDE = 512
"""Longer side at which is looked."""
FEWEST = 200
"""Pixels; fewer have no colours of their own."""
DOUBTFUL = 1.15
"""Distance of colour from which on what touches something foreign belongs to it."""
WIDE, FILLED = 2.5, 0.35
"""Widths per height, and share of them, from which on a part is a strip."""
SMALL = 0.002
"""Share of the rug below which what differs is part of the design."""


def legs_given(view: View) -> Segments:
    """The view's regions, parts of a rug of other colours than its own given to the thing that they touch, if they touch it more than a surface.

    Raises SegmentsError for a view without segments.
    """
    segments = view.segments
    if segments is None:
        raise SegmentsError("Expected a view with segments, got one without; segment it first.")
    size, rugs = at_most(view.size, SIDE), ids_named(segments, "rug")
    things = [id for id in kinds_of(segments).things if id not in rugs]
    labels = segments.resized(size).labels.numpy()
    rugs = [id for id in rugs if (labels == id).sum() >= FEWEST]
    if not rugs:
        return segments
    result, lab = segments.labels.clone(), cv2.cvtColor(as_pixels(resized(view.image.cpu(), size)), cv2.COLOR_RGB2LAB)
    for id in rugs:
        rug = labels == id
        for place, part, _ in connected_parts(standing_on(lab, rug)):
            ring = around(labels, place, part)
            touched = ring[np.isin(ring, things)]
            if len(touched) > (~np.isin(ring, [*things, *rugs])).sum() and not _flat(part):
                leg = np.zeros_like(rug)
                leg[place] = part
                result[(segments.labels == id) & enlarged(leg, segments.labels)] = int(np.bincount(touched).argmax())
    return Segments(result, segments.regions)


def _flat(part: Bool[np.ndarray, "h w"]) -> bool:
    """Whether a part is a strip that lies: the shadow before a sofa."""
    rows, columns = part.shape
    return columns > WIDE * rows and bool(part.mean() > FILLED)


def standing_on(lab: UInt8[np.ndarray, "h w 3"], rug: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Parts of a rug's region that are not of its colours all over."""
    far = cv2.GaussianBlur(np.where(rug, foreign(lab, rug), 0).astype(np.float32), (0, 0), 0.7)
    lost = np.zeros_like(rug)
    for place, part, area in connected_parts(rug & (far > DOUBTFUL)):
        if area > SMALL * rug.sum() and (far[place][part] > FOREIGN).sum() > SMALL * rug.sum() / 2:
            lost[place][part] = True
    return lost


def enlarged(mask: Bool[np.ndarray, "h w"], like: Tensor) -> Bool[Tensor, "H W"]:
    """A mask at the size of a picture's maps."""
    size = (like.shape[1], like.shape[0])
    return torch.from_numpy(cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_LINEAR) > 0)


def shrunk(mask: Bool[Tensor, "H W"], size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """A mask at a smaller size (rows, columns)."""
    return cv2.resize(mask.numpy().astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST) > 0
