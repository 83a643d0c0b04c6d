"""How far a layout is from the exact one: pure functions. What a layout leaves unknown counts as wrong, or as not said, never as right."""

from __future__ import annotations

import math

import torch
from jaxtyping import Int
from torch import Tensor

from relook.evaluate.metrics.segments import IGNORED, confusion, mean_iou
from relook.perceive.layout.planes import UNKNOWN, WALLS, seen_planes
from relook.types import Layout, Wall

FACING, NEAR = math.radians(5), 0.10
"""A wall plane is right if it faces within this angle of the true one, at a distance (in camera heights) within this part of it."""


def up_error(found: Layout, exact: Layout) -> float:
    """Angle in degrees between the directions up."""
    return _degrees(float(found.up @ exact.up))


def horizontal_error(found: Layout, exact: Layout) -> float:
    """Angle in degrees between the walls' directions, whichever of them is called across."""
    one, other = (layout.camera.world_to_camera[:3, [0, 2]] for layout in (found, exact))
    return _degrees(float((one.T @ other[:, 0]).abs().max()))


def focal_error(found: Layout, exact: Layout) -> float:
    """Difference of the focal lengths in percent, without a sign."""
    return 100 * abs(float(found.camera.K[0, 0] / exact.camera.K[0, 0]) - 1)


def room_error(found: Layout, exact: Layout) -> float:
    """Difference of the rooms' heights, each in heights of its camera, in percent, without a sign: what lines alone can know."""
    return 100 * abs(found.height / found.eye / (exact.height / exact.eye) - 1)


def height_error(found: Layout, exact: Layout) -> float:
    """Difference of the rooms' heights in metres, in percent, without a sign."""
    return 100 * abs(found.height / exact.height - 1)


def label_iou(found: Layout, exact: Layout) -> float | None:
    """Mean IoU of floor, ceiling and walls, as if the room were empty; unknown counts as wrong."""
    one, other = (_surfaces(seen_planes(layout).ids) for layout in (found, exact))
    return mean_iou(confusion(one, other, 3))


def wall_shares(found: Layout, exact: Layout, *, sure: float) -> tuple[float | None, float | None]:
    """Of the pixels on walls: the share on which the found plane is right, and of those that both call wall, the right share.

    sure: planes of less confidence count as unknown. None where there is nothing to count.
    """
    one, other = seen_planes(found, sure=sure).ids, seen_planes(exact).ids
    walls = other >= WALLS
    both = walls & (one >= WALLS)
    right = torch.zeros(1 + len(found.walls), 1 + len(exact.walls), dtype=torch.bool)
    for i, wall in enumerate(found.walls):
        for j, true in enumerate(exact.walls):
            right[i, j] = _same(_plane(found, wall), _plane(exact, true))
    hits = int(right[one[both] - WALLS, other[both] - WALLS].sum())
    return (hits / int(walls.sum()) if walls.any() else None), (hits / int(both.sum()) if both.any() else None)


def _surfaces(ids: Int[Tensor, "H W"]) -> Int[Tensor, "H W"]:
    """0 floor, 1 ceiling, 2 wall, IGNORED where unknown."""
    return torch.where(ids == UNKNOWN, IGNORED, ids.clamp_max(WALLS) - 1)


def _plane(layout: Layout, wall: Wall) -> tuple[Tensor, float]:
    """A wall's normal in the camera's axes, away from the camera, and its distance in camera heights."""
    (ax, az), (bx, bz) = wall.start, wall.end
    length = math.hypot(bx - ax, bz - az)
    across, ahead = (az - bz) / length, (bx - ax) / length
    distance = across * ax + ahead * az
    side = -1.0 if distance < 0 else 1.0
    normal = layout.camera.world_to_camera[:3, [0, 2]] @ torch.tensor([across * side, ahead * side])
    return normal, abs(distance) / layout.eye


def _same(one: tuple[Tensor, float], other: tuple[Tensor, float]) -> bool:
    return float(one[0] @ other[0]) > math.cos(FACING) and abs(one[1] / max(other[1], 1e-9) - 1) < NEAR


def _degrees(cosine: float) -> float:
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
