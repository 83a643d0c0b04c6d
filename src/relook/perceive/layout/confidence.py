"""How sure a layout's parts are: by the lines that speak for them. The numbers were read off drawn rooms, close-ups and pictures without any room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from relook.perceive.layout.box import Box
from relook.perceive.layout.evidence import Evidence
from relook.perceive.layout.frame import Frame
from relook.perceive.layout.level import Level
from relook.perceive.layout.lines import Lines

SUPPORTED = 0.3
"""Support above which a border lies on a line."""
CHANCE, CLEAR = 0.15, 0.35
"""Scores that stray lines reach as well, and that only rooms reach."""
ENOUGH = 6.0
"""Weight of lines that follow a direction; with less, any frame fits."""
THIRD = 0.6
"""Weight of the third direction's lines at which it is known half."""
BY_SEGMENTS, BY_COLOURS = 0.97, 0.78
"""Share of wide, lined walls that are within 20 % of their distance, where segments say what is wall and where only colours do."""
WIDE = 0.2
"""Share of the columns from which on a wall is wide."""


@dataclass(frozen=True)
class Confidence:
    """Of each part of a layout, from 0 to 1."""

    directions: float
    floor: float
    ceiling: float
    walls: tuple[float, ...]


def confidence(level: Level, frame: Frame, lines: Lines, evidence: Evidence, box: Box, segmented: bool) -> Confidence:
    """Confidence of a box: directions by their lines, floor, ceiling and walls by how much of their borders lies on lines."""
    sure = _directions(frame, lines)
    feet, heads, walls = [], [], []
    for run in box.runs:
        near, along = 1 / run.range(level), evidence.along[1 - run.axis][:, run.start : run.stop]
        foot, head = (_share(level, along, border) for border in (near, -near * box.ceiling))
        width = (run.stop - run.start) / len(level.u)
        feet.append(width * (foot or 0))
        heads.append(width * (head or 0))
        unseen = 0.6 ** ((foot is None) + (head is None))
        lined = 0.7 + 0.3 * min(1.0, 2 * max(foot or 0, head or 0))
        walls.append((BY_SEGMENTS if segmented else BY_COLOURS) * min(1.0, width / WIDE) ** 0.5 * unseen * lined * sure)
    floor, ceiling = (sure * min(1.0, 0.4 + 2 * sum(shares)) if sum(shares) else 0.3 * sure for shares in (feet, heads))
    return Confidence(sure, floor, ceiling, tuple(walls))


def _directions(frame: Frame, lines: Lines) -> float:
    """Of the three directions: many lines follow them, more than stray ones would, and each has some."""
    weights = np.array([lines.weights[frame.direction == axis].sum() for axis in range(3)])
    clear = np.clip((frame.score - CHANCE) / (CLEAR - CHANCE), 0, 1)
    return float(clear * min(1.0, weights.sum() / ENOUGH) * weights.min() / (weights.min() + THIRD))


def _share(level: Level, along: Float[np.ndarray, "h n"], border: Float[np.ndarray, " n"]) -> float | None:
    """Share of a border's columns that lie on a line, give or take a pixel; None where the picture shows less than a tenth of it."""
    rows = np.round(level.rows(border)).astype(int)
    columns = np.flatnonzero((rows > 1) & (rows < len(level.v) - 2))
    if len(columns) < max(2, 0.1 * len(rows)):
        return None
    near = np.max([along[rows[columns] + shift, columns] for shift in (-1, 0, 1)], 0)
    return float((near > SUPPORTED).mean())
