"""How much of a change the confidence of what was perceived allows."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.ops.guided import box
from relook.perceive.segment.vocabulary import countable
from relook.types import Segments

THINGS, SURFACES = (0.3, 0.6), (0.45, 0.8)
"""Confidence of a region up to which it stays as it is, and from which it changes wholly: surfaces are easier to be sure of."""
NONE = 1e-4
"""Share of a square that counts as none of a region."""


def only_planes(segments: Segments) -> bool:
    """Whether nothing but planes of a room was perceived, no thing, and none of it for certain."""
    return not any(countable(region.name) or region.confidence == 1 for region in segments.regions.values())


def believed(name: str, confidence: float) -> float:
    """How much of a change the confidence of a region allows, from 0 to 1."""
    low, high = THINGS if countable(name) else SURFACES
    t = min(1.0, max(0.0, (confidence - low) / (high - low)))
    return t * t * (3 - 2 * t)


def beliefs(segments: Segments) -> Float[Tensor, "H W"]:
    """How much of the change each pixel takes, by the confidence of its region."""
    table = torch.ones(max([0, *segments.regions]) + 1)
    for id, region in segments.regions.items():
        table[id] = believed(region.name, region.confidence)
    return table[segments.labels]


def beliefs_within(found: Float[Tensor, "H W"], region: Bool[Tensor, "H W"], radius: int) -> Float[Tensor, "H W"]:
    """Of those beliefs the ones inside a region, in means over squares of that radius in pixels, carried on as far beyond its border.

    So a region's soft border takes as much of the region's change as the region itself, not what its neighbour would take.
    """
    inside = region.to(found)
    total, pixels = box(torch.stack([found * inside, inside]), radius)
    usual = found[region].mean() if bool(region.any()) else found.new_ones(())
    return (total + NONE * usual) / (pixels + NONE)
