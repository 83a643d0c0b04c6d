"""Straight lines of a room in its picture."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from relook.types import Layout

NEAR = 0.05
"""Metres before the camera at which lines begin."""


def raised(point: tuple[float, float], height: float) -> Float[np.ndarray, "3"]:
    """The point of a layout's axes above a place (across, ahead) on the floor, metres."""
    return np.array([point[0], -height, point[1]])


def seen_line(
    layout: Layout, start: Float[np.ndarray, "3"], end: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "2 2"] | None:
    """What the picture shows of a line of the room, whose ends are in the layout's axes: x, y of both ends in pixels; None where it shows nothing."""
    pose, K = layout.camera.world_to_camera.double().numpy(), layout.camera.K.double().numpy()
    a, b = (pose[:3, :3] @ point + pose[:3, 3] for point in (start, end))
    if max(a[2], b[2]) <= NEAR:
        return None
    if a[2] < NEAR:
        a = a + (b - a) * (NEAR - a[2]) / (b[2] - a[2])
    if b[2] < NEAR:
        b = b + (a - b) * (NEAR - b[2]) / (a[2] - b[2])
    first, last = ((K @ point)[:2] / point[2] for point in (a, b))
    low, high, way = 0.0, 1.0, last - first
    for axis, most in ((0, layout.size[1]), (1, layout.size[0])):
        if abs(way[axis]) < 1e-9:
            if not 0 <= first[axis] <= most:
                return None
            continue
        ends = sorted(((0 - first[axis]) / way[axis], (most - first[axis]) / way[axis]))
        low, high = max(low, ends[0]), min(high, ends[1])
    return None if low >= high else np.stack([first + low * way, first + high * way])
