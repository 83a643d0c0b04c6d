"""How well a scene stands with one end of an axis below: on what, what it holds, and where its light comes from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import ConvexHull, QhullError

from relook.gaussians import Gaussians

MOST = 8_000
"""So many pieces of surface, evenly taken, are looked at."""
EDGE = 0.004
"""Share of the surface that may lie beyond each end."""
TOUCHING = 0.04
"""Of the height, or of SLIM of the width if that is more: what is so near to an end touches it."""
SLIM, STEADY = 0.3, 0.2
"""Of the width, the root of the footprint's area: the height of what is flat, and the margin from which on something stands as firmly as it can."""
CELLS = 24
"""The footprint's width in cells; a cell's highest and lowest surface is within CLOSE of a cell."""
CLOSE = 0.6
BAND, UPRIGHT, MIDDLE = (0.3, 0.75), 0.35, 0.15
"""Walls are surfaces in this band of the height with at most this cosine to the axis, and more than this share of the width off the middle."""
RAYS = 72
"""Directions in which walls are looked for."""
GLARE = 0.15
"""A difference in lightness that counts fully."""
LIGHT, BELOW, PLATE, WIDE = 4.0, 5.0, 0.25, 0.4
"""How much lightness counts beside firmness, things on a room's floor, a plate on legs, and the width of what is stood on (`Standing.upright`)."""


class End(NamedTuple):
    """One end of a scene along an axis."""

    wide: float
    """Area of the convex hull of what touches the end, as a share of the footprint's."""
    filled: float
    """Share of the footprint that it fills."""
    firm: float
    """From 1, where the middle of the surface is well above that hull, to -1, where it is well beside it."""


class Standing(NamedTuple):
    """A scene by one of its axes."""

    low: End
    high: End
    tipped: float
    """From -1, all between the ends is at the low one, to 1, at the high one."""
    lighter: float
    """By how much what shows from the high end is lighter than what shows from the low one (0 to 1), where these are two."""
    walled: float
    """The share of directions in which an upright surface stands."""
    tall: float
    """Height by the width of the footprint."""

    @property
    def upright(self) -> float:
        """How much speaks for the low end being below: negative where the other one is.

        Things stand on a wide and firm end (a sofa on its back's edge would fall); in rooms they stand below the middle; legs are below a
        plate, not above; and light comes from above.
        """
        lighter = min(max(self.lighter, -GLARE), GLARE)
        room = max(2 * self.walled - 1, 0.0)
        plate = (1 - room) * (self.high.filled - self.low.filled)
        ends = self.low.firm - self.high.firm + WIDE * (self.low.wide - self.high.wide)
        return ends + LIGHT * lighter - BELOW * room * self.tipped + PLATE * plate

    @property
    def likely(self) -> float:
        """How much speaks for the axis, whichever end is below: it stands firmly on one end, and not on the other."""
        wide, firm = max(self.low.wide, self.high.wide), max(self.low.firm, self.high.firm)
        return firm + (wide + abs(self.low.firm - self.high.firm)) / 2


class Pieces(NamedTuple):
    """Pieces of surface, N of them."""

    points: np.ndarray
    """[N, 3]."""
    normals: np.ndarray
    """[N, 3], of either sign."""
    areas: np.ndarray
    """[N]."""
    lightness: np.ndarray
    """[N], from 0 to 1: the mean of what is the same from everywhere in red, green and blue."""


def pieces_of(gaussians: Gaussians) -> Pieces:
    """A scene as `standing` looks at it."""
    some = gaussians[torch.arange(0, len(gaussians), -(-len(gaussians) // MOST))]
    ordered = some.scales.sort(1).values
    areas = some.opacities * ordered[:, 1] * ordered[:, 2]
    return Pieces(*(one.double().cpu().numpy() for one in (some.means, some.normals, areas, some.colours.mean(1))))


def standing(pieces: Pieces, axis: np.ndarray) -> Standing:
    """A scene by an axis ([3], of length 1) from its low to its high end."""
    flat, height = pieces.points @ np.linalg.svd(axis[None])[2][1:].T, pieces.points @ axis
    low, high = _ends(height, pieces.areas)
    area = max(_hull(flat)[0], 1e-12)
    width, total = area**0.5, max(high - low, 1e-12)
    cells = np.floor((flat - flat.min(0)) / (width / CELLS)).astype(int) @ [4 * len(flat), 1]
    middle = np.average(flat, axis=0, weights=pieces.areas)
    touch = TOUCHING * max(total, SLIM * width)

    def end(near: np.ndarray) -> End:
        wide, hull = _hull(flat[near])
        margin = -STEADY if hull is None else float(-(hull.equations @ [*middle, 1.0]).max()) / width
        filled = len(np.unique(cells[near])) / CELLS**2
        return End(wide / area, min(filled, 1.0), min(max(margin / STEADY, -1.0), 1.0))

    level = np.clip(2 * (height - low) / total - 1, -1, 1)
    weights = pieces.areas * (1 - level**2) ** 2  # floor -1, ceiling 1: neither counts
    wall = (np.abs(pieces.normals @ axis) < UPRIGHT) & (np.abs((1 + level) / 2 - np.mean(BAND)) < np.ptp(BAND) / 2)
    return Standing(
        end(height < low + touch), end(height > high - touch), float(weights @ level / max(weights.sum(), 1e-12)),
        _lighter(cells, height, pieces.lightness, CLOSE * width / CELLS), _walled((flat - middle)[wall] / width), total / width,
    )  # fmt: skip


def _ends(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    order = values.argsort()
    total = weights[order].cumsum() / weights.sum()
    first, last = np.searchsorted(total, [EDGE, 1 - EDGE]).clip(0, len(values) - 1)
    return float(values[order[first]]), float(values[order[last]])


def _hull(points: np.ndarray) -> tuple[float, ConvexHull | None]:
    """Area of the convex hull of points of a plane; 0 and None where they have none."""
    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError):
        return 0.0, None
    return float(hull.volume), hull


def _lighter(cells: np.ndarray, height: np.ndarray, lightness: np.ndarray, close: float) -> float:
    """Lightness of the highest surfaces of each cell less that of the lowest; less of it where these are two in under half of the cells."""
    _, cell = np.unique(cells, return_inverse=True)
    highest, lowest = np.full(cell.max() + 1, -np.inf), np.full(cell.max() + 1, np.inf)
    np.maximum.at(highest, cell, height)
    np.minimum.at(lowest, cell, height)
    above, below = height > highest[cell] - close, height < lowest[cell] + close
    above, below = above & ~below, below & ~above
    if not (above.any() and below.any()):
        return 0.0
    share = float((highest - lowest > close).mean())
    return min(2 * share, 1.0) * float(lightness[above].mean() - lightness[below].mean())


def _walled(flat: np.ndarray) -> float:
    """The share of directions from the middle in which one of these points lies."""
    away = flat[np.hypot(*flat.T) > MIDDLE]
    turns = (np.arctan2(away[:, 1], away[:, 0]) + np.pi) / (2 * np.pi) * RAYS
    return len(np.unique(turns.astype(int).clip(0, RAYS - 1))) / RAYS
