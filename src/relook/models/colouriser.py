"""A small network that gives grey pictures colours, cut in two where its features can be lifted."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from relook.models.lifter_parts import ColourFeatures
from relook.models.shipped import filled, save_half

FOLDER = Path(__file__).parent / "weights" / "dollhouse" / "colouriser"
"""Where the shipped weights lie."""
CELL = 4
"""Pixels per feature along a side."""
HIDDEN = 48
"""Learned features per cell; beside them stands the lightness of its CELL x CELL pixels."""
SIDE, STEP = 13, 0.035
"""Colours (a, b of OKLab) are chosen from so many along each axis, so far apart, around grey."""
BOLD = 0.38
"""Temperature of the mean over colours: 1 is their mean, pale where many are likely; 0 is the likeliest one (Zhang, Isola and Efros 2016)."""


class Colouriser(nn.Module):
    """Lightness in; in every cell a chance for each of SIDE x SIDE colours out."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = ColourFeatures(HIDDEN)
        self.whole = nn.Sequential(nn.Linear(2 * HIDDEN, 64), nn.ELU(), nn.Linear(64, HIDDEN))
        self.decoder = nn.Sequential(
            nn.Conv2d(HIDDEN, 64, 3, padding=1, padding_mode="reflect"), nn.ELU(), nn.Conv2d(64, SIDE**2, 1)
        )

    def encode(self, light: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B C h w"]:
        """Lightness in [0, 1], sides multiples of 16 -> HIDDEN features that know the whole picture, and the lightness of every cell."""
        found = self.encoder(light.expand(-1, 3, -1, -1))
        whole = self.whole(torch.cat([found.mean((2, 3)), found.amax((2, 3))], 1))
        return torch.cat([found + whole[:, :, None, None], functional.pixel_unshuffle(light, CELL)], 1)

    def scores(self, features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B Q h w"]:
        """Of every colour, before the softmax."""
        return self.decoder(features[:, :HIDDEN])

    def decode(
        self, features: Float[Tensor, "B C h w"], temperature: float = BOLD
    ) -> tuple[Float[Tensor, "B 1 H W"], Float[Tensor, "B 2 h w"]]:
        """The lightness of all pixels, and a and b of every cell: the mean over colours at a temperature."""
        chances = (self.scores(features) / temperature).softmax(1)
        colours = torch.einsum("bqhw,qc->bchw", chances, palette().to(chances))
        return functional.pixel_shuffle(features[:, HIDDEN:], CELL), colours

    def save(self, folder: Path) -> None:
        """Write the network in half precision."""
        save_half(self, folder)


def palette() -> Float[Tensor, "Q 2"]:
    """The colours, (a, b)."""
    axis = (torch.arange(SIDE) - SIDE // 2) * STEP
    return torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)


def shares(colours: Float[Tensor, "B 2 h w"]) -> Float[Tensor, "B Q h w"]:
    """Every colour as parts of the four of the palette around it, whose mean it is."""
    place = (colours / STEP + SIDE // 2).clamp(0, SIDE - 1)
    axes = torch.arange(SIDE, device=colours.device).view(1, -1, 1, 1)
    a, b = ((1 - (place[:, one : one + 1] - axes).abs()).clamp_min(0) for one in (0, 1))
    return (a[:, :, None] * b[:, None]).flatten(1, 2)


def load_colouriser(folder: Path = FOLDER) -> Colouriser:
    """The shipped network (or another of its kind), frozen. Raises MissingModelError when it is not there."""
    return filled(Colouriser(), folder, "colouriser")
