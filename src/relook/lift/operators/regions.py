"""Chances of classes as regions of a picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from relook.lift.scene.said import bordered
from relook.perceive.segment.regions import with_confidence
from relook.types import Region, Segments

NOTHING = ("background",)
"""Names of classes that are no thing: no region is made of them."""


def likeliest(chances: Float[Tensor, "K h w"], names: Sequence[str], image: Float[Tensor, "3 H W"]) -> Segments:
    """One region at the picture's size for each class that is the likeliest somewhere, borders along the picture's edges.

    A region's id is its class's number + 1, the same in every picture; it is as sure as its pixels are in the mean.
    """
    thing = torch.tensor([name not in NOTHING for name in names])
    chances = chances * thing[:, None, None]
    labels = bordered(image, torch.cat([torch.zeros_like(chances[:1]), chances]))
    sure = interpolate(chances.amax(0)[None, None], image.shape[1:], mode="bilinear", align_corners=False)[0, 0]
    regions = {id: Region(names[id - 1]) for id in labels.unique().tolist() if id}
    return with_confidence(Segments(labels, regions), sure.numpy())
