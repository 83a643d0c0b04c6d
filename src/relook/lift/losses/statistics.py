"""SOS, "simultaneously optimised scale": a picture's VGG19 statistics should be the style's, at one scale or several.

Gram matrices (Gatys et al. 2016, equations 3 to 5) and, as later works have it, means and deviations of every channel (Huang and Belongie
2017). Pure functions of features; who makes the features is the caller's business (`relook.models.vgg.activations`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_LAYER = "relu4_2"
GRAM_WEIGHTS: Mapping[str, float] = {
    layer: 1e3 / width**2 for layer, width in zip(STYLE_LAYERS, (64, 128, 256, 512, 512), strict=True)
}
"""Of the squared error of each layer's Gram matrix (the paper's supplement)."""
LARGEST = 511
"""Pictures are halved for as long as their smaller side has more pixels than this; all sizes count the same (the paper)."""
LEAST = 32
"""Smaller side in pixels below which nothing is made smaller."""

Features = Mapping[str, Float[Tensor, "B _ _ _"]]


@dataclass(frozen=True)
class Statistics:
    """Of one layer: D channels."""

    gram: Float[Tensor, "D D"]
    mean: Float[Tensor, " D"]
    deviation: Float[Tensor, " D"]


def statistics(features: Float[Tensor, "1 D h w"]) -> Statistics:
    """F F^T / (h w), and each channel's mean and deviation over places."""
    flat = features[0].flatten(1)
    deviation = (flat.var(1, correction=0) + 1e-5).sqrt()
    return Statistics(flat @ flat.T / flat.shape[1], flat.mean(1), deviation)


def gram_loss(features: Features, wanted: Mapping[str, Statistics]) -> Float[Tensor, ""]:
    """sum over layers of w_l mean((G_l - A_l)^2), w_l of GRAM_WEIGHTS."""
    found = [
        GRAM_WEIGHTS[layer] * (statistics(features[layer]).gram - one.gram).square().mean()
        for layer, one in wanted.items()
    ]
    return torch.stack(found).sum()


def moment_loss(features: Features, wanted: Mapping[str, Statistics]) -> Float[Tensor, ""]:
    """sum over layers of mean((mu - mu_A)^2) + mean((sigma - sigma_A)^2) (Huang and Belongie 2017, equation 13)."""
    found = []
    for layer, one in wanted.items():
        own = statistics(features[layer])
        found += [(own.mean - one.mean).square().mean(), (own.deviation - one.deviation).square().mean()]
    return torch.stack(found).sum()


def content_loss(features: Float[Tensor, "1 D h w"], wanted: Float[Tensor, "1 D h w"]) -> Float[Tensor, ""]:
    """mean((F - P)^2) (Gatys et al. 2016, equation 1)."""
    return (features - wanted).square().mean()


def scales(size: tuple[int, int], *, half_only: bool = False, extra: int = 0) -> tuple[float, ...]:
    """At what parts of its size (H, W) a picture is looked at: 1, 1/2 ... until the smaller side has at most LARGEST pixels.

    half_only: 1/2 alone, the paper's first phase. extra: so many further halvings. Sides below LEAST pixels are never made.
    """
    smaller = min(size)
    if half_only:
        return (0.5,) if smaller / 2 >= LEAST else (1.0,)
    found, scale = [1.0], 1.0
    while smaller * scale > LARGEST or extra > 0:
        extra -= smaller * scale <= LARGEST
        scale /= 2
        if smaller * scale < LEAST:
            break
        found.append(scale)
    return tuple(found)


def at_scale(image: Float[Tensor, "3 H W"], scale: float) -> Float[Tensor, "3 h w"]:
    """The picture at a part of its size, by bilinear interpolation (the paper); with gradients."""
    if scale == 1:
        return image
    height, width = (max(1, round(side * scale)) for side in image.shape[1:])
    return interpolate(image[None], (height, width), mode="bilinear", align_corners=False)[0]
