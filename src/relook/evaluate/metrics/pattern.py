"""Whether a pattern is right wherever it lies: energies of oriented gradients, region by region."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import distance_transform_edt, gaussian_filter
from torch import Tensor

from relook.evaluate.metrics.declare import Image, declare
from relook.evaluate.metrics.pixels import lab, same_size

SCALES = (0.7, 1.4, 2.8)
"""Widths of the pattern filters in pixels of a picture whose shorter side is 128; they grow with the picture."""
FLOOR = 0.3
"""A gradient (in Lab units per pixel at 128) too weak to be seen: energies are compared above its square."""
NARROWEST = 0.25
"""A filter of fewer pixels has no neighbour to look at: the scale says nothing about so small a picture."""
MINIMUM_PIXELS = 24
"""A region must keep this many pixels after its rim is taken off, or a scale says nothing about it."""


@declare(
    "pattern_error", "pattern error", "lower", (0.0, 20.0), "octaves of oriented gradient energy; see docs/metrics.md",
    group="truth", digits=2,
)  # fmt: skip
def pattern_error(output: Image, exact: Image, regions: Int[Tensor, "H W"]) -> float | None:
    """How wrong patterns are, wherever they lie: mean |log2(energy of output / energy of exact)| over regions and bands.

    A band is one scale x one orientation (0, 45, 90, 135 degrees) x lightness or chroma; its energy is the mean square of
    the derivative of Gaussian inside the region less its rim, so that no pixel outside the region counts and a shifted
    pattern has no error. 1 means: energies off by a factor of two. None if no region is large enough.
    """
    same_size(output, exact)
    pictures = lab(output), lab(exact)
    ids, unit = regions.cpu().numpy(), min(regions.shape) / 128
    octaves = []
    for sigma in (scale * unit for scale in SCALES if scale * unit >= NARROWEST):
        fields = [_gradients(colours, sigma) * unit for colours in pictures]
        for id in np.unique(ids[ids != 0]):
            inside = _without_rim(ids == id, reach=int(2 * sigma + 0.5) + 1)
            if inside.sum() >= MINIMUM_PIXELS:
                energies = [_energies(field[:, :, inside]) + FLOOR**2 for field in fields]
                octaves.append(np.abs(np.log2(energies[0] / energies[1])).mean())
    return float(np.mean(octaves)) if octaves else None


def _gradients(colours: Float[np.ndarray, "H W 3"], sigma: float) -> Float[np.ndarray, "2 3 H W"]:
    """Derivatives of Gaussian along y and x of every channel."""
    orders = ((1, 0, 0), (0, 1, 0))
    return np.stack(
        [gaussian_filter(colours, (sigma, sigma, 0), order=order, truncate=2.0).transpose(2, 0, 1) for order in orders]
    )


def _energies(field: Float[np.ndarray, "2 3 N"]) -> Float[np.ndarray, "2 4"]:
    """Mean squared derivative along four directions, of lightness and of chroma."""
    y, x = field
    squares = np.stack([x**2, (x + y) ** 2 / 2, y**2, (x - y) ** 2 / 2]).mean(-1)
    return np.stack([squares[:, 0], squares[:, 1] + squares[:, 2]])


def _without_rim(region: Bool[np.ndarray, "H W"], reach: int) -> Bool[np.ndarray, "H W"]:
    """Pixels whose square neighbourhood of `reach` lies in the region (and the picture)."""
    padded = np.pad(region, 1)
    return distance_transform_edt(padded)[1:-1, 1:-1] > reach * 2**0.5
