"""Pairs of pictures with a motion that is known exactly, for the tests of matchers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from relook.ops.geometry import pixel_centres, sample
from relook.types import View


@dataclass(frozen=True)
class Move:
    """Two views, and the flow of every pixel from the first to the second."""

    first: View
    second: View
    flow: Tensor
    inner: Tensor
    """Pixels away from the border, whose point both pictures show."""


def texture(height: int, width: int, seed: int = 0) -> Tensor:
    """Blots of many sizes in random colours: something to hold on to everywhere."""
    draw = torch.Generator().manual_seed(seed)
    total = torch.zeros(1, 3, height, width)
    for cell in (3, 6, 12, 24, 48):
        blots = torch.rand(1, 3, height // cell + 2, width // cell + 2, generator=draw)
        total += functional.interpolate(blots, (height, width), mode="bicubic", align_corners=False) - 0.5
    return (0.5 + 0.5 * total[0]).clamp(0, 1)


def moved(height: int = 128, width: int = 160, shift: tuple[float, float] = (4.0, -3.0), angle: float = 0.05) -> Move:
    """A texture turned about its middle by `angle` radians and shifted by `shift` (x, y) pixels."""
    first = texture(height, width)
    centres, middle = pixel_centres((height, width)), torch.tensor([width / 2, height / 2])
    c, s = torch.tensor(angle).cos(), torch.tensor(angle).sin()
    turn = torch.stack([torch.stack([c, -s]), torch.stack([s, c])])
    there = (centres - middle) @ turn.T + middle + torch.tensor(shift)
    back = (centres - middle - torch.tensor(shift)) @ turn + middle
    inner = torch.zeros(height, width, dtype=torch.bool)
    inner[16:-16, 16:-16] = True
    return Move(View(first), View(sample(first, back)), (there - centres).permute(2, 0, 1), inner)
