"""Small parts of a frame's regions that belong to what surrounds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int32
from scipy.ndimage import binary_dilation, find_objects, label
from torch import Tensor

from relook.io import as_pixels
from relook.lift.scene.decided import LYING
from relook.lift.scene.said import CERTAIN
from relook.perceive.borders.unseen import parts_given
from relook.perceive.segment.vocabulary import canonical
from relook.types import Region, ids_in

ISLAND = 0.004
"""Share of a frame below which what only a floor surrounds is of the floor."""
STRAY = 0.015
"""Share of a frame below which what the scene knows nothing of is of the one thing that surrounds it."""
UNKNOWN = 0.5
"""Share of such a part that the scene must know nothing of."""


def without_strays(
    labels: Int[Tensor, "H W"], unknown: Bool[Tensor, "H W"], moving: Sequence[int]
) -> Int[Tensor, "H W"]:
    """Small parts that the scene knows nothing of, which one region surrounds, are of that: in black glass every frame sees another thing."""
    labels = labels.clone()
    for number in ids_in(labels):
        if number in moving:
            continue
        parts, count = label((labels == number).numpy())
        sizes = np.bincount(parts.flatten(), minlength=count + 1)
        for part, place in enumerate(find_objects(parts), 1):
            if sizes[part] < STRAY * labels.numel():
                near, here, ring = _around(labels, parts, part, place)
                one = len(ring) > 0 and bool((ring == ring[0]).all()) and int(ring[0]) not in moving
                if one and float(unknown[near][here].float().mean()) > UNKNOWN:
                    labels[near][here] = ring[0]
    return labels


def without_unseen(
    image: Float[Tensor, "3 H W"],
    labels: Int[Tensor, "H W"],
    unknown: Bool[Tensor, "H W"],
    regions: Mapping[int, Region],
    moving: Sequence[int],
) -> Int[Tensor, "H W"]:
    """Parts that the scene knows nothing of, and those that are clearly no own things, are of a larger region from which nothing in the picture
    parts them (`parts_given`). What moves, floors (black chairs stand before dark ones) and what is CERTAIN neither give nor take."""
    doubtful = {
        id for id, region in regions.items() if region.confidence < CERTAIN and canonical(region.name) not in LYING
    }
    ids = [id for id in ids_in(labels) if id in doubtful and id not in moving]
    lab = cv2.cvtColor(as_pixels(image.cpu()), cv2.COLOR_RGB2LAB)
    found = parts_given(lab, labels.numpy().astype(np.int32), ids, ids, unknown.numpy())
    return torch.from_numpy(found.astype(np.int64))


def without_islands(labels: Int[Tensor, "H W"], lying: Bool[Tensor, " K"], moving: Sequence[int]) -> Int[Tensor, "H W"]:
    """Small parts that only a floor surrounds are of the floor: where it shines, nothing else tells. lying: of K regions, those on the floor."""
    stays = torch.isin(labels, torch.tensor(moving, dtype=labels.dtype))
    lies, labels = lying[labels].numpy(), labels.clone()
    parts, count = label(~lies)
    sizes = np.bincount(parts.flatten(), minlength=count + 1)
    for part, place in enumerate(find_objects(parts), 1):
        if sizes[part] < ISLAND * lies.size:
            near, here, ring = _around(labels, parts, part, place)
            if len(ring) and bool(lying[ring].all()) and not stays[near][here].any():
                labels[near][here] = ring.mode().values
    return labels


def _around(
    labels: Int[Tensor, "H W"], parts: Int32[np.ndarray, "H W"], part: int, place: tuple[slice, ...]
) -> tuple[tuple[slice, ...], Bool[Tensor, "h w"], Int[Tensor, " n"]]:
    """The place of a part of a picture, one pixel wider; where it is the part; and the labels of the pixels around that."""
    near = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in place)
    here = parts[near] == part
    return near, torch.from_numpy(here), labels[near][torch.from_numpy(binary_dilation(here) & ~here)]
