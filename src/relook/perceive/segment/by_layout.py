"""Regions where no network sees any: the floor, the ceiling and the walls of the room's layout."""

from __future__ import annotations

import torch

from relook.perceive.layout.planes import FLOOR, WALLS, seen_planes
from relook.perceive.segment.regions import with_confidence
from relook.types import UNLABELLED, Region, Segments, View

NAMES = ("floor", "ceiling", "wall")
"""Of planes 1 to 3; all walls are one region."""
BARE = 0.7
"""How sure a place on a plane that is where it should be belongs to it: much of a room hides behind its furniture."""


def segments(view: View) -> Segments:
    """The sure planes of the view's layout, as far as things before them do not hide them; the rest, and a view without layout, is unlabelled."""
    if view.layout is None:
        return Segments(torch.full(view.size, UNLABELLED))
    planes = seen_planes(view.layout).ids
    labels = planes.clamp_max(WALLS)
    sure = torch.tensor([0.0, view.layout.floor, view.layout.ceiling, *(wall.confidence for wall in view.layout.walls)])
    regions = {id: Region(name) for id, name in enumerate(NAMES, start=FLOOR)}
    return with_confidence(Segments(labels, regions), BARE * sure[planes].numpy())
