"""Strength for single things: a picture that is restyled by the largest strength, mixed with the structure picture where less was asked for."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from relook.config import PhotoConfig
from relook.correspond.semantic import regions_named
from relook.errors import SegmentsError
from relook.ops.guided import guided_filter
from relook.types import View

BORDER, REACH = 3e-5, 0.008
"""Variance of colour above which an edge of the picture is the border of a thing, and how far from the region's border it may lie, as a fraction
of the longer side."""


def weakened(image: Float[Tensor, "3 H W"], structure: View, config: PhotoConfig) -> Float[Tensor, "3 H W"]:
    """The picture, restyled with `config.strongest`, with every thing at its own strength; the shares follow the picture's edges.

    Raises SegmentsError for a thing that the structure picture does not show.
    """
    if not config.thing_strengths:
        return image
    shares = _shares(structure, config)[None].to(image)
    own = structure.image.to(image)
    soft = guided_filter(own, shares, radius=REACH, epsilon=BORDER, working_side=1280)
    return torch.lerp(own, image, soft.clamp(0, 1))


def _shares(structure: View, config: PhotoConfig) -> Float[Tensor, "H W"]:
    """How much of the largest strength arrives at every pixel."""
    if structure.segments is None:
        raise SegmentsError("Expected segments of the structure picture, got none; perceive it first.")
    shares = torch.full(structure.size, config.strength)
    for name, strength in config.thing_strengths.items():
        ids = torch.tensor(regions_named(structure.segments, name))
        shares[torch.isin(structure.segments.labels, ids)] = strength
    return shares / max(config.strongest, 1e-9)
