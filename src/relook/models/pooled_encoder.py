"""Two small networks that judge a whole picture: what its style is (a descriptor), and how well it is rendered (scores of quality).

Both are convolutions whose channels' means and deviations at four scales are read by two layers: such statistics say what a picture looks
like wherever things are (Gatys et al. 2016), and their gradients are smooth. The descriptor is trained by contrast as that of Somepalli et
al. 2024 (CSD, ViT-L) is, the scores on antonyms as CLIP-IQA (Wang et al. 2023) asks them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, normalize

from relook.errors import ShapeError
from relook.models.shipped import filled, save_half

WEIGHTS = Path(__file__).parent / "weights" / "dollhouse"
DESCRIPTOR, QUALITY = WEIGHTS / "style_descriptor", WEIGHTS / "quality"
"""Where the shipped weights lie."""
SHIPPED = {"embedded style descriptor": DESCRIPTOR, "embedded quality": QUALITY}
"""The same by their names in records."""
SIDE = 128
"""Shorter side in pixels at which the descriptor looks at a picture."""
LEAST = 16
"""Shorter side in pixels below which nothing is left at the coarsest scale."""
SCORES = ("quality", "sharpness", "colourfulness")
"""What the quality network says, in order: clean against noisy, sharp against blurred, colourful against dull."""


class PooledEncoder(nn.Module):
    """Means and deviations of channels at four scales, read by two layers."""

    def __init__(self, outputs: int, widths: Sequence[int] = (16, 32, 64, 128), hidden: int = 192) -> None:
        super().__init__()
        first, second, third, fourth = widths
        self.scales = nn.ModuleList(
            [
                _convolutions(3, first, 5),
                _convolutions(first, second, 3),
                _convolutions(second, third, 3, 3),
                _convolutions(third, fourth, 3, 3),
            ]
        )
        pooled = 2 * sum(widths)
        self.head = nn.Sequential(
            nn.LayerNorm(pooled), nn.Linear(pooled, hidden), nn.GELU(), nn.Linear(hidden, outputs)
        )

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """Outputs for RGB in [0, 1] of any size from LEAST pixels along the shorter side. Raises ShapeError for smaller ones."""
        if images.ndim != 4 or images.shape[1] != 3 or min(images.shape[2:]) < LEAST:
            raise ShapeError(
                f"Expected pictures (B, 3, H, W) of at least {LEAST} pixels along a side, got {tuple(images.shape)}; enlarge them."
            )
        x, found = images * 2 - 1, []
        for number, scale in enumerate(self.scales):
            x = scale(avg_pool2d(x, 2) if number else x)
            found += [x.mean((2, 3)), (x.var((2, 3), correction=0) + 1e-4).sqrt()]
        return self.head(torch.cat(found, 1))

    def save(self, folder: Path) -> None:
        """Write the network in half precision."""
        save_half(self, folder)


class StyleDescriptor(PooledEncoder):
    """A picture's style as a unit vector of 64 numbers; the cosine of two says how alike their styles are."""

    def __init__(self) -> None:
        super().__init__(64)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """Descriptors of pictures, which are looked at with SIDE pixels along the shorter side."""
        height, width = images.shape[-2:]
        if min(height, width) > SIDE:
            scale = SIDE / min(height, width)
            images = interpolate(images, (round(height * scale), round(width * scale)), mode="bilinear", antialias=True)
        return normalize(super().forward(images), dim=1)


class QualityScores(PooledEncoder):
    """SCORES of a picture as logits (0: undecided), judged pixel by pixel at the size that it has."""

    def __init__(self) -> None:
        super().__init__(len(SCORES), (16, 24, 32, 48), 64)


def load_style_descriptor(folder: Path = DESCRIPTOR) -> StyleDescriptor:
    """The shipped network (or another one of its kind), frozen. Raises MissingModelError when it is not there or is another."""
    return filled(StyleDescriptor(), folder, "style-descriptor")


def load_quality(folder: Path = QUALITY) -> QualityScores:
    """The shipped network (or another one of its kind), frozen. Raises MissingModelError when it is not there or is another."""
    return filled(QualityScores(), folder, "quality")


def _convolutions(inputs: int, outputs: int, *sizes: int) -> nn.Sequential:
    """Convolutions of odd sizes, a GELU after each."""
    layers: list[nn.Module] = []
    for size in sizes:
        layers += [nn.Conv2d(inputs, outputs, size, padding=size // 2, padding_mode="replicate"), nn.GELU()]
        inputs = outputs
    return nn.Sequential(*layers)
