"""How steeply a picture's colours change."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

SMOOTH = 1.0
"""Standard deviation in pixels of the blur before slopes are taken."""


def slopes(lab: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    """Change of a picture's colours per pixel, after a light blur."""
    calm = cv2.GaussianBlur(lab, (0, 0), SMOOTH).astype(np.float32)
    across, down = (cv2.Sobel(calm, cv2.CV_32F, *order, ksize=3, scale=1 / 8) for order in ((1, 0), (0, 1)))
    return np.asarray(np.sqrt((across**2 + down**2).sum(-1)))
