"""Means of what is known: blurred, so that what is not known says nothing."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float

FINE = 5.0
"""Pixels; a Gaussian of that deviation loses nothing that can be seen when it is brought to a larger size."""


def mean_of_known(
    values: Float[np.ndarray, "h w *C"],
    weight: Float[np.ndarray, "h w"],
    reach: float,
    otherwise: float | Float[np.ndarray, " C"] = 0.0,
    doubt: float = 1e-6,
) -> Float[np.ndarray, "h w *C"]:
    """(blur(w v) + doubt o) / (blur(w) + doubt): a Gaussian mean of deviation `reach` that goes over to `otherwise` where next to nothing is known
    (normalised convolution; Knutsson and Westin 1993)."""
    values, weight = np.asarray(values, np.float32), np.asarray(weight, np.float32)
    known = weight.reshape(weight.shape + (1,) * (values.ndim - 2))
    total = cv2.GaussianBlur(weight, (0, 0), reach).reshape(known.shape)
    mean = (cv2.GaussianBlur(values * known, (0, 0), reach) + doubt * np.asarray(otherwise)) / (total + doubt)
    return np.asarray(mean, np.float32)


def broad_mean_of_known(
    values: Float[np.ndarray, "h w C"],
    weight: Float[np.ndarray, "h w"],
    reach: float,
    otherwise: float | Float[np.ndarray, " C"] = 0.0,
    doubt: float = 1e-6,
) -> Float[np.ndarray, "h w C"]:
    """`mean_of_known` of a large reach, found at a size at which it is FINE pixels and brought back: many times as fast, and as smooth."""
    factor = int(reach / FINE)
    if factor < 2:
        return mean_of_known(values, weight, reach, otherwise, doubt)
    height, width = weight.shape
    size = (-(-width // factor), -(-height // factor))
    share = cv2.resize(np.asarray(weight, np.float32), size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(np.asarray(values * weight[..., None], np.float32), size, interpolation=cv2.INTER_AREA)
    small = total / np.maximum(share, 1e-9)[..., None]
    mean = mean_of_known(small, share, reach * size[0] / width, otherwise, doubt)
    return cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR)
