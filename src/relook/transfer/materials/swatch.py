"""Materials from flat pictures, as shops show them."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from relook.covers import Cover
from relook.io import read_picture
from relook.ops.exemplar import Exemplar
from relook.ops.resize import resized, scaled
from relook.ops.srgb import to_linear
from relook.transfer.materials.sample import DARK, FINEST, Material, lines_of

SEAMLESS, STEEP = 1.5, 0.95
"""A picture whose opposite sides differ at most so many times as much as its neighbouring lines at that quantile goes on without a seam."""


def swatch(cover: Cover) -> Material:
    """The material of a flat picture in its size; it repeats where it goes on over its sides, else it is grown.

    Raises InputError for a file that is no picture.
    """
    image = read_picture(cover.picture)[0]  # type: ignore[arg-type]
    cell = cover.width / image.shape[2]
    if cell < FINEST:
        image = resized(image, scaled(image.shape[1:], cell / FINEST))
    return of_picture(image, cover.width, cover.turn)


def of_picture(image: Float[Tensor, "3 h w"], width: float, turn: float = 0.0) -> Material:
    """The material of a picture that is so many metres wide, turned by degrees. Its upper side is the far one on a floor."""
    light = to_linear(image).clamp_min(DARK).flip(1)
    colour = light.mean((1, 2))
    detail = light.log() - colour.log()[:, None, None]
    exemplar = Exemplar(detail, torch.ones(detail.shape[1:], dtype=torch.bool), width / detail.shape[2], (0.0, 0.0))
    repeats = all(_seamless(detail, axis) for axis in (1, 2))
    return Material(exemplar, colour, lines_of(exemplar), math.radians(turn), repeats)


def _seamless(values: Float[Tensor, "3 h w"], axis: int) -> bool:
    """Whether a picture goes on over two of its sides."""
    first, last = values.narrow(axis, 0, 1), values.narrow(axis, values.shape[axis] - 1, 1)
    steps = values.diff(dim=axis).abs().mean((0, 3 - axis))
    return float((first - last).abs().mean()) <= SEAMLESS * float(steps.quantile(STEEP)) + 1e-3
