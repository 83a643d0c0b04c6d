"""Strength for single things: a picture that is restyled by the largest strength, mixed with the structure picture where less was asked for."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from relook.config import PhotoConfig
from relook.correspond.semantic import regions_named
from relook.errors import SegmentsError
from relook.ops.soft import soft_weights
from relook.types import View


def weakened(
    image: Float[Tensor, "3 H W"], structure: View, config: PhotoConfig, by: float | None = None
) -> Float[Tensor, "3 H W"]:
    """The picture with every thing at its own strength, up to its soft border, and the others at `config.strength`.

    by: strength with which the picture was restyled; None: `config.strongest`. Raises SegmentsError for a thing that the structure picture
    does not show.
    """
    by = config.strongest if by is None else by
    if not config.thing_strengths:
        return image if config.strength == by else torch.lerp(structure.image.to(image), image, config.strength / by)
    strengths = _strengths(structure, config)
    steps, number = strengths.unique(return_inverse=True)
    weights = soft_weights(structure.image, number == torch.arange(len(steps))[:, None, None])
    share = torch.einsum("khw,k->hw", weights, steps) / max(by, 1e-9)
    return torch.lerp(structure.image.to(image), image, share.to(image))


def _strengths(structure: View, config: PhotoConfig) -> Float[Tensor, "H W"]:
    """The strength that is asked for at every pixel."""
    if structure.segments is None:
        raise SegmentsError("Expected segments of the structure picture, got none; perceive it first.")
    strengths = torch.full(structure.size, config.strength)
    for name, strength in config.thing_strengths.items():
        ids = torch.tensor(regions_named(structure.segments, name))
        strengths[torch.isin(structure.segments.labels, ids)] = strength
    return strengths
