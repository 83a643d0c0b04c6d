"""What ReStyle3D's released code does with pictures on the way from view to view, where it differs from the paper; to its last digit."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.ops.geometry import pixel_centres
from relook.ops.warp import SHARPNESS, Warped, splatted

FAR = -1e6
"""Pixel coordinate of points behind the camera."""
LITTLE = 1e-6
"""What is added to sums before something is divided by them."""
BINS, NEVER_EMPTY = 256, 1e-8
"""Of the colour histograms, and what every bin holds besides."""


def released_flow(flow: Float[Tensor, "2 H W"], depth: Float[Tensor, "H W"]) -> Float[Tensor, "2 H W"]:
    """The flow into a view, that of points behind its camera far outside the picture. depth: of every point, in that camera."""
    outside = FAR - (pixel_centres((depth.shape[0], depth.shape[1]), depth.device).to(flow) - 0.5).permute(2, 0, 1)
    return torch.where(depth <= 0, outside, flow)


def released_importance(depth: Float[Tensor, "H W"]) -> Float[Tensor, "H W"]:
    """Splatting importance of points by their depth in the camera that they are drawn for; -inf where it is unknown (NaN).

    10 n - 10, with n = 0.5 / depth, its minimum subtracted, divided by its maximum + 1e-6. Both are taken over each column of the picture,
    not over the picture: surely a mistake, since it makes surfaces of different columns incomparable; `relook.ops.warp.nearness` is
    what was meant. Points behind the camera count in it.
    """
    near, known = 0.5 / depth, ~depth.isnan()
    raised = near - torch.where(known, near, float("inf")).amin(0)
    highest = torch.where(known, raised, 0.0).amax(0)
    return torch.where(known, SHARPNESS * raised / (highest + LITTLE) - SHARPNESS, float("-inf"))


def released_splat(
    values: Float[Tensor, "C h w"],
    flow: Float[Tensor, "2 h w"],
    importance: Float[Tensor, "h w"],
    size: tuple[int, int],
) -> Warped:
    """Softmax splatting (`relook.ops.warp.softmax_splat`) with sums divided by the sum of weights + 1e-6.

    A hole is where any of the first three channels, RGB, is exactly 0, be it for want of points or because it is that dark.
    """
    sums = splatted(values, flow, importance, size)
    mean = sums.values / (sums.weights + LITTLE)
    known = (mean[:3] != 0).all(0)
    return Warped(torch.where(known, mean, 0.0).to(values), known.to(values))


def eight_bits(image: Float[Tensor, "*C"]) -> Float[Tensor, "*C"]:
    """Values in [0, 1] cut, not rounded, to the next lower one of 8 bits."""
    return (image * 255).floor().clamp(0, 255) / 255


def released_histogram(
    image: Float[Tensor, "3 H W"], known: Float[Tensor, "3 H W"], holes: Bool[Tensor, "H W"]
) -> Float[Tensor, "3 H W"]:
    """The picture, in 8 bits, with the colour histograms that its known pixels should have, channel by channel, in 256 bins.

    The map of colours is made where there is no hole and applied everywhere; what it gives is cut to 8 bits. It differs from
    `relook.lift.fill.matched_histogram` in its bins and in what it does with equal values.
    """
    if bool(holes.all()):
        return image
    seen = ~holes.cpu().numpy()
    pairs = zip(image.cpu().numpy(), known.cpu().numpy(), strict=True)
    return torch.from_numpy(np.stack([_matched(*pair, seen) for pair in pairs])).to(image)


def _matched(channel: np.ndarray, wanted: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """One channel of `released_histogram`."""
    now, then = (np.round(part * 255) / 255 for part in (channel, wanted))
    levels = np.linspace(0, 1, BINS)
    table = np.interp(_shares(now[seen]), _shares(then[seen]), levels).astype(np.float32)
    index = (now.astype(np.float32) * 255).astype(np.int64)
    return np.floor(table[index] * 255) / 255


def _shares(values: np.ndarray) -> np.ndarray:
    """Cumulative shares of values in [0, 1]."""
    counts = np.histogram(values, BINS, (0, 1))[0] + NEVER_EMPTY
    return np.cumsum(counts) / counts.sum()
