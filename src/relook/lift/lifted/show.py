"""Predictions as pictures and as numbers for files."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relook.types import Depth

SHADES = np.random.default_rng(7).uniform(0.15, 0.95, (512, 3)).astype(np.float32)
"""A colour for each class."""
TINT = 0.6
"""How much of a label's colour lies over the picture."""


def shown(
    prediction: Float[Tensor, "D H W"], kind: str, image: Float[Tensor, "3 H W"] | None
) -> tuple[Float[Tensor, "3 H W"], np.ndarray]:
    """A prediction as a picture, and its numbers: the number of the class, or half-precision values."""
    if kind == "labels":
        labels = prediction.argmax(0)
        colours = torch.from_numpy(SHADES)[labels % len(SHADES)].permute(2, 0, 1)
        under = image if image is not None else torch.full_like(colours, 0.5)
        return torch.lerp(under, colours, TINT).clamp(0, 1), labels.numpy().astype(np.uint8)
    numbers = prediction.numpy().astype(np.float16)
    if kind == "picture":
        return prediction.clamp(0, 1), numbers
    if kind == "depth":
        return Depth(prediction[0].clamp_min(1e-3), "metric").disparity().expand(3, -1, -1), numbers
    if kind == "map":
        mark = prediction.clamp(0, 1)
        return (mark.expand(3, -1, -1) if image is None else image * (0.35 + 0.65 * mark)), numbers
    return _main_parts(prediction), numbers


def _main_parts(features: Float[Tensor, "C H W"]) -> Float[Tensor, "3 H W"]:
    """The three main directions of features as colours."""
    rows = features.flatten(1).T
    rows = rows - rows.mean(0)
    some = rows[:: 1 + len(rows) // 4096]
    axes = torch.linalg.svd(some, full_matrices=False).Vh[:3]
    axes = axes * axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
    three = rows @ axes.T
    spread = three.std(0).clamp_min(1e-6)
    return torch.sigmoid(three / spread).T.reshape(-1, *features.shape[1:])
