"""Points of the floor that frames of a walk share: flow gives a first guess, corners are found again after it."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from relook.io import as_pixels
from relook.lift.followed.plane import FloorMatches

GAPS = (1, 2, 4, 8)
"""Frames between two that are compared: far ones hold what near ones would let drift."""
CORNERS, APART, CLEAR = 200, 6, 0.01
"""Corners of a frame at most, pixels between two at least, and how clear each is beside the clearest."""
KEPT = 60
"""Corners of two frames that are kept, at most: a floor is held by few."""
FEWEST = 15
"""Corners that two frames share, at least."""
BACK, FAR = 0.4, 12.0
"""Pixels by which a corner that is looked for there and back may be off, and by which a guess may."""
PLANE = 1.5
"""Pixels by which a corner may be off a homography."""
INSIDE = 5
"""Pixels across by which a floor is made smaller: what stands on it is not of it."""
EVEN, LIGHT = 8.0, 48.0
"""Deviation in pixels over which light is made even, and the contrast that is left."""


class Ground(NamedTuple):
    """The floor as a frame shows it."""

    grey: UInt8[np.ndarray, "H W"]
    """The frame, light and contrast made even."""
    mask: UInt8[np.ndarray, "H W"]
    """1 on the floor, away from its border."""


def ground_in(image: Float[Tensor, "3 H W"], mask: UInt8[np.ndarray, "H W"]) -> Ground:
    """The floor of a frame. mask: 1 where it is."""
    grey = cv2.cvtColor(as_pixels(image), cv2.COLOR_RGB2GRAY).astype(np.float32)
    off = grey - cv2.GaussianBlur(grey, (0, 0), EVEN)
    spread = np.sqrt(cv2.GaussianBlur(off * off, (0, 0), 1.5 * EVEN)) + 3
    even = (128 + LIGHT * off / spread).clip(0, 255).astype(np.uint8)
    return Ground(even, cv2.erode(mask, np.ones((INSIDE, INSIDE), np.uint8)))


class Shared:
    """What frames share, as they come in: matches between each and some before it, and the homographies by which the floor moves."""

    def __init__(self) -> None:
        self.steps: dict[tuple[int, int], Float[np.ndarray, "3 3"]] = {}
        """From one frame to a later one, in pixels whose centres are at a half."""
        self._found: list[FloorMatches] = []
        self._last = deque[Ground](maxlen=max(GAPS) + 1)
        self._count = 0

    def add(self, ground: Ground, guess: Float[np.ndarray, "3 3"] | None) -> None:
        """One more frame. guess: by how the floor moves from the frame before."""
        self._last.append(ground)
        number, self._count = self._count, self._count + 1
        for gap in GAPS:
            other, half = number - gap, number - gap // 2
            if other < 0:
                return
            if gap > 1:
                first, second = self.steps.get((other, half)), self.steps.get((half, number))
                guess = None if first is None or second is None else second @ first
            if guess is not None:
                self._compared(other, number, guess)

    @property
    def matches(self) -> FloorMatches:
        """All of them."""
        number, point = np.zeros(0, np.int32), np.zeros((0, 2), np.float32)
        found = [FloorMatches(number, number, point, point), *self._found]
        return FloorMatches._make(np.concatenate(part) for part in zip(*found, strict=True))

    def _compared(self, one: int, two: int, guess: Float[np.ndarray, "3 3"]) -> None:
        """Keep what two frames share, if it is enough to say how the floor moves."""
        here, there = tracked(self._last[one - self._count], self._last[two - self._count], guess)
        if len(here) < FEWEST:
            return
        H, fits = cv2.findHomography(here, there, cv2.USAC_MAGSAC, PLANE)
        good = None if H is None else fits[:, 0] > 0
        if good is None or int(good.sum()) < FEWEST:
            return
        self.steps[one, two] = H
        here, there = (points[good][:: -(-int(good.sum()) // KEPT)].astype(np.float32) for points in (here, there))
        first, second = (np.full(len(here), number, np.int32) for number in (one, two))
        self._found.append(FloorMatches(first, second, here, there))


def tracked(
    one: Ground, two: Ground, guess: Float[np.ndarray, "3 3"]
) -> tuple[Float[np.ndarray, "M 2"], Float[np.ndarray, "M 2"]]:
    """Corners of one frame's floor and where another shows them, in pixels whose centres are at a half. guess: a homography there.

    Lucas and Kanade's search, there and back, in the second frame as the first would show it.
    """
    size = one.grey.shape[::-1]
    onto = as_opencv_counts(guess)
    seen, mask = (
        cv2.warpPerspective(picture, onto, size, flags=kind | cv2.WARP_INVERSE_MAP)
        for picture, kind in ((two.grey, cv2.INTER_LINEAR), (two.mask, cv2.INTER_NEAREST))
    )
    none = np.zeros((0, 2), np.float32)
    start = cv2.goodFeaturesToTrack(one.grey, CORNERS, CLEAR, APART, mask=one.mask & mask, blockSize=5)
    if start is None:
        return none, none
    found, sure = _followed(one.grey, seen, start)
    home, known = _followed(seen, one.grey, found)
    off, away = (np.linalg.norm((start - end)[:, 0], axis=1) for end in (home, found))
    good = sure & known & (off < BACK) & (away < FAR)
    if not good.any():
        return none, none
    return start[good, 0] + 0.5, cv2.perspectiveTransform(found[good], onto)[:, 0] + 0.5


def _followed(
    one: np.ndarray, two: np.ndarray, start: Float[np.ndarray, "M 1 2"]
) -> tuple[Float[np.ndarray, "M 1 2"], Bool[np.ndarray, " M"]]:
    """Where corners of one picture are in another, and whether they were found."""
    found, sure, _ = cv2.calcOpticalFlowPyrLK(one, two, start, start.copy(), winSize=(15, 15), maxLevel=2)
    return np.asarray(found, np.float32), np.asarray(sure)[:, 0] > 0


def as_opencv_counts(H: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """A homography of pixels whose centres are at a half, for OpenCV, where they are whole numbers."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    return np.asarray(np.linalg.inv(half) @ H @ half)
