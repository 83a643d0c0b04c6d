"""Where floor, walls and ceiling of a sure layout meet: straight borders, moved onto the picture's edge where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int

from relook.io import as_pixels
from relook.ops.resize import at_most, resized
from relook.ops.slopes import slopes
from relook.perceive.borders.regions import Kinds
from relook.perceive.layout.planes import CEILING, FLOOR, WALLS, seen_planes
from relook.types import View

SIDE = 640
"""Longer side at which the layout's borders are looked for."""
SHORTEST = 0.05
"""Part of the longer side from which on a border is made straight."""
REACH = 0.04
"""How far, in parts of the longer side, labels may be from the straight border that takes their place."""
SHIFT, SHIFTS = 0.015, 13
"""How far each end of a border moves to find the picture's edge, and in how many steps."""
CLEAR = 12.0
"""Change of Lab (of 8 bits) per pixel from which on surfaces meet on a clear edge already."""
SQUARE = np.ones((3, 3), np.uint8)
EDGE = 1.5
"""A border moves where the mean slope along it becomes so many times that of its neighbourhood."""


class Border(NamedTuple):
    """A straight border in a picture, in parts of its longer side."""

    start: Float[np.ndarray, "2"]
    end: Float[np.ndarray, "2"]
    other: int
    """What lies above or below the wall: FLOOR or CEILING."""


def straightened(view: View, labels: Int[np.ndarray, "H W"], kinds: Kinds) -> Int[np.ndarray, "H W"]:
    """The labels with straight borders between walls and ceiling, and between walls and floor, where the view's layout is sure.

    Only pixels of the two surfaces that meet change, and only where the border was near the straight one already.
    """
    if view.layout is None or not kinds.walls:
        return labels
    size = at_most(view.size, SIDE)
    steep = slopes(cv2.cvtColor(as_pixels(resized(view.image.cpu(), size)), cv2.COLOR_RGB2LAB))
    result = labels.copy()
    for border in _borders(seen_planes(view.layout.resized(size)).ids.numpy()):
        others = kinds.ceilings if border.other == CEILING else kinds.floors
        if others:
            _straighten(result, _moved(border, steep), kinds.walls, others, steep)
    return result


def _borders(ids: Int[np.ndarray, "h w"]) -> Iterator[Border]:
    """The straight borders of each wall with floor and ceiling in a map of planes."""
    scale = max(ids.shape)
    for wall in np.unique(ids[ids >= WALLS]):
        for other in (CEILING, FLOOR):
            upper, lower = (other, wall) if other == CEILING else (wall, other)
            rows, columns = np.nonzero((ids[:-1] == upper) & (ids[1:] == lower))
            if len(columns) < SHORTEST * scale:
                continue
            slope, offset = np.polyfit(columns + 0.5, rows + 1.0, 1)
            ends = np.array([columns.min(), columns.max() + 1.0])
            start, end = np.stack([ends, slope * ends + offset], 1) / scale
            yield Border(start, end, other)


def _moved(border: Border, steep: Float[np.ndarray, "h w"]) -> Border:
    """The border with its ends moved up or down to where the picture is steepest along it."""
    from scipy.ndimage import map_coordinates

    scale = max(steep.shape)
    along = np.linspace(0, 1, 101)
    shifts = np.linspace(-SHIFT, SHIFT, SHIFTS)
    rise = shifts[:, None, None] * (1 - along) + shifts[None, :, None] * along
    x, y = (border.start[:, None] * (1 - along) + border.end[:, None] * along) * scale - 0.5
    values = map_coordinates(steep, [y + rise * scale, np.broadcast_to(x, rise.shape)], order=1, mode="nearest")
    support = np.minimum(values, 4 * np.median(values)).mean(-1)
    first, second = np.unravel_index(support.argmax(), support.shape)
    if support.max() < EDGE * np.median(support):
        return border
    down = np.array([0.0, 1.0])
    return border._replace(start=border.start + shifts[first] * down, end=border.end + shifts[second] * down)


def _straighten(
    labels: Int[np.ndarray, "H W"],
    border: Border,
    walls: tuple[int, ...],
    others: tuple[int, ...],
    steep: Float[np.ndarray, "h w"],
) -> None:
    """Give pixels of the two surfaces to the one on whose side of the border they lie, part by part, where the whole part is near and its
    present border is on no clear edge of the picture."""
    scale = max(labels.shape)
    left, right = (round(float(end[0]) * scale) for end in (border.start, border.end))
    x = np.arange(left, right) + 0.5
    line = np.interp(x, *(np.stack([border.start, border.end], 1) * scale))
    reach = REACH * scale
    top = max(0, int(line.min() - reach) - 1)
    part = labels[top : int(line.max() + reach) + 2, left:right]
    below = np.arange(top, top + len(part))[:, None] + 0.5 - line
    wall, other = np.isin(part, walls), np.isin(part, others)
    wall_side = below > 0 if border.other == CEILING else below < 0
    astray = (wall & ~wall_side) | (other & wall_side)
    near = _near_parts(astray, (np.abs(below) >= reach) | _on_edge(wall, other, steep, (top, left), scale))
    part[near & wall_side] = _usual(part[wall], walls)
    part[near & ~wall_side] = _usual(part[other], others)


def _on_edge(
    wall: Bool[np.ndarray, "h w"],
    other: Bool[np.ndarray, "h w"],
    steep: Float[np.ndarray, "y x"],
    corner: tuple[int, int],
    scale: int,
) -> Bool[np.ndarray, "h w"]:
    """Pixels where two surfaces meet now, of pieces of that border most of which lie on a clear edge of the picture."""
    from scipy.ndimage import map_coordinates

    meet = (
        (cv2.dilate(wall.astype(np.uint8), SQUARE) > 0)
        & (cv2.dilate(other.astype(np.uint8), SQUARE) > 0)
        & (wall | other)
    )
    rows, columns = np.nonzero(meet)
    factor = max(steep.shape) / scale
    y, x = ((at + offset + 0.5) * factor - 0.5 for at, offset in zip((rows, columns), corner, strict=True))
    values = map_coordinates(steep, [y, x], order=1, mode="nearest")
    count, pieces = cv2.connectedComponents(meet.astype(np.uint8), connectivity=8)
    clear = np.bincount(pieces[meet], values > CLEAR, count) > 0.5 * np.bincount(pieces[meet], minlength=count)
    return meet & clear[pieces]


def _near_parts(astray: Bool[np.ndarray, "h w"], far: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Connected parts of a mask of which nothing is far."""
    _, parts = cv2.connectedComponents(astray.astype(np.uint8), connectivity=4)
    return astray & ~np.isin(parts, np.unique(parts[astray & far]))


def _usual(labels: Int[np.ndarray, " N"], ids: tuple[int, ...]) -> int:
    """The most frequent label; the first id where there is none."""
    return int(np.bincount(labels).argmax()) if len(labels) else ids[0]
