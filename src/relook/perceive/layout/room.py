"""A room in metres: what a box along columns comes to, as walls seen from above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float

from relook.perceive.layout.box import Box, Run
from relook.perceive.layout.confidence import Confidence
from relook.perceive.layout.frame import Frame
from relook.perceive.layout.level import Level
from relook.perceive.layout.planes import SURE
from relook.types import Camera, Layout, Wall

MEET = 12
"""Columns by which the cut between two walls may be off the corner at which they meet."""
BEYOND = 2
"""Columns by which the outermost walls go on beyond the picture."""
ROOM_HEIGHT, EYE = 2.6, 1.3
"""Metres from floor to ceiling, and to the camera, of most rooms and photographers."""
TRUSTED = 0.75
"""Weight of the first against the second where the picture shows both floor and ceiling."""
EYES = 0.9, 1.8
"""Least and greatest height of a camera."""


def as_layout(level: Level, frame: Frame, box: Box, sure: Confidence, size: tuple[int, int]) -> Layout:
    """The layout of a box, in the metres that fit usual ceilings and usual photographers best."""
    height = 1 + box.ceiling
    usual = (ROOM_HEIGHT / height) ** TRUSTED * EYE ** (1 - TRUSTED) if sure.ceiling >= SURE else EYE
    eye = float(np.clip(usual, *EYES))
    pose = torch.eye(4)
    pose[:3, :3] = torch.from_numpy(frame.axes.T)
    pose[:3, 3] = eye * pose[:3, 1]
    walls = tuple(
        Wall((eye * start[0], eye * start[1]), (eye * end[0], eye * end[1]), one)
        for (start, end), one in zip(_ends(level, box.runs), sure.walls, strict=True)
    )
    camera = Camera(torch.from_numpy(frame.K).float(), pose)
    return Layout(size, camera, eye * height, walls, sure.directions, sure.floor, sure.ceiling, "assumed")


def rescaled(layout: Layout, scale: float, source: str) -> Layout:
    """The same room, so many times as large."""
    pose = layout.camera.world_to_camera.clone()
    pose[:3, 3] *= scale
    walls = tuple(
        Wall((scale * one.start[0], scale * one.start[1]), (scale * one.end[0], scale * one.end[1]), one.confidence)
        for one in layout.walls
    )
    return replace(
        layout, camera=Camera(layout.camera.K, pose), height=scale * layout.height, walls=walls, scale=source
    )


def _ends(level: Level, runs: Sequence[Run]) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Both ends of every wall seen from above: corners where neighbours meet, else where the column of the cut meets the wall."""
    edges = level.u[0] + level.step * (np.array([run.start for run in runs] + [runs[-1].stop]) - 0.5)
    edges[[0, -1]] += level.step * BEYOND * np.array([-1, 1])
    ends = [[_at(level, run, edges[i]), _at(level, run, edges[i + 1])] for i, run in enumerate(runs)]
    for i, (one, other) in enumerate(pairwise(runs)):
        if one.axis == other.axis:
            continue
        across, ahead = (next(run.side * run.distance for run in (one, other) if run.axis == axis) for axis in (0, 1))
        u, z = level.turn.T @ (across, ahead)
        if z > 0 and abs(u / z - edges[i + 1]) < MEET * level.step:
            ends[i][1] = ends[i + 1][0] = (across, ahead)
    return [(start, end) for start, end in ends]


def _at(level: Level, run: Run, u: float) -> tuple[float, float]:
    """Where the ray of a column meets a run's wall."""
    ground: Float[np.ndarray, " 2"] = level.turn @ (u, 1.0)
    point = ground * (run.distance / max(run.side * ground[run.axis], 1e-3))
    return float(point[0]), float(point[1])
