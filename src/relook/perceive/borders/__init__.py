"""Regions whose borders are those of the picture and of the room: what a segmenter saw coarsely, at full resolution.

    labels of a segmenter -> islands go -> parts of one object join -> walls meet ceilings in lines -> floors end at edges, lamps leave
    ceilings -> things are cut out one by one -> ends of carpets join them -> superpixels of walls and things are not parted ->
    masks that leak are mended -> doubtful things that nothing parts from what is around them join it -> full size -> straight lines of the layout

Every step is refused where it would change a region too much, so that a wrong cut does no harm.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from jaxtyping import Int

from relook.errors import SegmentsError
from relook.io import as_pixels
from relook.ops.resize import at_most, resized
from relook.perceive.borders.carry import carried
from relook.perceive.borders.leaks import without_leaks
from relook.perceive.borders.meeting import met
from relook.perceive.borders.objects import joined
from relook.perceive.borders.patches import voted
from relook.perceive.borders.regions import kinds_of, without_islands
from relook.perceive.borders.straight import straightened
from relook.perceive.borders.surface import doubtful_given, floors_cut
from relook.perceive.borders.things import things_cut
from relook.perceive.borders.unseen import unseen_given
from relook.perceive.layout.lines import Lines, find_lines
from relook.perceive.segment.superpixels import SIDE, superpixels
from relook.types import Segments, View


def refined_segments(
    view: View,
    lines: Lines | None = None,
    patches: Int[np.ndarray, "h w"] | None = None,
    check: Callable[[], None] = lambda: None,
) -> Segments:
    """The view's regions with the borders of its picture, and straight where floor, walls and ceiling of a sure layout meet.

    lines, patches: those of the picture (`find_lines`, `superpixels`), where they are known already. check: asked between two steps; what it
    raises ends them. The same regions and names; thin things that stand on a floor leave it and join what they touch, or no region (id 0). Deterministic.
    Raises SegmentsError for a view without segments.
    """
    segments = view.segments
    if segments is None:
        raise SegmentsError("Expected a view with segments, got one without; segment it first.")
    kinds = kinds_of(segments)
    size = at_most(view.size, SIDE)
    pixels = as_pixels(resized(view.image.cpu(), size))
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    labels = without_islands(segments.resized(size).labels.cpu().numpy().astype(np.int32), kinds)
    labels = joined(lab, labels, segments)
    labels = met(lab, labels, find_lines(view.image) if lines is None else lines, kinds, view.layout)
    check()
    labels = floors_cut(lab, labels, kinds)
    check()
    labels = doubtful_given(lab, things_cut(lab, labels, kinds), kinds)
    check()
    patches = superpixels(resized(view.image.cpu(), size)) if patches is None else patches
    labels = without_leaks(lab, voted(labels, patches, kinds), kinds)
    labels = unseen_given(lab, labels, patches, segments, kinds)
    labels = carried(view.image.cpu(), labels)
    check()
    full = straightened(view, labels, kinds)
    return Segments(torch.from_numpy(full.astype(np.int64)).to(segments.labels.device), segments.regions)
