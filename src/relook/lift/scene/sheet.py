"""Views that stand for a walk or a scene as one picture, so that one change is solved for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from relook.errors import SegmentsError
from relook.types import Segments, View

SIDE = 320
"""Longer side of these views."""


def sheet(views: Sequence[View]) -> View:
    """Views of one size, one above the other, with the same regions. Raises SegmentsError for a view without segments."""
    found = [view.segments for view in views if view.segments is not None]
    if len(found) < len(views):
        raise SegmentsError("Expected views with segments, got some without; give them those of the scene.")
    regions = {id: region for one in found for id, region in one.regions.items()}
    return View(
        torch.cat([view.image for view in views], 1), Segments(torch.cat([one.labels for one in found]), regions)
    )
