"""sRGB (IEC 61966-2-1) and the light that its numbers stand for."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def to_linear(rgb: Float[Tensor, " *B"]) -> Float[Tensor, "*B"]:
    """Light from sRGB; both are 1 at white."""
    return torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp_min(0) + 0.055) / 1.055) ** 2.4)


def from_linear(light: Float[Tensor, " *B"]) -> Float[Tensor, "*B"]:
    """sRGB from light."""
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clamp_min(0.0031308) ** (1 / 2.4) - 0.055)


def luminance(light: Float[Tensor, " 3 *B"]) -> Float[Tensor, " *B"]:
    """Relative luminance of linear RGB."""
    return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2]
