"""A small network that gives a soft picture its edges back, cut in two where its features can be lifted."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from relook.models.lifter_parts import ColourFeatures
from relook.models.shipped import filled, save_half

FOLDER = Path(__file__).parent / "weights" / "dollhouse" / "sharpener"
"""Where the shipped weights lie."""
CELL = 4
"""Pixels per feature along a side."""
HIDDEN = 48
"""Learned features per cell; beside them stands the picture itself, its CELL x CELL pixels as channels."""


class Sharpener(nn.Module):
    """Features at a quarter of the side (the lifter's U-Net) and the picture's own pixels in, what is added to the picture out."""

    def __init__(self) -> None:
        super().__init__()
        last = nn.Conv2d(64, 3 * CELL**2, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias if last.bias is not None else last.weight)
        self.encoder = ColourFeatures(HIDDEN)
        self.decoder = nn.Sequential(
            nn.Conv2d(HIDDEN + 3 * CELL**2, 64, 3, padding=1, padding_mode="reflect"),
            nn.ELU(),
            nn.Conv2d(64, 64, 3, padding=1, padding_mode="reflect"),
            nn.ELU(),
            last,
        )

    def encode(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        """RGB in [0, 1], sides multiples of 16 -> HIDDEN learned features and the pixels of every cell."""
        return torch.cat([self.encoder(images), functional.pixel_unshuffle(images, CELL)], 1)

    def decode(self, features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B 3 H W"]:
        """The sharp picture, RGB, not yet bounded."""
        return functional.pixel_shuffle(features[:, HIDDEN:] + self.decoder(features), CELL)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """Both."""
        return self.decode(self.encode(images))

    def save(self, folder: Path) -> None:
        """Write the network in half precision."""
        save_half(self, folder)


def load_sharpener(folder: Path = FOLDER) -> Sharpener:
    """The shipped network (or another of its kind), frozen. Raises MissingModelError when it is not there."""
    return filled(Sharpener(), folder, "sharpener")
