"""Where on its object every pixel lies: the exact truth of dense correspondence between different rooms.

Two pixels show the same part when they show objects of one class at the same position of the object's box, facing the same way
(normalised object coordinates, Wang et al. 2019). Walls, floor and ceiling are parts of the room's box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from relook.dollhouse.layout import Layout
from relook.dollhouse.trace import Geometry

FACING = 0.35
"""Weight of the surface normal beside the position in the box."""


def part_coordinates(geometry: Geometry, layouts: Sequence[Layout]) -> Float[Tensor, "B H W 6"]:
    """For every pixel its position in its object's box (three numbers from 0 to 1) and FACING times the normal, in the object's axes.

    The distance between two such vectors of one class says how different two parts are.
    """
    return torch.stack([_of_room(geometry, index, layout) for index, layout in enumerate(layouts)])


def _of_room(geometry: Geometry, index: int, layout: Layout) -> Float[Tensor, "H W 6"]:
    points, normals = geometry.points[index], geometry.normals[index]
    width, height, depth = layout.size
    position = (points - points.new_tensor([-width / 2, 0.0, 0.0])) / points.new_tensor([width, height, depth])
    facing = normals.clone()
    ids = geometry.classes[index] * 64 + geometry.instances[index]
    solids = layout.classes * 64 + layout.instances
    for id in torch.unique(solids).tolist():
        here = ids == id
        if bool(here.any()):
            own = solids == id
            position[here], facing[here] = _in_box(layout, own, points[here], normals[here])
    return torch.cat([position, FACING * facing], -1)


def _in_box(layout: Layout, own: Tensor, points: Tensor, normals: Tensor) -> tuple[Tensor, Tensor]:
    """Position in the box around an object's solids, whose yaw they share, and normals in its axes."""
    yaw = float(layout.yaws[own][0])
    c, s = math.cos(yaw), math.sin(yaw)
    turn = points.new_tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]])  # world -> object
    centres, halves = layout.centres[own].to(points) @ turn.T, layout.halves[own].to(points)
    low, high = (centres - halves).amin(0), (centres + halves).amax(0)
    return ((points @ turn.T - low) / (high - low).clamp_min(1e-6)).clamp(0, 1), normals @ turn.T
