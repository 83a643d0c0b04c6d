"""Numbers for pictures with an exact answer: pure functions, each with its better direction, range and source.

Pictures are RGB in [0, 1], 3 x H x W. A mask says which pixels count; classes hold an id per pixel, 0 = do not count.
A metric that nothing can be said about (an empty mask, no region large enough, no weights) is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.ndimage import distance_transform_edt, gaussian_filter
from skimage.color import rgb2lab
from skimage.metrics import structural_similarity
from torch import Tensor

from relook.errors import ShapeError

Image = Float[Tensor, "3 H W"]
Function = TypeVar("Function", bound=Callable[..., float | None])


@dataclass(frozen=True)
class Metric:
    """What a reader must know of a number."""

    name: str
    """Key in summaries."""
    title: str
    """Head of a column."""
    better: Literal["higher", "lower"]
    """Which direction is better."""
    range: tuple[float, float]
    """Least and greatest value."""
    source: str
    """Where it is defined."""
    function: Callable[..., float | None]
    """The pure function."""


METRICS: dict[str, Metric] = {}
"""Every metric of pictures by its name."""
MATCHING: dict[str, Metric] = {}
"""Every metric of dense correspondence by its name."""


def declare(
    name: str,
    title: str,
    better: Literal["higher", "lower"],
    range: tuple[float, float],
    source: str,
    registry: dict[str, Metric] = METRICS,
) -> Callable[[Function], Function]:
    """Enter a function into a registry unchanged."""

    def enter(function: Function) -> Function:
        registry[name] = Metric(name, title, better, range, source, function)
        return function

    return enter


BEST_PSNR = 100.0
"""Pictures that are equal, in dB (the true value is infinite)."""


@declare("psnr", "PSNR dB", "higher", (0.0, BEST_PSNR), "10 log10(1 / mean squared error)")
def psnr(output: Image, exact: Image, mask: Bool[Tensor, "H W"] | None = None) -> float | None:
    """Peak signal-to-noise ratio over the masked pixels, in dB, at most 100."""
    _same_size(output, exact)
    squares = (output - exact).double().square().mean(0)
    error = _mean(squares, mask)
    return None if error is None else min(BEST_PSNR, -10 * float(np.log10(max(error, 1e-10))))


@declare("ssim", "SSIM", "higher", (-1.0, 1.0), "Wang et al. 2004, Gaussian window of sigma 1.5, mean over RGB")
def ssim(output: Image, exact: Image, mask: Bool[Tensor, "H W"] | None = None) -> float | None:
    """Structural similarity: the map of every pixel, averaged over the masked ones."""
    _same_size(output, exact)
    _, per_pixel = structural_similarity(
        *(picture.detach().cpu().double().numpy() for picture in (output, exact)),
        data_range=1.0, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True,
    )  # fmt: skip
    return _mean(torch.from_numpy(per_pixel).mean(0), mask)


@declare("lpips", "LPIPS", "lower", (0.0, 1.0), "Zhang et al. 2018, v0.1, AlexNet")
def lpips(output: Image, exact: Image, mask: Bool[Tensor, "H W"] | None = None) -> float | None:
    """Learned perceptual distance, averaged over the masked pixels; None where its weights are not on this machine."""
    from relook.evaluate.lpips import distance_map

    _same_size(output, exact)
    distances = distance_map(output, exact)
    return None if distances is None else _mean(distances, mask)


@declare("colour_error", "colour error", "lower", (0.0, 375.0), "Lab distance of mean colours, mean over classes")
def colour_error(output: Image, exact: Image, classes: Int[Tensor, "H W"]) -> float | None:
    """Mean over classes of the Euclidean distance between their mean colours in CIE Lab (D65); about 2 is just visible."""
    _same_size(output, exact)
    ours, theirs = _lab(output), _lab(exact)
    ids = classes.cpu().numpy()
    pixels = [ids == id for id in np.unique(ids) if id != 0]
    distances = [np.linalg.norm(ours[p].mean(0) - theirs[p].mean(0)) for p in pixels]
    return float(np.mean(distances)) if distances else None


SCALES = (0.7, 1.4, 2.8)
"""Widths of the pattern filters in pixels of a picture whose shorter side is 128; they grow with the picture."""
FLOOR = 0.3
"""A gradient (in Lab units per pixel at 128) too weak to be seen: energies are compared above its square."""
MINIMUM_PIXELS = 24
"""A region must keep this many pixels after its rim is taken off, or a scale says nothing about it."""


@declare(
    "pattern_error", "pattern error", "lower", (0.0, 20.0), "octaves of oriented gradient energy; see docs/metrics.md"
)
def pattern_error(output: Image, exact: Image, regions: Int[Tensor, "H W"]) -> float | None:
    """How wrong patterns are, wherever they lie: mean |log2(energy of output / energy of exact)| over regions and bands.

    A band is one scale x one orientation (0, 45, 90, 135 degrees) x lightness or chroma; its energy is the mean square of
    the derivative of Gaussian inside the region less its rim, so that no pixel outside the region counts and a shifted
    pattern has no error. 1 means: energies off by a factor of two. None if no region is large enough.
    """
    _same_size(output, exact)
    ours, theirs = _lab(output), _lab(exact)
    ids, unit = regions.cpu().numpy(), min(regions.shape) / 128
    octaves = []
    for sigma in (scale * unit for scale in SCALES):
        fields = [_gradients(lab, sigma) * unit for lab in (ours, theirs)]
        for id in np.unique(ids[ids != 0]):
            inside = _without_rim(ids == id, reach=int(2 * sigma + 0.5) + 1)
            if inside.sum() >= MINIMUM_PIXELS:
                energies = [_energies(field[:, :, inside]) + FLOOR**2 for field in fields]
                octaves.append(np.abs(np.log2(energies[0] / energies[1])).mean())
    return float(np.mean(octaves)) if octaves else None


@declare("right_class", "right class", "higher", (0.0, 1.0), "share of places", MATCHING)
def class_accuracy(
    found: Int[Tensor, " N"], true: Int[Tensor, " N"], mask: Bool[Tensor, " N"] | None = None
) -> float | None:
    """Share of the masked places whose counterpart is of their class; None if there are none."""
    return _mean((found == true).double(), mask)


@declare("pck", "PCK", "higher", (0.0, 1.0), "Yang and Ramanan 2013; radius in parts of the longer side", MATCHING)
def pck(distances: Float[Tensor, " N"], radius: float = 0.1, mask: Bool[Tensor, " N"] | None = None) -> float | None:
    """Share of the masked places whose answer lies within `radius` of a true one; distances in parts of the longer side."""
    return _mean((distances <= radius).double(), mask)


@declare("end_point_error", "error", "lower", (0.0, 2**0.5), "mean distance in parts of the longer side", MATCHING)
def end_point_error(distances: Float[Tensor, " N"], mask: Bool[Tensor, " N"] | None = None) -> float | None:
    """Mean distance from the answer to the nearest true one, in parts of the longer side, over the masked places."""
    return _mean(distances.double(), mask)


def _gradients(lab: np.ndarray, sigma: float) -> np.ndarray:
    """Derivatives of Gaussian along y and x of every channel: (2, 3, H, W)."""
    orders = ((1, 0, 0), (0, 1, 0))
    return np.stack(
        [gaussian_filter(lab, (sigma, sigma, 0), order=order, truncate=2.0).transpose(2, 0, 1) for order in orders]
    )


def _energies(field: np.ndarray) -> np.ndarray:
    """Mean squared derivative along four directions, of lightness and of chroma: (2, 4) from (2, 3, N)."""
    y, x = field
    squares = np.stack([x**2, (x + y) ** 2 / 2, y**2, (x - y) ** 2 / 2]).mean(-1)
    return np.stack([squares[:, 0], squares[:, 1] + squares[:, 2]])


def _without_rim(region: np.ndarray, reach: int) -> np.ndarray:
    """Pixels whose square neighbourhood of `reach` lies in the region (and the picture)."""
    padded = np.pad(region, 1)
    return distance_transform_edt(padded)[1:-1, 1:-1] > reach * 2**0.5


def _lab(image: Image) -> np.ndarray:
    """CIE Lab under D65, H x W x 3."""
    return rgb2lab(image.detach().cpu().double().clamp(0, 1).permute(1, 2, 0).numpy())


def _mean(values: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"] | None) -> float | None:
    """Mean over the masked values; None if there are none."""
    chosen = values if mask is None else values[mask.to(values.device)]
    return float(chosen.mean()) if chosen.numel() else None


def _same_size(output: Image, exact: Image) -> None:
    if output.shape != exact.shape:
        raise ShapeError(
            f"Expected pictures of one size, got {tuple(output.shape)} and {tuple(exact.shape)}; resize one."
        )
