"""How neighbouring frames of a walk move: dense flow, after a homography of keypoints where a quick turn is too much for flow alone."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relook.io import as_pixels
from relook.lift.carry import LEAST
from relook.ops.geometry import inside, pixel_centres, sample
from relook.ops.resize import at_most, resized
from relook.perceive.match.consistency import agreeing
from relook.perceive.match.dis import dis_flow
from relook.types import Matches, View

POINTS, CONTRAST = 1500, 0.01
"""SIFT keypoints of a frame at most, and their least contrast: blurred frames have little."""
KEYS = 640
"""Longer side in pixels of the picture in which they are found, at most."""
RATIO, OFF = 0.8, 0.011
"""A match is unambiguous when it is this much nearer than the next best (Lowe 2004); by how much it may be off a homography, in parts of the longer side."""
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
    picture = resized(image, at_most((image.shape[1], image.shape[2]), KEYS))
    keys, found = finder.detectAndCompute(cv2.cvtColor(as_pixels(picture), cv2.COLOR_RGB2GRAY), None)
    points = np.array([key.pt for key in keys], np.float32).reshape(-1, 2) * (small.size[1] / picture.shape[2])
    return Keyed(small, points, np.zeros((0, 128), np.float32) if found is None else found)


def motions(first: Keyed, second: Keyed) -> tuple[Matches, Matches]:
    """Flow from the first frame to the second and back, in pixels of `small`: that of the pictures as they are, or after a homography, whichever more
    pixels come back by."""
    found = [_flows(first.small, second.small)]
    H = _homography(first, second)
    if H is not None:
        found.append(_after(first.small, second.small, H))
    return max(found, key=lambda both: float((both[0].confidence > LEAST).float().mean()))


def _flows(first: View, second: View) -> tuple[Matches, Matches]:
    """By DIS, judged by each other."""
    one, two = (dis_flow(*pair) for pair in ((first.image, second.image), (second.image, first.image)))
    return agreeing(one, two), agreeing(two, one)


def _homography(first: Keyed, second: Keyed) -> Float[np.ndarray, "3 3"] | None:
    """The one that most matches agree on, from the first frame to the second; None where they do not."""
    if min(len(first.points), len(second.points)) < FEWEST:
        return None
    pairs = cv2.BFMatcher().knnMatch(first.descriptors, second.descriptors, k=2)
    good = [near for near, far in pairs if near.distance < RATIO * far.distance]
    if len(good) < FEWEST:
        return None
    one, two = first.points[[m.queryIdx for m in good]], second.points[[m.trainIdx for m in good]]
    H, agree = cv2.findHomography(one, two, cv2.USAC_MAGSAC, OFF * max(first.small.size))
    return None if H is None or int(agree.sum()) < FEWEST else H


def _after(first: View, second: View, H: Float[np.ndarray, "3 3"]) -> tuple[Matches, Matches]:
    """Flow by a homography and what is left after it, and back."""
    height, width = first.size
    inverse = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pixels = cv2.warpPerspective(
        as_pixels(second.image), H, (width, height), flags=inverse, borderMode=cv2.BORDER_REPLICATE
    )
    there = View(torch.from_numpy(pixels).permute(2, 0, 1) / 255)
    forth, back = _flows(first, there)
    onto = _turned(pixel_centres(first.size) + forth.flow.permute(1, 2, 0), H)
    start = _turned(pixel_centres(second.size), np.linalg.inv(H))
    home = start + sample(back.flow, start).permute(1, 2, 0)
    sure = sample(back.confidence[None], start)[0]
    return _matched(onto, forth.confidence, second.size), _matched(home, sure * inside(start, first.size), first.size)


def _turned(pixels: Float[Tensor, "H W 2"], H: Float[np.ndarray, "3 3"]) -> Float[Tensor, "H W 2"]:
    """Where a homography takes pixels; OpenCV's centres are whole numbers."""
    moved = cv2.perspectiveTransform(pixels.reshape(-1, 1, 2).numpy() - 0.5, H) + 0.5
    return torch.from_numpy(moved).float().view(pixels.shape)


def _matched(landing: Float[Tensor, "H W 2"], confidence: Float[Tensor, "H W"], other: tuple[int, int]) -> Matches:
    """Matches to where pixels land in another frame of that size."""
    flow = (landing - pixel_centres((landing.shape[0], landing.shape[1]))).permute(2, 0, 1).contiguous()
    sure = confidence * inside(landing, other)
    return Matches(flow, sure, sure <= 0)
