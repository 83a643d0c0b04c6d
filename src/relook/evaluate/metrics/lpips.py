"""LPIPS v0.1 on AlexNet, in torch alone (Zhang et al. 2018, The Unreasonable Effectiveness of Deep Features, eq. 1)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from relook.errors import MissingModelError
from relook.session import Session

LAYERS = ((0, 4, 2, False), (3, 1, 2, True), (6, 1, 1, True), (8, 1, 1, False), (10, 1, 1, False))
"""AlexNet's convolutions: index in `features`, stride, padding, whether pooling comes before."""
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""ImageNet normalisation of pictures in [-1, 1]."""
LEAST = 31
"""Shorter side in pixels below which AlexNet has no features."""


def distance_map(
    output: Float[Tensor, "3 H W"], exact: Float[Tensor, "3 H W"], session: Session | None = None
) -> Float[Tensor, "H W"] | None:
    """Distance of every pixel: the layers' maps, brought to the picture's size and added; None without the weights
    or for a picture with fewer than LEAST pixels along a side. session: keeps the weights for the next pictures.

    d = sum over layers of w_l . (f_l(x) / |f_l(x)| - f_l(y) / |f_l(y)|)^2
    """
    weights = _weights(session or Session("cpu"))
    if weights is None or min(output.shape[1:]) < LEAST:
        return None
    with torch.inference_mode():
        pair = torch.stack([output, exact]).detach().float().cpu()
        total = torch.zeros(output.shape[1:])
        for number, features in enumerate(_features(pair, weights)):
            unit = features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10)
            layer = F.conv2d((unit[:1] - unit[1:]).square(), weights[f"lin{number}.weight"])
            total += F.interpolate(layer, total.shape, mode="bilinear", align_corners=False)[0, 0]
    return total


def _features(images: Float[Tensor, "B 3 H W"], weights: dict[str, Tensor]) -> list[Tensor]:
    """AlexNet's activations after each convolution."""
    shift, scale = (torch.tensor(values)[:, None, None] for values in (SHIFT, SCALE))
    x, activations = (2 * images - 1 - shift) / scale, []
    for index, stride, padding, pool in LAYERS:
        x = F.max_pool2d(x, 3, 2) if pool else x
        x = F.relu(F.conv2d(x, weights[f"features.{index}.weight"], weights[f"features.{index}.bias"], stride, padding))
        activations.append(x)
    return activations


def _weights(session: Session) -> dict[str, Tensor] | None:
    """The checkpoint's tensors, or None where it is not on this machine."""
    from safetensors.torch import load_file

    from relook.models.store import locate

    try:
        return session.loaded("lpips_alex", lambda: load_file(locate("lpips_alex")))
    except MissingModelError:
        return None
