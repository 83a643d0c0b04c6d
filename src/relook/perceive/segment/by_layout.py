"""Regions where no network sees any: the floor, the ceiling and the walls of the room's layout."""

from __future__ import annotations

import torch

from relook.perceive.layout.planes import CEILING, FLOOR, WALLS, seen_planes
from relook.types import UNLABELLED, Region, Segments, View

NAMES = ("floor", "ceiling", "wall")
"""Their names; all walls are one region."""


def segments(view: View) -> Segments:
    """The sure planes of the view's layout, as far as things before them do not hide them; the rest, and a view without layout, is unlabelled."""
    if view.layout is None:
        return Segments(torch.full(view.size, UNLABELLED))
    planes = seen_planes(view.layout).ids
    ids = {FLOOR: 1, CEILING: 2, WALLS: 3}
    labels = torch.full(view.size, UNLABELLED)
    for plane, id in ids.items():
        labels[(planes >= WALLS) if plane == WALLS else (planes == plane)] = id
    return Segments(labels, {id: Region(NAMES[id - 1]) for id in ids.values()})
