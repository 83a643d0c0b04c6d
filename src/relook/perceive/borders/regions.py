"""Which regions are the room itself, and which stand in it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from relook.perceive.segment.regions import around, connected_parts
from relook.perceive.segment.vocabulary import canonical
from relook.types import Segments

ISLAND = 0.01
"""A part of a surface below this share of the picture that lies in another surface is an error."""
ENCLOSED = 0.9
"""Share of an island's border that another surface must have."""


class Kinds(NamedTuple):
    """Ids of regions by what they are."""

    floors: tuple[int, ...]
    walls: tuple[int, ...]
    ceilings: tuple[int, ...]
    things: tuple[int, ...]
    """Everything else."""

    @property
    def surfaces(self) -> tuple[int, ...]:
        """Floors, walls and ceilings."""
        return self.floors + self.walls + self.ceilings


def kinds_of(segments: Segments) -> Kinds:
    """The regions of a picture by what they are."""
    ids: dict[str, list[int]] = {"floor": [], "wall": [], "ceiling": [], "": []}
    for id, region in segments.regions.items():
        name = canonical(region.name)
        ids[name if name in ids else ""].append(id)
    return Kinds(*(tuple(sorted(found)) for found in ids.values()))


def without_islands(labels: Int[np.ndarray, "H W"], kinds: Kinds) -> Int[np.ndarray, "H W"]:
    """Small parts of a surface inside of another surface become part of that."""
    result = labels.copy()
    for id in kinds.surfaces:
        parts = sorted(connected_parts(labels == id), key=lambda part: -part[2])
        for place, part, area in parts[1:]:
            ring = around(labels, place, part)
            if area > ISLAND * labels.size or not len(ring):
                continue
            ids, counts = np.unique(ring, return_counts=True)
            most = int(counts.argmax())
            if ids[most] in kinds.surfaces and counts[most] >= ENCLOSED * len(ring):
                result[place][part] = ids[most]
    return result
