"""A frame of a walk in superpixels: their colours, which touch and how clear the border is, and which show what the frame before shows."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.io import as_pixels
from relook.lift.carry import LEAST
from relook.ops.geometry import pixel_centres
from relook.ops.slopes import slopes
from relook.perceive.segment.superpixels import borders_of, means_of
from relook.types import Matches

TOUCH, STEEP, APART = 8.0, 3.0, 6.0
"""What a pixel of border between superpixels of other names costs, in the log of a chance, and what divides that by e: slope along the border, and
difference of the colours (Lab of 8 bits, lightness counts a fifth)."""


class Cut(NamedTuple):
    """A small frame in superpixels."""

    patches: Int[np.ndarray, "h w"]
    pixels: Float[np.ndarray, " P"]
    colours: Float[np.ndarray, "P 3"]
    """RGB in [0, 1]."""
    pairs: Int[np.ndarray, "2 B"]
    """Which touch."""
    length: Float[np.ndarray, " B"]
    """Pixels of their border."""
    slope: Float[np.ndarray, " B"]
    """Of the picture along it, change of Lab (of 8 bits) per pixel."""
    apart: Float[np.ndarray, " B"]
    """Difference of their colours (Lab of 8 bits, lightness counts a fifth)."""
    links: Int[np.ndarray, "2 E"]
    """Superpixels of this frame and of the one before that show the same."""
    shared: Float[np.ndarray, " E"]
    """In how many pixels."""

    @property
    def ties(self) -> Float[np.ndarray, " B"]:
        """What other names for both cost."""
        return np.asarray(TOUCH * self.length * np.exp(-self.slope / STEEP - self.apart / APART), np.float32)

    def sums(self, values: Float[Tensor, "K h w"]) -> Float[np.ndarray, "P K"]:
        """Of values over every superpixel."""
        places = torch.from_numpy(self.patches.astype(np.int64)).flatten()
        return torch.zeros(len(self.pixels), len(values)).index_add_(0, places, values.flatten(1).T).numpy()


def cut(
    image: Float[Tensor, "3 h w"],
    patches: Int[np.ndarray, "H W"],
    before: Matches | None = None,
    last: Cut | None = None,
) -> Cut:
    """A small frame in the superpixels of the large one. before: flow to the frame before, last: that frame."""
    small, pixels = shrunk(patches, (image.shape[1], image.shape[2])), as_pixels(image)
    lab, count = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB), int(patches.max()) + 1
    sizes, means = np.bincount(small.ravel(), minlength=count).astype(np.float32), np.zeros((count, 6))
    found = means_of(small, np.concatenate([lab, pixels], 2))
    means[: len(found)] = found
    (one, two), *along = borders_of(small, slopes(lab))
    apart = np.linalg.norm((means[one, :3] - means[two, :3]) * np.array([0.2, 1, 1]), axis=1)
    length, slope, apart = (np.asarray(of, np.float32) for of in (*along, apart))
    links, pixels_shared = np.zeros((2, 0), np.int64), np.zeros(0, np.float32)
    if before is not None and last is not None:
        links, pixels_shared = _links(small, before, last)
    colours = (means[:, 3:] / 255).astype(np.float32)
    return Cut(small, sizes, colours, np.stack([one, two]), length, slope, apart, links, pixels_shared)


def shrunk(patches: Int[np.ndarray, "H W"], size: tuple[int, int]) -> Int[np.ndarray, "h w"]:
    """Superpixels at a smaller size, of which none goes: one without a pixel there takes that of its first."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.int64) for new, old in zip(size, patches.shape, strict=True)
    )
    small = patches[rows[:, None], columns].astype(np.int32)
    numbers, first = np.unique(patches, return_index=True)
    lost = ~np.isin(numbers, small)
    y, x = np.divmod(first[lost], patches.shape[1])
    small[y * size[0] // patches.shape[0], x * size[1] // patches.shape[1]] = numbers[lost]
    return small


def _links(
    patches: Int[np.ndarray, "h w"], flow: Matches, other: Cut
) -> tuple[Int[np.ndarray, "2 E"], Float[np.ndarray, " E"]]:
    """Superpixels of a frame and of another one that show the same, and in how many pixels. flow: from it to the other."""
    sure = (flow.confidence > LEAST).numpy()
    landing = (
        (pixel_centres((sure.shape[0], sure.shape[1])) + flow.flow.permute(1, 2, 0)).numpy()[sure].astype(np.int64)
    )
    height, width = other.patches.shape
    x, y = landing[:, 0].clip(0, width - 1), landing[:, 1].clip(0, height - 1)
    keys = patches[sure].astype(np.int64) * len(other.pixels) + other.patches[y, x]
    found, pixels = np.unique(keys, return_counts=True)
    return np.stack([found // len(other.pixels), found % len(other.pixels)]), pixels.astype(np.float32)
