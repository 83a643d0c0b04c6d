"""OKLab (Ottosson 2020): L, a, b all scale alike under brighter light, so a/L and b/L say what a surface is made of."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from relook.ops.srgb import from_linear, to_linear

_TO_CONES = torch.tensor(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = torch.tensor(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def rgb_to_oklab(rgb: Float[Tensor, "*B 3 H W"]) -> Float[Tensor, "*B 3 H W"]:
    """sRGB in [0, 1] to OKLab with L in [0, 1]."""
    cones = _mix(_TO_CONES, to_linear(rgb))
    return _mix(_TO_LAB, cones.sign() * cones.abs() ** (1 / 3))


def tint_of(lab: Float[Tensor, "N 3"], dark: float) -> Float[Tensor, "N 2"]:
    """a / L and b / L of OKLab colours, which light leaves as they are; L counts as `dark` where it is less: tints are noise there."""
    return lab[:, 1:] / lab[:, :1].clamp_min(dark)


def oklab_to_rgb(lab: Float[Tensor, "*B 3 H W"]) -> Float[Tensor, "*B 3 H W"]:
    """OKLab to sRGB; values outside [0, 1] are colours that a screen cannot show."""
    return from_linear(_mix(torch.linalg.inv(_TO_CONES), _mix(torch.linalg.inv(_TO_LAB), lab) ** 3))


def oklab_to_displayable(lab: Float[Tensor, "3 H W"], steps: int = 7) -> Float[Tensor, "3 H W"]:
    """sRGB in [0, 1] with the lightness and hue of `lab`, and as much of its chroma as a screen can show (bisection)."""
    rgb = oklab_to_rgb(lab)
    outside = ((rgb < -1e-3) | (rgb > 1 + 1e-3)).any(0)
    if bool(outside.any()):
        light, chroma = lab[0, outside].clamp(0, 1), lab[1:, outside]
        low, high = torch.zeros_like(light), torch.ones_like(light)
        for _ in range(steps):
            middle = (low + high) / 2
            trial = oklab_to_rgb(torch.cat([light[None], chroma * middle])[..., None])[..., 0]
            fits = ((trial >= -1e-3) & (trial <= 1 + 1e-3)).all(0)
            low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
        rgb[:, outside] = oklab_to_rgb(torch.cat([light[None], chroma * low])[..., None])[..., 0]
    return rgb.clamp(0, 1)


def _mix(matrix: Float[Tensor, "3 3"], values: Float[Tensor, "*B 3 H W"]) -> Float[Tensor, "*B 3 H W"]:
    """A 3 x 3 matrix on the channels."""
    return torch.einsum("ij,...jhw->...ihw", matrix.to(values), values)
