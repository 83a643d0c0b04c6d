"""Cameras over a floor, from points of it that frames share: all frames, one plane, one focal length, together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_matrix, csc_matrix, identity
from scipy.sparse.linalg import spsolve

ROUNDS, ENOUGH = 30, 1e-5
"""Steps of Levenberg and Marquardt at most, and the share of the cost below which a step no longer counts."""
SCALE = 1.0
"""Pixels from which on a match counts less and less (Cauchy's loss): reflections move, and what stands on a floor is none."""
TURNED, LONGER, WEIGHT = 0.05, 0.03, 50.0
"""How far (radians, log of the focal length) what lines say of single pictures may be off, and how many matches it counts as."""
TINY = 1e-5
"""Step by which derivatives are taken."""


class FloorMatches(NamedTuple):
    """Points of the floor that two frames show."""

    first: Int[np.ndarray, " M"]
    """The number of one frame."""
    second: Int[np.ndarray, " M"]
    """And of the other."""
    here: Float[np.ndarray, "M 2"]
    """Where the first shows it, in pixels."""
    there: Float[np.ndarray, "M 2"]
    """Where the second does."""


@dataclass(frozen=True)
class Poses:
    """Cameras of F frames: a point of the world, whose floor is y = 0 (y down), is at turns x + shifts in the camera's axes."""

    turns: Float[np.ndarray, "F 3 3"]
    shifts: Float[np.ndarray, "F 3"]
    focal: float
    """Of all, in pixels."""
    middle: Float[np.ndarray, " 2"]
    """Of the picture, in pixels."""

    @property
    def K(self) -> Float[np.ndarray, "3 3"]:
        """Of all, as `Camera.K`."""
        x, y = self.middle
        return np.array([[self.focal, 0, x], [0, self.focal, y], [0, 0, 1]])

    @property
    def heights(self) -> Float[np.ndarray, " F"]:
        """Of the cameras over the floor."""
        return np.asarray(np.einsum("fi,fi->f", self.turns[:, :, 1], self.shifts))

    def homography(self, frame: int) -> Float[np.ndarray, "3 3"]:
        """(x, y, 1) ~ H (u, v, 1) for the place (u, 0, v) of the floor."""
        return np.asarray(self.K @ np.stack([self.turns[frame][:, 0], self.turns[frame][:, 2], self.shifts[frame]], 1))

    def moved(self, step: Float[np.ndarray, " _"]) -> Poses:
        """After a step: turns and shifts of every frame, and the log of the focal length."""
        each = step[:-1].reshape(-1, 6)
        turn = np.stack([cv2.Rodrigues(one)[0] for one in each[:, :3]])
        shifts = np.einsum("fij,fj->fi", turn, self.shifts) + each[:, 3:]
        return replace(self, turns=turn @ self.turns, shifts=shifts, focal=self.focal * float(np.exp(step[-1])))


@dataclass(frozen=True)
class Known:
    """What lines of single pictures say: axes of the world in some frames' cameras, the focal length, and how high the first of these frames is."""

    axes: Sequence[tuple[int, int, Float[np.ndarray, " 3"]]]
    """Frame, which axis (0 across, 1 down), its direction."""
    focal: float

    def tilt(self, poses: Poses) -> float:
        """Radians by which the floor is off what is known to be down, in the median."""
        return float(
            np.median(
                [np.arccos(min(1.0, float(poses.turns[one][:, 1] @ way))) for one, axis, way in self.axes if axis == 1]
            )
        )

    def off(self, poses: Poses) -> Float[np.ndarray, " P"]:
        """How far poses are off it, in pixels of a match."""
        share = np.sqrt(WEIGHT / max(len(self.axes), 1)) / TURNED
        off = [share * (poses.turns[frame][:, axis] - wanted) for frame, axis, wanted in self.axes]
        return np.concatenate([*off, [np.sqrt(WEIGHT) / LONGER * np.log(poses.focal / self.focal)]])

    def slopes(self, poses: Poses) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        """Rows, columns and values of its derivatives."""
        share = np.sqrt(WEIGHT / max(len(self.axes), 1)) / TURNED
        rows, columns, values = [], [], []
        for number, (frame, axis, _) in enumerate(self.axes):
            for k in range(3):
                rows.append(3 * number + np.arange(3))
                columns.append(np.full(3, 6 * frame + k))
                values.append(share * np.cross(np.eye(3)[k], poses.turns[frame][:, axis]))
        last = (np.array([3 * len(self.axes)]), np.array([6 * len(poses.turns)]), np.array([np.sqrt(WEIGHT) / LONGER]))
        return [*rows, last[0]], [*columns, last[1]], [*values, last[2]]


def solved(poses: Poses, matches: FloorMatches, known: Known) -> tuple[Poses, Float[np.ndarray, " M"]]:
    """The poses by which matches agree best, and by how many pixels each is off. The size of the world stays that of the first pose.

    Levenberg and Marquardt over six numbers a frame and the focal length, with Cauchy's loss.
    """
    damping, high = 1.0, float(np.median(poses.heights))
    cost, off = _cost(poses, matches, known)
    for _ in range(ROUNDS):
        square, slope = _normal(poses, matches, known, off)
        while True:
            step = -spsolve((square + damping * identity(len(slope))).tocsc(), slope)
            new = poses.moved(step.clip(-0.3, 0.3))
            new = replace(new, shifts=new.shifts * (high / max(float(np.median(new.heights)), 1e-6)))
            less, found = _cost(new, matches, known)
            if less < cost or damping > 1e9:
                break
            damping *= 10
        if less >= cost:
            break
        gained, poses, cost, off, damping = cost - less, new, less, found, max(damping / 10, 1e-3)
        if gained < ENOUGH * cost:
            break
    return poses, np.linalg.norm(off, axis=1)


def _cost(poses: Poses, matches: FloorMatches, known: Known) -> tuple[float, Float[np.ndarray, "M 2"]]:
    """Cauchy's loss of all matches and what is known, and how far matches are off."""
    off = _seen(poses, matches, poses.focal) - matches.there
    loss = SCALE**2 * np.log1p((off**2).sum(1) / SCALE**2)
    return float(loss.sum() + (known.off(poses) ** 2).sum()), off


def _seen(
    poses: Poses, matches: FloorMatches, focal: float, side: int = 0, turn: int | None = None
) -> Float[np.ndarray, "M 2"]:
    """Where second frames show what first ones do. turn: which number of the poses on one side (0 first, 1 second) is TINY larger."""
    ends = []
    for number, frames in enumerate((matches.first, matches.second)):
        turns, shifts = poses.turns[frames], poses.shifts[frames]
        if turn is not None and number == side:
            little = cv2.Rodrigues(np.eye(3)[turn] * TINY)[0] if turn < 3 else np.eye(3)
            turns, shifts = little @ turns, shifts @ little.T + (np.eye(3)[turn - 3] * TINY if turn >= 3 else 0.0)
        ends.append((turns, shifts))
    (turns, shifts), (others, moves) = ends
    rays = np.concatenate([(matches.here - poses.middle) / focal, np.ones((len(matches.here), 1))], 1)
    along, eyes = (np.einsum("mji,mj->mi", turns, one) for one in (rays, -shifts))
    down = np.where(np.abs(along[:, 1]) < 1e-6, 1e-6, along[:, 1])
    points = eyes - (eyes[:, 1] / down)[:, None] * along
    there = np.einsum("mij,mj->mi", others, points) + moves
    return np.asarray(focal * there[:, :2] / np.maximum(there[:, 2:], 1e-3) + poses.middle)


def _normal(
    poses: Poses, matches: FloorMatches, known: Known, off: Float[np.ndarray, "M 2"]
) -> tuple[csc_matrix, Float[np.ndarray, " _"]]:
    """The normal equations of a step: their matrix and the slope of the cost."""
    weight = np.sqrt(1 / (1 + (off**2).sum(1) / SCALE**2))[:, None]
    places, count, size = 2 * np.arange(len(off))[:, None] + np.arange(2), 2 * len(off), 6 * len(poses.turns) + 1
    base = off + matches.there
    rows, columns, values = [], [], []
    for side, frames in enumerate((matches.first, matches.second)):
        for number in range(6):
            change = weight * (_seen(poses, matches, poses.focal, side, number) - base) / TINY
            rows.append(places.ravel())
            columns.append(np.repeat(6 * frames + number, 2))
            values.append(change.ravel())
    rows.append(places.ravel())
    columns.append(np.full(count, size - 1))
    values.append((weight * (_seen(poses, matches, poses.focal * (1 + TINY)) - base) / TINY).ravel())
    more = known.slopes(poses)
    where = np.concatenate([*rows, *(count + one for one in more[0])]), np.concatenate([*columns, *more[1]])
    away = np.concatenate([(weight * off).ravel(), known.off(poses)])
    slopes = coo_matrix((np.concatenate([*values, *more[2]]), where), shape=(len(away), size)).tocsc()
    return (slopes.T @ slopes).tocsc(), np.asarray(slopes.T @ away)
