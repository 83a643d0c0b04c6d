"""How much of a change the confidence of what was perceived allows."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from relook.ops.guided import box
from relook.perceive.segment.vocabulary import countable
from relook.types import Segments

THINGS, SURFACES = (0.3, 0.6), (0.45, 0.8)
"""Confidence of a region up to which it stays as it is, and from which it changes wholly: surfaces are easier to be sure of."""
SOFT = 0.003
"""Half the width, in sides of the picture, over which one confidence goes over into another."""


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


def soft_beliefs(segments: Segments) -> Float[Tensor, "H W"]:
    """The same, softly over borders."""
    found = beliefs(segments)
    return box(found[None], max(1, round(SOFT * max(found.shape))))[0] if bool((found < 1).any()) else found
