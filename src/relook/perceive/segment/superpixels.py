"""A picture in patches of one colour each, whose borders are the picture's own."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor

from relook.ops.resize import at_most, resized
from relook.session import Session, content_key

SIDE = 768
"""Longer side of the picture in which regions are found and cut out."""
SCALE, SMOOTH, SMALLEST = 40.0, 0.8, 60
"""Of patches: the larger, the more they may differ inside; of the blur before, and the fewest pixels of one."""
AROUND, STEP, TIMES = 0.03, 0.05, 2.5
"""Faint steps of lightness, up to STEP against what is around (a Gaussian, in parts of the longer side), count so much more: a white wall
ends where a white ceiling begins."""


def superpixels_of(image: Float[Tensor, "3 H W"], session: Session) -> Int[np.ndarray, "h w"]:
    """`superpixels` of a picture of at most SIDE pixels, found once as long as the session remembers it."""

    def found() -> Int[np.ndarray, "h w"]:
        return superpixels(resized(image.cpu(), at_most((image.shape[-2], image.shape[-1]), SIDE)))

    return session.remembered("superpixels", content_key(image), found)


def superpixels(image: Float[Tensor, "3 H W"]) -> Int[np.ndarray, "H W"]:
    """The number of every pixel's patch, from 0 (Felzenszwalb and Huttenlocher 2004, on L*a*b*)."""
    from skimage.color import rgb2lab
    from skimage.segmentation import felzenszwalb

    lab = rgb2lab(image.permute(1, 2, 0).numpy()).astype(np.float32) / 100
    around = cv2.GaussianBlur(lab[..., 0], (0, 0), AROUND * max(lab.shape))
    lab[..., 0] += TIMES * (lab[..., 0] - around).clip(-STEP, STEP)
    return np.asarray(felzenszwalb(lab, scale=SCALE, sigma=SMOOTH, min_size=SMALLEST, channel_axis=2))


def means_of(
    patches: Int[np.ndarray, "H W"], values: Num[np.ndarray, "H W C"] | Bool[np.ndarray, "H W C"]
) -> Float[np.ndarray, "P C"]:
    """The mean of every patch."""
    flat = patches.ravel()
    sums = [np.bincount(flat, values[..., channel].ravel()) for channel in range(values.shape[2])]
    return np.stack(sums, 1) / np.bincount(flat).clip(1)[:, None]


class Borders(NamedTuple):
    """Where patches touch."""

    pairs: Int[np.ndarray, "2 B"]
    """The two patches, the lower number first."""
    length: Int[np.ndarray, " B"]
    """Pixels."""
    slope: Float[np.ndarray, " B"]
    """Mean of the steeper of both sides."""


def borders_of(patches: Int[np.ndarray, "H W"], steep: Float[np.ndarray, "H W"]) -> Borders:
    """All pairs of patches that touch (numbers from 0), and how steep a picture is along their border (`relook.ops.slopes`)."""
    number, keys, along = int(patches.max()) + 1, [], []
    for here, there in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        (slice(None, -1), slice(1, None)),
    ):
        border = patches[here] != patches[there]
        first, second = np.sort(np.stack([patches[here][border], patches[there][border]]), 0).astype(np.int64)
        keys.append(first * number + second)
        along.append(np.maximum(steep[here], steep[there])[border])
    found, member, length = np.unique(np.concatenate(keys), return_inverse=True, return_counts=True)
    slope = np.bincount(member, np.concatenate(along), len(found)) / length
    return Borders(np.stack([found // number, found % number]), length, slope)
