"""What stands above the floor of a walk: seen from elsewhere it moves otherwise than the floor (plane and parallax: Irani, Anandan 1996)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8

from relook.io import as_pixels
from relook.lift.followed.cut import shrunk
from relook.lift.followed.floor import FollowedFloor
from relook.lift.followed.tracks import as_opencv_counts
from relook.lift.source import ViewSource
from relook.ops.flat import homography
from relook.ops.resize import at_most, resized
from relook.perceive.match.dis import dis_flow
from relook.types import Camera

SIDE = 320
"""Longer side of the pictures in which motion is looked for."""
GAPS = (1, 4)
"""Frames between two that are compared."""
HEIGHT = 0.3
"""Metres above the floor for which it is worked out how a pixel would move."""
ABOVE, CLEAR = 0.15, 1.0
"""Metres from which on something stands above the floor, and the pixels by which it must move for so much to be seen."""
LOST = 24.0
"""Pixels from which on a motion is none."""


def raised(
    source: ViewSource, floor: FollowedFloor, patches: Sequence[Int[np.ndarray, "y x"]]
) -> list[Bool[np.ndarray, " _"]]:
    """Which superpixels of every frame stand above the floor; none of a frame that is not held in place. patches: those of every frame."""
    size, most, found = source.view(0).size, max(GAPS), list[Bool[np.ndarray, " _"]]()
    small = at_most(size, SIDE)
    sums = dict[int, Float[np.ndarray, "2 h w"]]()
    last = deque[UInt8[np.ndarray, "h w 3"]](maxlen=most + 1)
    cameras = {number: camera.resized(size, small) for number, camera in floor.cameras.items()}
    for number in range(len(source) + most):
        if number < len(source):
            last.append(as_pixels(resized(source.view(number).image, small)))
            sums[number] = np.zeros((2, *small), np.float32)
            for other in (number - gap for gap in GAPS):
                if number in cameras and other in cameras:
                    for one, two in ((number, other), (other, number)):
                        pictures = last[one - number - 1], last[two - number - 1]
                        sums[one] += _evidence(*pictures, cameras[one], cameras[two])
        if (done := number - most) in sums:  # no later frame is compared with it
            found.append(_above(sums.pop(done), shrunk(patches[done], small), done in cameras))
    return found


def _evidence(
    here: UInt8[np.ndarray, "h w 3"], there: UInt8[np.ndarray, "h w 3"], camera: Camera, other: Camera
) -> Float[np.ndarray, "2 h w"]:
    """For every pixel how far it moved along the way of what is HEIGHT above the floor, times the length of that way, and its square."""
    size = here.shape[1::-1]
    H = _floor(other, 0.0) @ np.linalg.inv(_floor(camera, 0.0))
    onto = as_opencv_counts(H)
    seen = cv2.warpPerspective(there, onto, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    shown = cv2.warpPerspective(
        np.ones(here.shape[:2], np.uint8), onto, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    )
    first, second = (torch.from_numpy(one).permute(2, 0, 1) / 255 for one in (here, seen))
    flow = dis_flow(first, second).permute(1, 2, 0).numpy()
    y, x = np.mgrid[: size[1], : size[0]] + 0.5
    pixels = np.stack([x, y], 2).reshape(-1, 1, 2)
    above = np.linalg.inv(H) @ _floor(other, HEIGHT) @ np.linalg.inv(_floor(camera, HEIGHT))
    way = (cv2.perspectiveTransform(pixels, above) - pixels).reshape(flow.shape)
    good = (shown > 0) & (np.linalg.norm(flow, axis=2) < LOST) & (np.linalg.norm(way, axis=2) < LOST)
    return (np.stack([(flow * way).sum(2), (way * way).sum(2)]) * good).astype(np.float32)


def _floor(camera: Camera, height: float) -> Float[np.ndarray, "3 3"]:
    """The homography of a plane so high above the floor."""
    across, down, along = torch.eye(3)
    return np.asarray(homography(camera, -height * down, across, along).double().numpy())


def _above(sums: Float[np.ndarray, "2 h w"], patches: Int[np.ndarray, "h w"], held: bool) -> Bool[np.ndarray, " P"]:
    """Which superpixels of a frame stand above the floor, by the sums of what is said of their pixels."""
    count = int(patches.max()) + 1
    along, square = (np.bincount(patches.ravel(), one.ravel(), count) for one in sums)
    pixels = np.bincount(patches.ravel(), minlength=count)
    height = HEIGHT * along / np.maximum(square, 1e-6)
    moved = np.sqrt(square / np.maximum(pixels, 1)) * ABOVE / HEIGHT
    return np.asarray((height > ABOVE) & (moved > CLEAR) & held)
