"""Faint lines where walls meet ceilings: white on white, seen by no detector of lines, but the picture changes all along them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from relook.perceive.layout.edges import raised, seen_line
from relook.types import Layout

HEIGHTS = np.linspace(0.85, 1.2, 71)
"""At which the upper edge of a wall is looked for, in parts of the room's."""
BLUR = 1.5
"""Standard deviation in pixels, before the picture's change is taken."""
SHORTEST = 0.06
"""Least length of a line, in parts of the longer side."""
MOST = 4.0
"""Change of Lab (8 bits) per pixel from which on it counts no more: a lamp on the line is no line."""
CLEAR, ALIKE = 2.0, 0.8
"""A line's mean change is so many times that of most heights, and at least this share of it goes the same way."""
NEAR = 0.6
"""Distance from the border of the segmenter, in parts of the band, at which a line counts e^-0.5."""
GOES_ON = 0.5
"""A line goes on beyond its wall while the picture changes at least by this share of its mean."""
WINDOW = 0.1
"""Over which that is looked at, in parts of the longer side."""


def faint_lines(
    lab: UInt8[np.ndarray, "h w 3"], far: Float[np.ndarray, "h w"], band: Bool[np.ndarray, "h w"], layout: Layout
) -> Iterator[Int[np.ndarray, "2 2"]]:
    """Lines (x, y of both ends) in a band around the border of ceiling and walls, one at most for every wall of the layout.

    A wall's upper edge points to the vanishing point of its direction at whatever height it is, so the height is the only unknown: it is where the
    mean of the change across the edge, in the band, is largest. A mean over hundreds of pixels shows a change far below the noise of one.

    far: of every pixel from the segmenter's border, 1 at the border of the band.
    """
    change, layout = _change(lab), layout.resized((far.shape[0], far.shape[1]))
    for wall in layout.walls:
        heights = layout.height * HEIGHTS
        edges = [seen_line(layout, raised(wall.start, height), raised(wall.end, height)) for height in heights]
        tried = [_tried(edge, change, band, far) for edge in edges if edge is not None]
        known = [one for one in tried if one is not None]
        if not known:
            continue
        best = max(known, key=lambda one: one.score)
        if best.score > 0 and best.strength > CLEAR * np.median([one.strength for one in known]):
            yield _continued(best.edge, change, band)


class _Tried(NamedTuple):
    """A line that may be where a wall meets the ceiling."""

    edge: Float[np.ndarray, "2 2"]
    strength: float
    """Mean change of the picture across it."""
    score: float
    """The same, less where it is far from the segmenter's border; 0 where the change goes both ways."""


def _change(lab: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "2 h w 3"]:
    """Of the picture's colours per pixel, to the right and downwards."""
    calm = cv2.GaussianBlur(lab.astype(np.float32), (0, 0), BLUR)
    return np.stack([cv2.Sobel(calm, cv2.CV_32F, right, 1 - right, ksize=1, scale=0.5) for right in (1, 0)])


def _tried(
    edge: Float[np.ndarray, "2 2"],
    change: Float[np.ndarray, "2 h w 3"],
    band: Bool[np.ndarray, "h w"],
    far: Float[np.ndarray, "h w"],
) -> _Tried | None:
    """What the picture says of a line's pixels in the band; None for too few."""
    length = float(np.hypot(*(edge[1] - edge[0])))
    points = np.floor(np.linspace(edge[0], edge[1], max(2, round(length)))).astype(int)
    points = np.minimum(points, np.array(band.shape[::-1]) - 1)
    points = points[band[points[:, 1], points[:, 0]]]
    if len(points) < SHORTEST * max(band.shape):
        return None
    across = _across(points, (edge[1] - edge[0]) / length, change)
    mean = across.mean(0)
    strength, away = float(np.linalg.norm(mean)), float(np.abs(far[points[:, 1], points[:, 0]]).mean())
    alike = (across @ mean > 0).mean() >= ALIKE
    return _Tried(edge, strength, alike * strength * float(np.exp(-((away / NEAR) ** 2) / 2)))


def _across(
    points: Int[np.ndarray, "n 2"], way: Float[np.ndarray, " 2"], change: Float[np.ndarray, "2 h w 3"]
) -> Float[np.ndarray, "n 3"]:
    """The picture's change at pixels of a line that goes that way, from its left to its right."""
    right, down = change[:, points[:, 1], points[:, 0]]
    return np.clip(down * way[0] - right * way[1], -MOST, MOST)


def _continued(
    edge: Float[np.ndarray, "2 2"], change: Float[np.ndarray, "2 h w 3"], band: Bool[np.ndarray, "h w"]
) -> Int[np.ndarray, "2 2"]:
    """The line's longest piece in the band along which the picture changes as it does in the mean, also beyond the wall."""
    from scipy.ndimage import label, uniform_filter1d

    side, way = max(band.shape), (edge[1] - edge[0]) / max(float(np.hypot(*(edge[1] - edge[0]))), 1e-9)
    points = np.floor(edge[0] + np.arange(-2 * side, 2 * side)[:, None] * way).astype(int)
    points = points[((points >= 0) & (points < band.shape[::-1])).all(1)]
    inside, across = band[points[:, 1], points[:, 0]], _across(points, way, change)
    own = inside & (points >= edge.min(0) - 1).all(1) & (points <= edge.max(0)).all(1)
    mean = across[own].mean(0)
    like = uniform_filter1d(across @ mean / (mean @ mean), max(3, round(WINDOW * side)), mode="nearest")
    pieces, count = label(inside & (like > GOES_ON))
    if not count:
        return points[own][[0, -1]]
    longest = np.bincount(pieces[pieces > 0], minlength=count + 1).argmax()
    return points[(pieces == longest).nonzero()[0][[0, -1]]]
