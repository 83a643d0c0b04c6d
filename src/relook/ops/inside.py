"""How deep pixels lie inside a mask."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, UInt8


def depths_inside(mask: Bool[np.ndarray, "h w"] | UInt8[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Distance in pixels of every pixel from the nearest one outside a mask; beyond the picture all is outside."""
    import cv2

    return np.asarray(cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1])
