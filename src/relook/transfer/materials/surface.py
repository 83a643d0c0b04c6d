"""Which pixels of a view show a plane of its room, and how it is seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.ops.flat import before, homography
from relook.perceive.layout.planes import SURE, WALLS, level_homography, seen_planes
from relook.types import Layout, View, Wall

PLANES: Mapping[str, str] = {"floor": "floor", "rug": "floor", "ceiling": "ceiling", "wall": "walls"}
"""Things that lie on the room's planes -> which."""


class Surface(NamedTuple):
    """A region on a plane."""

    mask: Bool[Tensor, "H W"]
    """Its pixels."""
    plane: Bool[Tensor, "H W"]
    """Pixels that would show the plane if nothing stood before it."""
    H: Float[Tensor, "3 3"]
    """(x, y, 1) ~ H (u, v, 1) in metres: on floor and ceiling u across and v ahead from the camera, on a wall u to the right and v up."""


def surfaces_of(view: View, thing: str, mask: Bool[Tensor, "H W"]) -> list[Surface]:
    """The parts of a region of such a thing on the planes that are known; none where a room's directions are not."""
    layout = view.layout
    if layout is None or layout.directions < SURE:
        return []
    found = (Surface(mask & plane, plane, H) for plane, H in _planes(layout, PLANES[thing]))
    return [surface for surface in found if bool(surface.mask.any())]


def _planes(layout: Layout, kind: str) -> Iterator[tuple[Bool[Tensor, "H W"], Float[Tensor, "3 3"]]]:
    """Where known planes of a kind are seen, and how."""
    if kind == "walls":
        ids, before_it = seen_planes(layout).ids, 0.0
        for number, wall in enumerate(layout.walls):
            if wall.confidence >= SURE and bool((ids == WALLS + number).any()):
                yield ids == WALLS + number, _upright(layout, wall, before_it)
            before_it += math.dist(wall.start, wall.end)
        return
    if getattr(layout, kind) >= SURE:
        H = level_homography(layout, 0.0 if kind == "floor" else layout.height)
        yield before(H, layout.size), H


def _upright(layout: Layout, wall: Wall, before_it: float) -> Float[Tensor, "3 3"]:
    """The homography of a wall, on the floor; along it places go on from those of the walls before it, which have that length."""
    start, end = torch.tensor(wall.start), torch.tensor(wall.end)
    along = (end - start) / (end - start).norm()
    across = torch.stack([along[0], torch.zeros(()), along[1]])
    origin = torch.tensor([wall.start[0], 0.0, wall.start[1]]) - before_it * across
    return homography(layout.camera, origin, across, torch.tensor([0.0, -1.0, 0.0]))
