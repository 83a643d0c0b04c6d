"""How neighbouring frames of a walk move: dense flow, after a homography of keypoints where a quick turn is too much for flow alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from relook.io import as_pixels
from relook.lift.carry import LEAST
from relook.ops.geometry import inside, pixel_centres
from relook.perceive.match.dis import dis
from relook.types import Matches, View

POINTS, CONTRAST = 1500, 0.01
"""SIFT keypoints of a frame at most, and their least contrast: blurred frames have little."""
RATIO, OFF = 0.8, 6.0
"""A match is unambiguous when it is this much nearer than the next best (Lowe 2004); pixels of the frame by which it may be off a homography."""
FEWEST = 10
"""Matches that agree on a homography, at least."""


@dataclass(frozen=True)
class Keyed:
    """A frame as its neighbours are compared with it."""

    small: View
    """The picture in which flow is found."""
    points: Float[np.ndarray, "N 2"]
    """Keypoints in pixels of `small`."""
    descriptors: Float[np.ndarray, "N 128"]


def keyed(image: Float[Tensor, "3 H W"], small: View) -> Keyed:
    """A frame with its SIFT keypoints. small: the same picture at the size of the flow."""
    finder = cv2.SIFT.create(POINTS, contrastThreshold=CONTRAST)
    keys, found = finder.detectAndCompute(cv2.cvtColor(as_pixels(image), cv2.COLOR_RGB2GRAY), None)
    points = np.float32([key.pt for key in keys]).reshape(-1, 2) * (small.size[1] / image.shape[2])
    return Keyed(small, points, np.zeros((0, 128), np.float32) if found is None else found)


def motion(first: Keyed, second: Keyed) -> Matches:
    """Flow from the first frame to the second, in pixels of `small`: that of the pictures as they are, or after a homography, whichever more pixels
    come back by."""
    plain = dis(first.small, second.small)
    H = _homography(first, second)
    if H is None:
        return plain
    turned = _after(first.small, second.small, H)
    return max(plain, turned, key=lambda one: float((one.confidence > LEAST).float().mean()))


def _homography(first: Keyed, second: Keyed) -> Float[np.ndarray, "3 3"] | None:
    """The one most matches agree on, from the first frame to the second; None where they do not."""
    if min(len(first.points), len(second.points)) < FEWEST:
        return None
    pairs = cv2.BFMatcher().knnMatch(first.descriptors, second.descriptors, k=2)
    good = [near for near, far in pairs if near.distance < RATIO * far.distance]
    if len(good) < FEWEST:
        return None
    one, two = first.points[[m.queryIdx for m in good]], second.points[[m.trainIdx for m in good]]
    scale = max(first.small.size) / 540
    H, agree = cv2.findHomography(one, two, cv2.USAC_MAGSAC, OFF * scale)
    return None if H is None or int(agree.sum()) < FEWEST else H


def _after(first: View, second: View, H: Float[np.ndarray, "3 3"]) -> Matches:
    """Flow by a homography and what is left after it."""
    height, width = first.size
    there = cv2.warpPerspective(
        as_pixels(second.image), H, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    left = dis(first, View(_picture(there)))
    landing = pixel_centres(first.size) + left.flow.permute(1, 2, 0)
    turned = torch.from_numpy(cv2.perspectiveTransform(landing.reshape(-1, 1, 2).numpy() - 0.5, H)).view(height, width, 2) + 0.5
    flow = (turned - pixel_centres(first.size)).permute(2, 0, 1).contiguous().float()
    shown = inside(turned, second.size)
    return Matches(flow, left.confidence * shown, left.occluded | ~shown)


def _picture(pixels: UInt8[np.ndarray, "H W 3"]) -> Float[Tensor, "3 H W"]:
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
