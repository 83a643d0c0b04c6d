"""Walks through one room, and exact flow and occlusion between any two of its views."""

from __future__ import annotations

import math

from jaxtyping import Bool, Float
from torch import Tensor

from relook.dollhouse.layout import Layout, Pose
from relook.dollhouse.render import Rendering
from relook.errors import InputError
from relook.ops.geometry import flow_from_depth


def walk(layout: Layout, frames: int, *, stride: float = 0.5, turn: float = 0.35) -> list[Pose]:
    """Poses along a gentle arc from the layout's own pose: `stride` metres sideways and on, `turn` radians about y in all.

    The camera keeps clear of walls and furniture at eye height. Raises InputError for fewer than one frame.
    """
    if frames < 1:
        raise InputError(f"Expected at least 1 frame, got {frames}; ask for more.")
    start = layout.pose
    width, _, depth = layout.size
    side = -1.0 if start.eye[0] > 0 else 1.0
    poses = []
    for index in range(frames):
        share = index / max(1, frames - 1)
        x = start.eye[0] + side * stride * share
        z = start.eye[2] + stride * 0.6 * math.sin(math.pi / 2 * share)
        x, z = max(-width / 2 + 0.2, min(width / 2 - 0.2, x)), min(z, depth * 0.4)
        height = start.eye[1] + 0.03 * math.sin(2 * math.pi * share)
        poses.append(Pose((x, height, z), start.yaw - side * turn * share, start.pitch, start.fov))
    return poses


def exact_flow(first: Rendering, second: Rendering) -> tuple[Float[Tensor, "2 H W"], Bool[Tensor, "H W"]]:
    """Flow in pixels from every pixel centre of `first` to `second`, and where it is visible there.

    A point is visible when it lands inside the second picture and no surface there is nearer by more than
    2 % of its depth (depths between pixel centres: the farthest of the four around, so slopes do not hide themselves).
    """
    found = flow_from_depth(first.depth, first.camera, second.depth, second.camera)
    return found.flow, found.visible
