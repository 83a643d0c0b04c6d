"""Straight line segments of a picture, and how far each is from pointing to a vanishing point."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from relook.io import as_pixels
from relook.perceive.whole import whole_of
from relook.session import Session

SIDE, ENLARGED = 1024, 2.0
"""Longer side in pixels at which lines are looked for, and the most by which a small picture is enlarged: more shows its pixels' own edges."""
SHORTEST, SHORTEST_PIXELS = 0.02, 12.8
"""Of the longer side, and of the pixels that lines are looked for in; shorter segments are texture."""
COUNTED = 0.25
"""Of the longer side: the length beyond which a line counts no more."""


@dataclass(frozen=True)
class Lines:
    """N line segments of one picture."""

    ends: Float[np.ndarray, "N 4"]
    """x, y of one end and of the other, in pixels."""
    side: int
    """Longer side of the picture."""

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, which: Bool[np.ndarray, " N"]) -> Lines:
        return Lines(self.ends[which], self.side)

    def resized(self, size: tuple[int, int], other: tuple[int, int]) -> Lines:
        """The lines of a picture of one size (H, W) in the same picture at another."""
        y, x = (new / old for old, new in zip(size, other, strict=True))
        return Lines(self.ends * np.array([x, y, x, y]), max(other))

    @cached_property
    def middles(self) -> Float[np.ndarray, "N 2"]:
        """Half way between the ends."""
        return (self.ends[:, :2] + self.ends[:, 2:]) / 2

    @cached_property
    def lengths(self) -> Float[np.ndarray, " N"]:
        """In pixels."""
        return np.hypot(*(self.ends[:, 2:] - self.ends[:, :2]).T)

    @cached_property
    def ways(self) -> Float[np.ndarray, "N 2"]:
        """Unit vectors along the lines."""
        return (self.ends[:, 2:] - self.ends[:, :2]) / self.lengths[:, None]

    @cached_property
    def weights(self) -> Float[np.ndarray, " N"]:
        """How much each counts: its length in longer sides, COUNTED at most."""
        return np.minimum(self.lengths / self.side, COUNTED)

    @cached_property
    def normals(self) -> Float[np.ndarray, "3 N"]:
        """What vanishing points (homogeneous pixels) on the lines themselves are at right angles to."""
        (x, y), (right, down) = self.middles.T, self.ways.T
        return np.stack([down, -right, y * right - x * down])

    def off(self, points: Float[np.ndarray, "*V 3"]) -> Float[np.ndarray, "*V N"]:
        """Sine of the angle between each line and the way from its middle to vanishing points (homogeneous pixels)."""
        return np.sqrt(self.off_squared(points))

    def off_squared(self, points: Float[np.ndarray, "*V 3"]) -> Float[np.ndarray, "*V N"]:
        """The squares of `off`, which cost less."""
        x = points[..., 0:1] - self.middles[:, 0] * points[..., 2:3]
        y = points[..., 1:2] - self.middles[:, 1] * points[..., 2:3]
        across = points @ self.normals
        return across * across / np.maximum(x * x + y * y, 1e-18)


def lines_of(image: Float[Tensor, "3 H W"], session: Session) -> Lines:
    """`find_lines` of a picture, or of the larger one that it is made of (`whole_of`), found once as long as the session remembers it."""
    whole = whole_of(image, session)
    found = session.remembered("lines", whole.key, lambda: find_lines(whole.image))
    return found if whole.image is image else found.resized(whole.size, (image.shape[1], image.shape[2]))


def find_lines(image: Float[Tensor, "3 H W"]) -> Lines:
    """Segments of the LSD detector (Grompone von Gioi et al. 2010) on the grey picture, its contrast evened out by CLAHE."""
    grey = cv2.cvtColor(as_pixels(image), cv2.COLOR_RGB2GRAY)
    side = max(grey.shape)
    scale = min(SIDE / side, ENLARGED)
    seen = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    even = cv2.createCLAHE(2.0, (8, 8)).apply(seen)
    found = cv2.createLineSegmentDetector(cv2.LSD_REFINE_STD).detect(even)[0]
    ends = np.zeros((0, 4)) if found is None else found.reshape(-1, 4).astype(np.float64) / scale
    lines = Lines(ends, side)
    return lines[lines.lengths > max(SHORTEST * side, SHORTEST_PIXELS / scale)]
