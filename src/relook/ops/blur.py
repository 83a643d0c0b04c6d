"""Pictures as a poor lens and a small sensor give them: what a sharpener is trained on and measured by."""

from __future__ import annotations

import cv2
import torch
from jaxtyping import Float
from torch import Tensor

SOFT = (0.6, 2.4)
"""Deviations of the blur in pixels, drawn anew each time."""
GRAIN = 0.02
"""Highest deviation of the noise on soft pictures."""


def softened(pictures: Float[Tensor, "B 3 H W"], generator: torch.Generator) -> Float[Tensor, "B 3 H W"]:
    """Blurred by one deviation in SOFT, with noise up to GRAIN."""
    width, grain = torch.rand(2, generator=generator).tolist()
    channels = pictures.flatten(0, 1).permute(1, 2, 0).numpy()
    deviation = SOFT[0] + (SOFT[1] - SOFT[0]) * width
    blurred = cv2.GaussianBlur(channels, (0, 0), deviation, borderType=cv2.BORDER_REFLECT_101)
    soft = torch.from_numpy(blurred).permute(2, 0, 1).reshape(pictures.shape)
    return (soft + GRAIN * grain * torch.randn(soft.shape, generator=generator)).clamp(0, 1)
