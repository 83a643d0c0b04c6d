"""Which attention layers of a denoiser an edit means: by name, and by the grid of tokens that a layer really has."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
    found = [int(name.split(".")[1]) for name in attention_layers(denoiser, [DECODER])]
    return 0.5 ** (stages - 1 - max(found))


def attention_layers(denoiser: nn.Module, names: Sequence[str]) -> dict[str, Attention]:
    """Every attention layer whose name one of the regular expressions finds; EditError where one finds none."""
    every = {name: module for name, module in denoiser.named_modules() if isinstance(module, Attention)}
    for pattern in names:
        if not any(re.search(pattern, name) for name in every):
            raise EditError(
                f"Expected layers named {pattern!r} to edit, got none in {type(denoiser).__name__}, which has "
                f"{len(every)} attention layers; use a denoiser with self-attention in its decoder."
            )
    return {name: layer for name, layer in every.items() if any(re.search(pattern, name) for pattern in names)}
