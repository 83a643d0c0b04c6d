"""The picture as a level camera would show it: verticals are columns, and a wall's foot and head are curves over the columns."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float

from relook.perceive.layout.frame import Frame, turned
from relook.perceive.layout.lines import Lines

COLUMNS = 320
"""Of the level picture."""
FARTHEST = 2.4
"""Tangent of the angle from straight ahead and from the horizon up to which it reaches."""
NEAR = 1.5
"""Pixels of the level picture at which the support of a line has fallen to exp(-1/2)."""


@dataclass(frozen=True)
class Level:
    """A level view of h x w pixels; u and v are tangents, to the right and down from straight ahead on the horizon."""

    u: Float[np.ndarray, " w"]
    v: Float[np.ndarray, " h"]
    to_picture: Float[np.ndarray, "3 3"]
    """Homography from (u, v, 1) to pixels of the picture."""
    ground: Float[np.ndarray, "w 2"]
    """Seen from above: where each column looks in the room's axes (across, ahead), one unit ahead of the level camera."""
    turn: Float[np.ndarray, "2 2"]
    """Rows: the room's directions across and ahead in (u, 1)."""
    shown: Bool[np.ndarray, "h w"]
    """Pixels that the picture has."""

    @property
    def step(self) -> float:
        """Tangent from pixel to pixel."""
        return float(self.u[1] - self.u[0])

    def warped(self, image: np.ndarray, outside: int = 0) -> np.ndarray:
        """A picture's values at the level pixels, nearest neighbour."""
        step, origin = self.step, (self.u[0], self.v[0])
        grid = np.array([[step, 0, origin[0]], [0, step, origin[1]], [0, 0, 1]])
        half = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        size = len(self.u), len(self.v)
        return cv2.warpPerspective(image, half @ self.to_picture @ grid, size, flags=flags, borderValue=outside)

    def rows(self, v: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """Row number of tangents, not rounded."""
        return (v - self.v[0]) / self.step

    def ends(self, lines: Lines) -> Float[np.ndarray, "N 2 2"]:
        """(u, v) of both ends of every line."""
        points = np.concatenate([lines.ends.reshape(-1, 2), np.ones((2 * len(lines), 1))], 1)
        level = points @ np.linalg.inv(self.to_picture).T
        ahead = np.where(np.abs(level[:, 2:]) < 1e-9, 1e-9, level[:, 2:])
        return (level[:, :2] / ahead).reshape(-1, 2, 2)

    def support(self, lines: Lines) -> Float[np.ndarray, "h w"]:
        """1 on the lines, falling to 0 beside them."""
        canvas = np.full(self.shown.shape, 255, np.uint8)
        corner = np.array([self.u[0], self.v[0]])
        ends = (self.ends(lines).clip(-2 * FARTHEST, 2 * FARTHEST) - corner) / self.step
        for start, end in ends.round().astype(int).tolist():
            cv2.line(canvas, start, end, 0, 1)
        if canvas.all():
            return np.zeros(canvas.shape)
        return np.exp(-0.5 * (cv2.distanceTransform(canvas, cv2.DIST_L2, 3) / NEAR) ** 2)


def level_view(frame: Frame, size: tuple[int, int]) -> Level:
    """The level view of a picture of `size` (H, W)."""
    height, width = size
    axes = turned(frame.axes[1], np.array(0.0))
    to_picture = frame.K @ axes.T
    rim = np.array([(x, y, 1) for x in np.linspace(0, width, 9) for y in np.linspace(0, height, 9)], float)
    seen = rim @ np.linalg.inv(to_picture).T
    seen = seen[seen[:, 2] > 0.1]
    (left, top), (right, bottom) = (
        np.clip(f(seen[:, :2] / seen[:, 2:], 0), -FARTHEST, FARTHEST) for f in (np.min, np.max)
    )
    step = (right - left) / COLUMNS
    u, v = (
        low + step * (np.arange(max(2, round((high - low) / step))) + 0.5)
        for low, high in ((left, right), (top, bottom))
    )
    turn = frame.axes[[0, 2]] @ axes[[0, 2]].T
    ground = np.column_stack([u, np.ones(len(u))]) @ turn.T
    level = Level(u, v, to_picture, ground, turn, np.ones((len(v), len(u)), bool))
    shown = level.warped(np.ones(size, np.uint8)) > 0
    return Level(u, v, to_picture, ground, turn, shown)
