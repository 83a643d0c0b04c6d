"""A room's three directions, and the camera that sees them, from the lines of one picture.

Lines of a room mostly follow three directions at right angles (Coughlan and Yuille 1999). Their vanishing points are K r for the directions r,
so the camera's focal length, the height of its principal point (shifted or cropped pictures have it off the middle) and its rotation
follow from the lines: five numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from jaxtyping import Float, Int

from relook.perceive.layout.lines import Lines

DRAWS = 600
"""Pairs of steep lines whose crossing is tried as the vertical's vanishing point."""
STEEP = 30.0
"""Degrees within which a line may be vertical."""
MOST_ROLL, MOST_PITCH = np.tan(np.radians(25)), np.tan(np.radians(50))
"""Of the vertical, at a focal length of USUAL."""
USUAL, SPREAD = 0.58, 0.30
"""Focal length in longer sides, and the deviation of its logarithm: interiors are taken with wide lenses."""
KNOWN_SPREAD = 0.04
"""The same where the picture's file says it."""
SHIFT = 0.02
"""Half width of a Cauchy distribution of the principal point's height, in heights of the picture: mostly none, sometimes much."""
PRIOR = 0.007
"""What a deviation of 1 in focal length costs, as a share of the lines."""
WIDE, NARROW, FINE = 0.02, 0.012, 0.006
"""Deviation of a line from its direction, as a sine: first, and when the best frames are refined."""
FOLLOWS = 0.025
"""Sine below which a line follows a direction."""
YAWS = np.radians(np.arange(0, 90, 1.5))
STARTS, APART = 4, np.radians(4)
"""Frames that are refined, and how far their turns must differ."""
RIVAL, DIAGONAL = 0.03, 0.15
"""A frame of another turn is kept beside the best one if its score is at most this much lower; the second if it is turned by some 45 degrees."""
MOST_LINES = 400
"""The longest lines, on which frames are tried."""


@dataclass(frozen=True)
class Frame:
    """The camera and the room's directions in its axes."""

    K: Float[np.ndarray, "3 3"]
    """In pixels."""
    axes: Float[np.ndarray, "3 3"]
    """Rows: unit vectors across (to the right), down and ahead, in the camera's axes."""
    direction: Int[np.ndarray, " N"]
    """Which of them each line follows, -1 for none."""
    score: float
    """Share of the lines' weight that follows a direction, less what the prior takes."""

    def resized(self, size: tuple[int, int], other: tuple[int, int]) -> Frame:
        """The frame of a picture of one size (H, W) in the same picture at another."""
        y, x = (new / old for old, new in zip(size, other, strict=True))
        focal = self.K[0, 0] * max(other) / max(size)
        K = np.array([[focal, 0, self.K[0, 2] * x], [0, focal, self.K[1, 2] * y], [0, 0, 1]])
        return replace(self, K=K)


@dataclass(frozen=True)
class Search:
    """What a frame is judged by: lines, the picture's size, and what is expected of the camera."""

    lines: Lines
    size: tuple[int, int]
    """(H, W)."""
    focal: float
    """Expected, in longer sides."""
    spread: float
    """Deviation of its logarithm."""

    @cached_property
    def shares(self) -> Float[np.ndarray, " N"]:
        """Of every line, of the weight of all."""
        return self.lines.weights / self.lines.weights.sum()

    def camera(self, focal: float, shift: float) -> Float[np.ndarray, "3 3"]:
        """K for a focal length in longer sides and a principal point `shift` heights below the middle."""
        height, width = self.size
        far = focal * max(self.size)
        return np.array([[far, 0, width / 2], [0, far, height * (0.5 + shift)], [0, 0, 1]])

    def prior(self, focal: float, shift: float) -> float:
        """What an unusual camera costs."""
        return PRIOR * ((math.log(focal / self.focal) / self.spread) ** 2 + math.log1p((shift / SHIFT) ** 2))

    def cost(self, numbers: Sequence[float], spread: float = NARROW) -> float:
        """Prior less the share of the lines' weight that follows a direction of `frame(numbers)`."""
        K, axes = self.frame(numbers)
        near = np.exp(self.lines.off_squared(axes @ K.T).min(0) * (-0.5 / spread**2))
        return self.prior(math.exp(numbers[0]), numbers[1]) - float(near @ self.shares)

    def frame(self, numbers: Sequence[float]) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3 3"]]:
        """K and axes of (log focal length, shift, turn, roll, pitch)."""
        focal, shift, turn, roll, pitch = numbers
        across, down, ahead = _unturned(
            math.sin(roll), math.cos(roll) * math.cos(pitch), math.cos(roll) * math.sin(pitch)
        )
        c, s = math.cos(turn), math.sin(turn)
        pairs = list(zip(across, ahead, strict=True))
        axes = np.array([[c * a + s * b for a, b in pairs], down, [c * b - s * a for a, b in pairs]])
        return self.camera(math.exp(focal), shift), axes


def find_frames(lines: Lines, size: tuple[int, int], focal: float | None = None) -> list[Frame]:
    """Frames that most lines follow, the best first: tried on a grid, the best few refined (Nelder and Mead 1965).

    The second has another turn, and is nearly as good: patterns with diagonals (chevrons, lattices) may have more lines than the walls, so
    the best frame's diagonals are tried too, and the box decides. focal: of the camera in pixels, where it is known. At least three lines are needed.
    """
    longest = lines[lines.lengths >= np.sort(lines.lengths)[-MOST_LINES:][0]]
    expected, spread = (USUAL, SPREAD) if focal is None else (focal / max(size), KNOWN_SPREAD)
    search = Search(longest, size, expected, spread)
    vertical = _vertical(longest, size)
    found = sorted((_refined(search, start) for start in _starts(search, vertical)), key=lambda one: one[0])
    diagonal = found[0][1] + np.array([0, 0, np.pi / 4, 0, 0])
    found = sorted([*found, _refined(search, diagonal)], key=lambda one: one[0])
    near = [one for one in found[1:] if _rivals(one[1][2] - found[0][1][2], one[0] - found[0][0])][:1]
    return [_frame(search, lines, *one) for one in (found[0], *near)]


def _frame(search: Search, lines: Lines, cost: float, numbers: Float[np.ndarray, " 5"]) -> Frame:
    """A frame of its numbers, and which lines follow it."""
    K, axes = search.frame(numbers.tolist())
    axes = _ordered(axes)
    return Frame(K, axes, following(lines, K, axes), -cost)


def following(lines: Lines, K: Float[np.ndarray, "3 3"], axes: Float[np.ndarray, "3 3"]) -> Int[np.ndarray, " N"]:
    """Which of the directions (rows, in the camera's axes) each line follows, -1 for none."""
    off = lines.off(axes @ K.T)
    return np.where(off.min(0) < FOLLOWS, off.argmin(0), -1)


def turned(down: Float[np.ndarray, " 3"], turns: Float[np.ndarray, "*T"]) -> Float[np.ndarray, "*T 3 3"]:
    """Axes (rows across, down, ahead) for a direction down, turned about it from where the camera looks."""
    across, own, ahead = (np.array(one) for one in _unturned(*down.tolist()))
    c, s = np.cos(turns)[..., None], np.sin(turns)[..., None]
    axes = np.empty((*turns.shape, 3, 3))
    axes[..., 0, :], axes[..., 1, :], axes[..., 2, :] = c * across + s * ahead, own, c * ahead - s * across
    return axes


def _unturned(x: float, y: float, z: float) -> tuple[tuple[float, float, float], ...]:
    """Unit vectors across, down and ahead for a direction down, ahead nearest to where the camera looks."""
    long = math.sqrt(x * x + y * y + z * z)
    x, y, z = x / long, y / long, z / long
    level = math.hypot(x, y)
    return (y / level, -x / level, 0.0), (x, y, z), (-x * z / level, -y * z / level, level)


def _vertical(lines: Lines, size: tuple[int, int]) -> Float[np.ndarray, " 3"]:
    """The vanishing point of the vertical in homogeneous pixels: the best crossing of two steep lines (RANSAC), refined by all near it."""
    height, width = size
    steep = lines[np.abs(lines.ways[:, 0]) < np.sin(np.radians(STEEP))]
    upright = np.array([[0.0, 1.0, 0.0]])
    if len(steep) < 3:
        return upright[0]
    to_unit = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, max(size)]]) / max(size)
    ends = [np.column_stack([steep.ends[:, i : i + 2], np.ones(len(steep))]) @ to_unit.T for i in (0, 2)]
    through = np.cross(ends[0], ends[1])
    through /= np.linalg.norm(through[:, :2], axis=1, keepdims=True)
    draw = np.random.default_rng(0).choice(len(steep), (DRAWS, 2), p=steep.weights / steep.weights.sum())
    points = np.concatenate([upright, np.cross(through[draw[:, 0]], through[draw[:, 1]])])
    points = points[np.linalg.norm(points, axis=1) > 1e-9]
    down = points * np.sign(points[:, 1:2]) / np.array([USUAL, USUAL, 1.0])
    fits = np.hypot(down[:, 0], down[:, 2]) < MOST_PITCH * np.abs(down[:, 1])
    points = points[fits & (np.abs(down[:, 0]) < MOST_ROLL * np.abs(down[:, 1]))]
    back = np.linalg.inv(to_unit)
    near = np.exp(-0.5 * (steep.off(points @ back.T) / NARROW) ** 2) @ steep.weights
    best = points[near.argmax()]
    for _ in range(5):
        weights = steep.weights * np.exp(-0.5 * (steep.off(back @ best) / NARROW) ** 2)
        best = np.linalg.eigh((through * weights[:, None]).T @ through)[1][:, 0]
    best = back @ best
    return best * np.sign(best[1] or 1.0)


def _starts(search: Search, vertical: Float[np.ndarray, " 3"]) -> list[Float[np.ndarray, " 5"]]:
    """The best frames of a grid over focal length, shift and turn whose vertical is the one found; their turns differ."""
    level = search.lines[search.lines.off(vertical) > 0.03]
    total = search.lines.weights.sum()
    steps = np.linspace(-1, 1, 13) * (2 * search.spread)
    tilted = abs(vertical[2]) * max(search.size) > 0.25 * abs(vertical[1])
    found = []
    for focal in search.focal * np.exp(steps if search.spread > 0.1 else steps[::4]):
        for shift in np.linspace(-0.06, 0.06, 3) if tilted else np.linspace(-0.2, 0.2, 11):
            K = search.camera(focal, shift)
            down = np.linalg.solve(K, vertical)
            down *= np.sign(down[1]) / np.linalg.norm(down)
            points = turned(down, YAWS)[:, ::2] @ K.T
            near = np.exp(level.off_squared(points).min(1) * (-0.5 / WIDE**2)) @ level.weights / total
            roll, pitch = np.arcsin(np.clip(down[0], -1, 1)), np.arctan2(down[2], down[1])
            for best in np.argsort(near)[-2:]:
                numbers = np.array([np.log(focal), shift, YAWS[best], roll, pitch])
                found.append((near[best] - search.prior(focal, shift), numbers))
    found.sort(key=lambda one: -one[0])
    chosen: list[Float[np.ndarray, " 5"]] = []
    for _, numbers in found:
        if len(chosen) < STARTS and all(abs(_quarter(numbers[2] - other[2])) > APART for other in chosen):
            chosen.append(numbers)
    return chosen


def _refined(search: Search, numbers: Float[np.ndarray, " 5"]) -> tuple[float, Float[np.ndarray, " 5"]]:
    """A frame moved to where most lines follow it, and its cost."""
    from scipy.optimize import minimize

    steps, cost = np.vstack([np.zeros(5), np.diag([0.08, 0.02, 0.015, 0.004, 0.01])]), 0.0
    for spread, rounds in ((WIDE, 150), (NARROW, 200), (FINE, 250)):
        options = {"initial_simplex": numbers + min(1.0, spread / NARROW) * steps, "maxiter": rounds}
        found = minimize(partial(_cost, search, spread), numbers, method="Nelder-Mead", options=options)
        cost, numbers = float(found.fun), found.x
    return cost, numbers


def _cost(search: Search, spread: float, numbers: Float[np.ndarray, " 5"]) -> float:
    return search.cost(numbers.tolist(), spread)


def _ordered(axes: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """The same directions, turned by quarters so that ahead is the horizontal one nearest to where the camera looks."""
    quarters = np.arange(4) * np.pi / 2
    c, s = np.cos(quarters)[:, None], np.sin(quarters)[:, None]
    across, ahead = c * axes[0] + s * axes[2], c * axes[2] - s * axes[0]
    best = ahead[:, 2].argmax()
    return np.stack([across[best], axes[1], ahead[best]])


def _quarter(angle: float) -> float:
    """An angle between two crosses of directions, within an eighth turn either way."""
    return (angle + np.pi / 4) % (np.pi / 2) - np.pi / 4


def _rivals(turn: float, worse: float) -> bool:
    """Whether a frame turned against the best one, and worse by so much, may yet be the right one."""
    apart = abs(_quarter(turn))
    return bool(apart > APART and worse < (DIAGONAL if apart > np.pi / 4 - 2 * APART else RIVAL))
