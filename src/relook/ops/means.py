"""Means of what is known: blurred, so that what is not known says nothing."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float


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
