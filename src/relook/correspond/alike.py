"""One look for one thing: of several things of a class that a style picture shows, those that look alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.correspond.semantic import Correspondence
from relook.ops.statistics import rgb_to_lab

UNLIKE = 15.0
"""Distance in CIE Lab of their mean colours from which on two things do not look alike."""
LARGE = 0.25
"""Part of the largest one's pixels that the one to be like must have."""
ASIDE = 0.5
"""What a thing in a corner of the picture counts, beside one in its middle: a picture's things are in its middle."""


def with_alike(found: Correspondence, image: Float[Tensor, "3 H W"]) -> Correspondence:
    """The correspondence, where a class takes from several perceived regions (a confidence below 1), with those alone that look like the best.

    The best is large, sure and near the picture's middle. A red chair and a cream one, mixed, give a colour that neither has, and what was
    wrongly called a sofa gives the sofa's colour away. image: the style's, of its regions' size.
    """
    labels, lab = found.style.labels, rgb_to_lab(image).permute(1, 2, 0)
    chosen: dict[tuple[int, ...], tuple[int, ...]] = {}
    for ids in {ids for ids in found.allowed.values() if len(ids) > 1}:
        shown = [id for id in ids if bool((labels == id).any())]
        if len(shown) > 1 and all(found.style.regions[id].confidence < 1 for id in shown):
            chosen[ids] = _alike(shown, labels, lab, [found.style.regions[id].confidence for id in shown])
    return replace(found, allowed={region: chosen.get(ids, ids) for region, ids in found.allowed.items()})


def _alike(
    ids: Sequence[int], labels: Int[Tensor, "H W"], lab: Float[Tensor, "H W 3"], sure: Sequence[float]
) -> tuple[int, ...]:
    """The regions whose mean colour is near that of the best."""
    half = torch.tensor(labels.shape) / 2
    areas, colours, worth = [], [], []
    for id, confidence in zip(ids, sure, strict=True):
        pixels = (labels == id).nonzero()
        away = float(((pixels.float().mean(0) - half) / half).norm()) / 2**0.5
        areas.append(len(pixels))
        colours.append(lab[labels == id].mean(0))
        worth.append(confidence * (1 - (1 - ASIDE) * away))
    best = max(
        (place for place, area in enumerate(areas) if area >= LARGE * max(areas)), key=lambda place: worth[place]
    )
    return tuple(id for id, colour in zip(ids, colours, strict=True) if float((colour - colours[best]).norm()) < UNLIKE)
