"""What metrics of pictures share: colours in Lab, means over masks, sizes that must agree."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from skimage.color import rgb2lab
from torch import Tensor

from relook.errors import ShapeError
from relook.evaluate.metrics.declare import Image


def lab(image: Image) -> Float[np.ndarray, "H W 3"]:
    """CIE Lab under D65, in float64."""
    return rgb2lab(image.detach().cpu().double().clamp(0, 1).permute(1, 2, 0).numpy())


def masked_mean(values: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"] | None) -> float | None:
    """Mean over the masked values, over all without a mask; None if there are none."""
    chosen = values if mask is None else values[mask.to(values.device)]
    return float(chosen.mean()) if chosen.numel() else None


def same_size(output: Tensor, exact: Tensor) -> None:
    """Raise ShapeError unless two pictures have one shape."""
    if output.shape != exact.shape:
        raise ShapeError(
            f"Expected pictures of one size, got {tuple(output.shape)} and {tuple(exact.shape)}; resize one."
        )
