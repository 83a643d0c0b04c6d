"""Statistics of pictures and latents: AdaIN whole, masked and per class, and CIE Lab."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

MINIMUM = 4
"""Classes with fewer positions than this in either picture have no statistics worth matching."""
EPSILON = 1e-5
"""Added to variances."""


def adain(
    content: Float[Tensor, "*B C H W"],
    style: Float[Tensor, "*B C h w"],
    content_mask: Bool[Tensor, "H W"] | None = None,
    style_mask: Bool[Tensor, "h w"] | None = None,
    *,
    strength: float = 1.0,
    gain: float = math.inf,
) -> Float[Tensor, "*B C H W"]:
    """std(style) (content - mean(content)) / std(content) + mean(style), per channel (Huang and Belongie 2017, eq. 8).

    Variances are the unbiased ones, and EPSILON is added to them, as in that paper's code and in all that followed it. With masks, the statistics are those inside, and content outside its mask stays. strength blends with content. gain
    bounds the factor on deviations.
    A mask that holds fewer than MINIMUM positions changes nothing.
    """
    inside = _flat(content_mask, content)
    source = style.flatten(-2)[..., _flat(style_mask, style)]
    values = content.flatten(-2)
    chosen = values[..., inside]
    if chosen.shape[-1] < MINIMUM or source.shape[-1] < MINIMUM:
        return content
    wanted = (_deviation(source) / _deviation(chosen)).clamp_max(gain)
    matched = (chosen - chosen.mean(-1, keepdim=True)) * wanted + source.mean(-1, keepdim=True)
    result = values.clone()
    result[..., inside] = chosen + strength * (matched - chosen)
    return result.view_as(content)


def adain_by_class(
    content: Float[Tensor, "*B C H W"],
    style: Float[Tensor, "*B C h w"],
    content_classes: Int[Tensor, "H W"],
    style_classes: Int[Tensor, "h w"],
    *,
    unmatched: bool | Bool[Tensor, "h w"] = False,
    strength: float = 1.0,
    gain: float = math.inf,
) -> Float[Tensor, "*B C H W"]:
    """`adain` for every class that both maps hold; class 0 stays (False), or takes the whole style picture's (True) or that of some pixels."""
    result = content
    for label in content_classes.unique().tolist():
        content_mask, style_mask = content_classes == label, style_classes == label
        if label == 0 or not bool(style_mask.any()):
            if unmatched is False:
                continue
            style_mask = torch.ones_like(style_mask) if unmatched is True else unmatched
        result = adain(result, style, content_mask, style_mask, strength=strength, gain=gain)
    return result


def rgb_to_lab(image: Float[Tensor, "*B 3 H W"]) -> Float[Tensor, "*B 3 H W"]:
    """CIE Lab (D65; L in 0..100) of sRGB in [0, 1]."""
    linear = torch.where(image > 0.04045, ((image.clamp_min(0) + 0.055) / 1.055) ** 2.4, image / 12.92)
    xyz = torch.einsum("ij,...jhw->...ihw", _XYZ.to(image), linear) / _WHITE.to(image).view(3, 1, 1)
    bent = torch.where(xyz > _EPSILON, xyz.clamp_min(1e-9) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = bent.unbind(-3)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-3)


def lab_to_rgb(lab: Float[Tensor, "*B 3 H W"]) -> Float[Tensor, "*B 3 H W"]:
    """sRGB of CIE Lab, clipped to [0, 1]."""
    lightness, a, b = lab.unbind(-3)
    y = (lightness + 16) / 116
    bent = torch.stack([y + a / 500, y, y - b / 200], dim=-3)
    xyz = torch.where(bent > 0.2068966, bent**3, (bent - 16 / 116) / 7.787) * _WHITE.to(lab).view(3, 1, 1)
    linear = torch.einsum("ij,...jhw->...ihw", torch.linalg.inv(_XYZ).to(lab), xyz).clamp(0, 1)
    return torch.where(linear > 0.0031308, 1.055 * linear.clamp_min(1e-9) ** (1 / 2.4) - 0.055, 12.92 * linear)


_XYZ = torch.tensor(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]],
    dtype=torch.float64,
)
_WHITE = torch.tensor([0.95047, 1.0, 1.08883], dtype=torch.float64)
_EPSILON = 0.008856


def _deviation(values: Tensor) -> Tensor:
    """Of the last dimension, which is kept."""
    return (values.var(-1, keepdim=True) + EPSILON).sqrt()


def _flat(mask: Tensor | None, picture: Tensor) -> Tensor:
    """The mask (all True if None) over flattened positions."""
    if mask is None:
        return torch.ones(picture.shape[-2] * picture.shape[-1], dtype=torch.bool, device=picture.device)
    return mask.flatten().to(picture.device)
