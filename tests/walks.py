"""Views along a walk through a dollhouse room, and how far found cameras and points are off."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch

from relook.dollhouse import Rendering, render, sample_layout, sample_style, walk
from relook.ops.align import centre, rotation_angle
from relook.types import Camera

SEED = (1 << 40) + 3


@cache
def views_of_a_walk(size: tuple[int, int] = (96, 128), frames: int = 3) -> tuple[Rendering, ...]:
    """Renderings along a walk through one room."""
    layout, style = sample_layout(SEED), sample_style(SEED)
    return tuple(render(layout, style, size, pose) for pose in walk(layout, frames))


def relative_errors(found: Any, truth: Sequence[Rendering]) -> tuple[list[float], list[float], list[float]]:
    """Rotation (degrees), position (metres) and median point errors (metres) with the first camera as origin on both sides."""
    first = truth[0].camera.world_to_camera
    turns, shifts, points = [], [], []
    for camera, cloud, room in zip(found.cameras, found.points, truth, strict=True):
        pose = room.camera.world_to_camera @ torch.linalg.inv(first)
        turns.append(rotation_angle(camera.world_to_camera[:3, :3] @ pose[:3, :3].T))
        shifts.append(float((centre(camera) - centre(Camera(camera.K, pose))).norm()))
        local = room.points @ first[:3, :3].T + first[:3, 3]
        error = (cloud - local).norm(dim=-1)
        points.append(float(error[torch.isfinite(error)].median()))
    return turns, shifts, points


def two_views(seed: int = 1_000_003, size: tuple[int, int] = (48, 64)):
    """Two renderings of one walk."""
    layout, style = sample_layout(seed), sample_style(seed)
    return [render(layout, style, size, pose) for pose in walk(layout, 2, stride=0.3, turn=0.15)]
