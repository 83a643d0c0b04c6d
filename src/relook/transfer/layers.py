"""The self-attention of a denoiser's decoder: its layers, and the grid of tokens that each really has."""

from __future__ import annotations

import re

from diffusers.models.attention_processor import Attention
from torch import nn

from relook.errors import EditError

Grid = tuple[int, int]
"""Rows and columns of a grid of tokens (or latents)."""

DECODER = r"^up_blocks\..*\battn1$"
"""Names of the decoder's self-attention layers in a UNet2DConditionModel."""


def level_of(tokens: int, size: Grid) -> tuple[float, Grid]:
    """(level, grid) of a layer with that many tokens: latents of `size`, halved (rounding up) until the count fits.

    Raises EditError when no number of halvings gives it.
    """
    level, (h, w) = 1.0, size
    while h * w > tokens and h * w > 1:
        level, h, w = level / 2, -(-h // 2), -(-w // 2)
    if h * w != tokens:
        raise EditError(
            f"Expected a layer grid that is {size} halved, got {tokens} tokens; give the latents' own size."
        )
    return level, (h, w)


def finest_level(denoiser: nn.Module) -> float:
    """Level of the finest decoder stage with self-attention: 1 in Stable Diffusion 1.5, 0.5 in SDXL and the dollhouse family.

    Raises EditError for a denoiser without any.
    """
    stages = len(getattr(denoiser, "up_blocks", ()))
    found = [int(name.split(".")[1]) for name in decoder_attention(denoiser)]
    return 0.5 ** (stages - 1 - max(found))


def decoder_attention(denoiser: nn.Module) -> dict[str, Attention]:
    """The decoder's self-attention layers by name. Raises EditError for a denoiser without any."""
    every = {name: module for name, module in denoiser.named_modules() if isinstance(module, Attention)}
    found = {name: layer for name, layer in every.items() if re.search(DECODER, name)}
    if not found:
        raise EditError(
            f"Expected layers named {DECODER!r} to edit, got none in {type(denoiser).__name__}, which has {len(every)} attention "
            "layers; use a denoiser with self-attention in its decoder."
        )
    return found
