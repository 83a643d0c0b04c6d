"""What a layout says of every pixel: which plane it lies on, or would if the room were empty, and how far that is."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relook.ops.flat import homography
from relook.ops.geometry import pixel_centres
from relook.types import Layout

UNKNOWN, FLOOR, CEILING, WALLS = 0, 1, 2, 3
"""Plane ids; wall number i has WALLS + i."""
SURE = 0.5
"""Planes of less confidence are unknown."""
FARTHEST = 30.0
"""Metres; floor and ceiling end there where no wall does."""


class SeenPlanes(NamedTuple):
    """The empty room as the camera sees it."""

    ids: Int[Tensor, "H W"]
    """UNKNOWN, FLOOR, CEILING, or WALLS and the number of a wall."""
    depth: Float[Tensor, "H W"]
    """Along the optical axis in metres; NaN where the plane is unknown."""


def seen_planes(layout: Layout, *, sure: float = SURE) -> SeenPlanes:
    """Plane and depth of every pixel of the layout's picture.

    A ray t (rx, ry, rz) in the room's axes meets a wall from a to b, seen from above, where t (rx, rz) = a + s (b - a) with s in [0, 1]; the
    nearest wall ends floor and ceiling. sure: planes of less confidence are unknown; so is everything if the directions are.
    """
    x, y, z = _rays(layout)
    wall, reach = _nearest_wall(layout, x, z)
    floor = torch.where(y > 0, layout.eye / y, torch.inf)
    ceiling = torch.where(y < 0, (layout.eye - layout.height) / y, torch.inf)
    depth = torch.minimum(torch.minimum(reach, floor), ceiling)
    ids = torch.where(depth == reach, wall + WALLS, torch.where(depth == floor, FLOOR, CEILING))
    known = torch.tensor([0.0, layout.floor, layout.ceiling, *(one.confidence for one in layout.walls)]) >= sure
    ids = torch.where((depth < FARTHEST) & (layout.directions >= sure), ids, UNKNOWN)
    ids = torch.where(known[ids], ids, UNKNOWN)
    return SeenPlanes(ids, torch.where(ids == UNKNOWN, torch.nan, depth))


def level_homography(layout: Layout, height: float = 0.0) -> Float[Tensor, "3 3"]:
    """(x, y, 1) ~ H (u, v, 1) on the level plane so many metres above the floor, u across and v ahead from the camera."""
    across, down, ahead = torch.eye(3)
    return homography(layout.camera, -height * down, across, ahead)


def above_eye(layout: Layout) -> Bool[Tensor, "H W"]:
    """Pixels above the horizon: whatever they show is higher than the camera, as most furniture is not."""
    return _rays(layout)[1] < 0


def _rays(layout: Layout) -> tuple[Float[Tensor, "H W"], Float[Tensor, "H W"], Float[Tensor, "H W"]]:
    """The direction (x, y, z) in which every pixel looks, in the room's axes."""
    camera = layout.camera
    pixels = pixel_centres(layout.size)
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1)
    x, y, z = (homogeneous @ (camera.world_to_camera[:3, :3].T @ torch.linalg.inv(camera.K)).T).unbind(-1)
    return x, y, z


def _nearest_wall(
    layout: Layout, x: Float[Tensor, "H W"], z: Float[Tensor, "H W"]
) -> tuple[Int[Tensor, "H W"], Float[Tensor, "H W"]]:
    """Number of the wall that each ray meets first, and the ray's parameter there; infinite where it meets none."""
    number, reach = torch.zeros(x.shape, dtype=torch.int64), torch.full(x.shape, torch.inf)
    for index, one in enumerate(layout.walls):
        (ax, az), (bx, bz) = one.start, one.end
        across, ahead = bx - ax, bz - az
        turn = x * ahead - z * across
        t, s = (ax * ahead - az * across) / turn, (ax * z - az * x) / turn
        nearer = (t > 0) & (s >= 0) & (s <= 1) & (t < reach)
        number, reach = torch.where(nearer, index, number), torch.where(nearer, t, reach)
    return number, reach


def ceiling_lines(layout: Layout, *, shortest: float = 0.05, sure: float = SURE) -> Float[Tensor, "N 4"]:
    """Where walls are seen to meet the ceiling: a line (x0, y0, x1, y1) in pixels for every wall, those at least so much of the width long."""
    ids = seen_planes(layout, sure=sure).ids
    above, below = ids[:-1], ids[1:]
    lines = []
    for wall in below[below >= WALLS].unique():
        y, x = ((above == CEILING) & (below == wall)).nonzero(as_tuple=True)
        if len(x) and int(x.max() - x.min()) >= shortest * layout.size[1]:
            lines.append(torch.stack([place[end] for end in (x.argmin(), x.argmax()) for place in (x, y)]).float())
    return torch.stack(lines) if lines else torch.zeros(0, 4)
