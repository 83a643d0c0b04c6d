"""The walls of a room along the columns of a level view, by dynamic programming: which plane each column sees, and how high the ceiling is.

Lengths are in heights of the camera above the floor; seen from above, the camera stands at the origin of the room's axes (across, ahead).
A wall is a plane across = +-d or ahead = d. A column that looks along g on the ground meets it at t = d / (+-g), its foot is seen at
v = 1 / t, its head at v = -c / t under a ceiling at c.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from relook.perceive.layout.evidence import CEILING, END_WALL, FLOOR, SIDE_WALL, Evidence
from relook.perceive.layout.level import Level

FAMILIES = ((0, 1), (0, -1), (1, 1))
"""(axis of the normal, side) of the walls that can be seen: to the right, to the left, ahead."""
DEPTHS = np.exp(np.linspace(np.log(0.5), np.log(9), 52))
"""Distances of walls that are tried."""
CEILINGS = np.exp(np.linspace(np.log(0.42), np.log(2.6), 14))
"""Heights of the ceiling above the camera that are tried."""
GRAZING = 0.08
"""A wall is not seen by columns that meet it at a smaller cosine."""
CLOSEST = 0.35
"""Nor is what would be nearer than this."""
CORNER, JUMP, CALM = 0.0033, 0.02, 0.5
"""What a corner between two walls costs, and a wall that stands before another, of a column's cost times all columns; a corner on an upright
line costs CALM less of it."""
EYE, EYE_SPREAD, EYE_COST = 0.5, 0.09, 0.01
"""The camera's height in parts of the room's: usual, its deviation, and what one deviation costs a column (twice that, for a Gaussian)."""
HIDDEN = 9.0
"""Cost of a column that cannot see the wall."""
FINER = 0.07, 29
"""How far distances and the ceiling move when they are refined, and in how many steps."""


@dataclass(frozen=True)
class Run:
    """A stretch of columns that see one wall."""

    start: int
    stop: int
    """The column after the last."""
    axis: int
    """Of the normal: 0 across, 1 ahead."""
    side: int
    """1 or -1."""
    distance: float
    """In camera heights."""

    def range(self, level: Level) -> Float[np.ndarray, " n"]:
        """How far ahead each of its columns meets the wall."""
        return self.distance / np.maximum(self.side * level.ground[self.start : self.stop, self.axis], GRAZING)


@dataclass(frozen=True)
class Box:
    """The room seen by a level view."""

    runs: tuple[Run, ...]
    """From left to right; every column belongs to one."""
    ceiling: float
    """Above the camera."""
    cost: float
    """Mean over the columns."""


def find_box(level: Level, evidence: Evidence) -> Box:
    """The cheapest row of walls under the cheapest ceiling, its distances refined."""
    costs = np.concatenate([border_costs(level, evidence, family, DEPTHS, CEILINGS) for family in FAMILIES], 1)
    paths, totals = _paths(costs, _neighbours(level), evidence.corners)
    best = int(totals.argmin())
    path = paths(best)
    cuts = np.flatnonzero(np.diff(path)) + 1
    runs = [
        Run(int(start), int(stop), *FAMILIES[state // len(DEPTHS)], float(DEPTHS[state % len(DEPTHS)]))
        for start, stop, state in zip([0, *cuts], [*cuts, len(path)], path[[0, *cuts]], strict=True)
    ]
    return _refined(level, evidence, Box(tuple(runs), float(CEILINGS[best]), float(totals[best]) / len(path)))


def zones(level: Level, box: Box) -> Int[np.ndarray, "h w"]:
    """The zone of every level pixel."""
    found = np.empty(level.shown.shape, np.int64)
    rows = np.arange(len(level.v))[:, None]
    for run in box.runs:
        near = 1 / run.range(level)
        walls = END_WALL if run.axis else SIDE_WALL
        above, below = rows < _row(level, -near * box.ceiling), rows >= _row(level, near)
        found[:, run.start : run.stop] = np.where(above, CEILING, np.where(below, FLOOR, walls))
    return found


def border_costs(
    level: Level,
    evidence: Evidence,
    family: tuple[int, int],
    depths: Float[np.ndarray, " D"],
    ceilings: Float[np.ndarray, " C"],
    columns: slice = slice(None),
) -> Float[np.ndarray, "C D n"]:
    """What it costs every column to see a wall of a family at each distance, under each ceiling."""
    axis, side = family
    facing = side * level.ground[columns, axis]
    near = np.maximum(facing, GRAZING) / depths[:, None]
    c = np.arange(len(level.u))[columns]
    foot, head = (_row(level, v) for v in (near, -near * ceilings[:, None, None]))
    sums, along = evidence.sums, evidence.along[1 - axis]
    wall_sums = sums[END_WALL if axis else SIDE_WALL]
    wall = wall_sums[foot, c] - evidence.line * along[np.clip(foot, 0, len(level.v) - 1), c] * _within(level, foot)
    floor = sums[FLOOR, -1, c] - sums[FLOOR, foot, c]
    top = sums[CEILING, head, c] - wall_sums[head, c]
    top = top - evidence.line * along[np.clip(head, 0, len(level.v) - 1), c] * _within(level, head)
    seen = (facing > GRAZING) & (near < 1 / CLOSEST)
    unusual = EYE_COST / 2 * ((1 / (1 + ceilings) - EYE) / EYE_SPREAD) ** 2
    return np.where(seen, wall + floor, HIDDEN) + top + unusual[:, None, None]


def _row(level: Level, v: Float[np.ndarray, "*n"]) -> Int[np.ndarray, "*n"]:
    """The pixel row that a tangent falls into, from 0 to the number of rows."""
    return np.clip(np.round(level.rows(v)), 0, len(level.v)).astype(int)


def _within(level: Level, rows: Int[np.ndarray, "*n"]) -> Bool[np.ndarray, "*n"]:
    return (rows > 1) & (rows < len(level.v) - 2)


def _neighbours(level: Level) -> Int[np.ndarray, "w S 3"]:
    """For every column and state the three states of the crossing wall that meet it there, nearly."""
    step, count = np.log(DEPTHS[1] / DEPTHS[0]), len(DEPTHS)
    across, ahead = level.ground.T
    side = np.where(across > 0, 0, count)
    ratio = np.log(np.maximum(np.abs(across), 1e-3) / np.maximum(ahead, 1e-3))[:, None] / step
    own = np.arange(count)
    crossing = np.concatenate(
        [
            *(2 * count + np.clip(np.round(own - ratio), 1, count - 2) for _ in range(2)),
            side[:, None] + np.clip(np.round(own + ratio), 1, count - 2),
        ],
        1,
    ).astype(int)
    return crossing[..., None] + np.array([-1, 0, 1])


def _paths(
    costs: Float[np.ndarray, "C S w"], neighbours: Int[np.ndarray, "w S 3"], corners: Float[np.ndarray, " w"]
) -> tuple[Callable[[int], Int[np.ndarray, " w"]], Float[np.ndarray, " C"]]:
    """The cheapest sequence of states under every ceiling (Viterbi), as a function from the ceiling's number, and its cost."""
    ceilings, states, width = costs.shape
    own, columns = np.arange(states)[:, None], np.ascontiguousarray(costs.transpose(2, 1, 0))
    total, back = columns[0], np.empty((width, states, ceilings), np.int32)
    for column in range(1, width):
        turn, turn_from = total[neighbours[column, :, 0]], neighbours[column, :, :1]
        for place in (1, 2):
            source = neighbours[column, :, place : place + 1]
            other = total[source[:, 0]]
            turn_from, turn = np.where(other < turn, source, turn_from), np.minimum(turn, other)
        turn = turn + width * CORNER * (1 - CALM * corners[column])
        lowest = total.argmin(0)
        jump = total[lowest, np.arange(ceilings)] + width * JUMP
        best = np.minimum(total, turn)
        back[column] = np.where(jump < best, lowest, np.where(turn < total, turn_from, own))
        total = np.minimum(best, jump) + columns[column]

    def path(ceiling: int) -> Int[np.ndarray, " w"]:
        states = [int(total[:, ceiling].argmin())]
        for column in range(width - 1, 0, -1):
            states.append(int(back[column, states[-1], ceiling]))
        return np.array(states[::-1])

    return path, total.min(0)


def _refined(level: Level, evidence: Evidence, box: Box) -> Box:
    """Ceiling and distances moved by a few percent to where they cost least."""
    reach, steps = FINER
    scales = np.linspace(1 - reach, 1 + reach, steps)
    ceilings = box.ceiling * np.linspace(1 - 1.5 * reach, 1 + 1.5 * reach, steps + 10)
    sums = [
        border_costs(
            level, evidence, (run.axis, run.side), run.distance * scales, ceilings, slice(run.start, run.stop)
        ).sum(-1)
        for run in box.runs
    ]
    best = int(sum(one.min(1) for one in sums).argmin())
    runs = tuple(
        replace(run, distance=run.distance * float(scales[one[best].argmin()]))
        for run, one in zip(box.runs, sums, strict=True)
    )
    return Box(runs, float(ceilings[best]), box.cost)
