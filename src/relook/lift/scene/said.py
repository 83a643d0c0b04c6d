"""What single views say of a scene, as numbers of names; and what the scene says to them, as regions with borders along their own edges."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn.functional import one_hot

from relook.lift.scene.decided import LYING, Decided
from relook.ops.geometry import known_depth
from relook.ops.guided import guided_filter
from relook.ops.resize import at_most, resized, scaled
from relook.perceive.segment.diffuse import shared
from relook.perceive.segment.superpixels import SIDE, superpixels, superpixels_of
from relook.perceive.segment.vocabulary import canonical
from relook.session import Session
from relook.types import UNLABELLED, Region, Segments, View

BORDER = (0.006, 1e-4)
"""Guided filter that brings the borders of regions, which are those of superpixels about, to the edges of a picture."""
SHOWN = 384
"""Longer side in pixels of a picture for superpixels, at least: in smaller ones they would be larger than what is to be told apart."""
LEAST = 0.1
"""Chance that a region must have somewhere in a view to be in it."""
HOLE, FAR = 5, 0.9
"""Pixels across of a hole in a sensor's depth that is no pin hole, and a share of its readings."""
HARDLY = 0.3
"""Confidence of what is called a wall and is far darker than walls: it stays as it is."""
CERTAIN = 0.95
"""Confidence of what lies on a plane that was found: below 1, which is kept for what was stated or drawn."""


def numbered(segments: Segments, numbers: Mapping[str, int]) -> tuple[Int[Tensor, "H W"], Float[Tensor, "H W"]]:
    """The number of every pixel's name, UNLABELLED for none, and how sure its region is."""
    most = max([UNLABELLED, *segments.regions]) + 1
    number, sure = torch.zeros(most, dtype=torch.int64), torch.ones(most)
    for id, region in segments.regions.items():
        number[id], sure[id] = numbers.get(region.name, UNLABELLED), region.confidence
    return number[segments.labels], sure[segments.labels]


def numbers_of(names: Mapping[str, int]) -> tuple[list[int], list[int]]:
    """Those of names of rugs, and of floors."""
    rugs, floors = ([number for name, number in names.items() if canonical(name) == kind] for kind in ("rug", "floor"))
    return rugs, floors


def chances_of(labels: UInt8[Tensor, "h w"], classes: int) -> Float[Tensor, "K h w"]:
    """1 for the label of every pixel."""
    return one_hot(labels.long(), classes).permute(2, 0, 1).float()


def unread_of(view: View) -> tuple[Bool[Tensor, "H W"], float]:
    """Where a view's sensor read nothing, but for holes narrower than HOLE; and a distance that it seldom read beyond (FAR of its readings are nearer)."""
    depth = view.metric_depth
    if depth is None or not bool(known_depth(depth).any()):
        return torch.zeros(view.size, dtype=torch.bool), 0.0
    known = known_depth(depth)
    wide = cv2.morphologyEx((~known).numpy().astype(np.uint8), cv2.MORPH_OPEN, np.ones((HOLE, HOLE), np.uint8))
    return torch.from_numpy(wide > 0), float(depth[known].quantile(FAR))


def any_of(found: Segments, names: Sequence[str]) -> Bool[Tensor, "H W"]:
    """Where something has one of some names."""
    none = torch.zeros_like(found.labels, dtype=torch.bool)
    return torch.stack([none, *(found.mask(name) for name in names)]).any(0)


def regions_of(found: Decided, sure: Mapping[str, float]) -> dict[int, Region]:
    """The regions that were decided, as sure as their names are; parts of one name are its instances. What lies on the floor's plane is at least CERTAIN."""
    regions = {}
    for id, name in enumerate(found.names):
        if id != UNLABELLED:
            least = CERTAIN if found.floor is not None and canonical(name) in LYING else 0.0
            most = HARDLY if id in found.dark else 1.0
            regions[id] = Region(name, found.names[:id].count(name), confidence=min(most, max(least, sure[name])))
    return regions


class Packed(NamedTuple):
    """Superpixels of a picture in a twentieth of their memory, as those of all frames of a walk are kept."""

    size: tuple[int, int]
    """(H, W)."""
    numbers: bytes

    @staticmethod
    def of(patches: Int[np.ndarray, "y x"]) -> Packed:
        """Of a map of their numbers."""
        return Packed((patches.shape[0], patches.shape[1]), zlib.compress(patches.astype(np.int32).tobytes(), 1))

    def unpacked(self) -> Int[np.ndarray, "y x"]:
        """The number of every pixel's superpixel."""
        return np.frombuffer(zlib.decompress(self.numbers), np.int32).reshape(self.size)


def patches_of(image: Float[Tensor, "3 H W"], session: Session | None = None) -> Int[np.ndarray, "y x"]:
    """Superpixels of a picture of at least SHOWN and at most SIDE pixels. session: remembers those that a segmenter has just found."""
    longer = max(image.shape[1:])
    if longer >= SHOWN and session is not None:
        return superpixels_of(image, session)
    larger = scaled(image.shape[1:], max(1.0, SHOWN / longer))
    return superpixels(resized(image, at_most(larger, SIDE)))


def bordered(
    image: Float[Tensor, "3 H W"], chances: Float[Tensor, "K h w"], patches: Int[np.ndarray, "y x"] | None = None
) -> Int[Tensor, "H W"]:
    """The likeliest of K regions of every pixel, borders along the picture's edges; 0 everywhere where none has a chance.

    patches: the picture's `patches_of`, where they are known.
    """
    present = (chances.flatten(1).amax(1) > LEAST).nonzero()[:, 0]
    if not len(present):
        return torch.zeros(image.shape[1:], dtype=torch.int64)
    found = shared(patches_of(image) if patches is None else patches, chances[present])
    return present[guided_filter(image, found, *BORDER).argmax(0)]
