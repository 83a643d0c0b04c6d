"""Changes of a label map: regions get other names, are joined, parted, or painted. Each gives a new map; stated regions are certain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from relook.errors import SegmentsError
from relook.perceive.segment.vocabulary import tidy
from relook.types import UNLABELLED, Region, Segments

SMALL = 0.0005
"""Parts of a region that fill less of the picture stay with the largest."""
Point = tuple[float, float]
"""(x, y) in parts of the picture's width and height."""


def region_at(segments: Segments, point: Point) -> int:
    """The id of the region at a point; UNLABELLED for none."""
    height, width = segments.labels.shape
    x, y = (min(size - 1, max(0, int(part * size))) for part, size in zip(point, (width, height), strict=True))
    return int(segments.labels[y, x])


def renamed(segments: Segments, id: int, name: str) -> Segments:
    """A region under another name. Raises SegmentsError for no region and for no name."""
    _there(segments, id)
    return Segments(segments.labels, {**segments.regions, id: _named(segments, name)})


def merged(segments: Segments, id: int, name: str) -> Segments:
    """A region joined to the largest one of another name. Raises SegmentsError where there is none."""
    _there(segments, id)
    others = [one for one, region in segments.regions.items() if region.name == tidy(name) and one != id]
    if not others:
        raise SegmentsError(
            f"Expected a region called {name!r} to join, got none; it has: {', '.join(segments.names)}."
        )
    into = max(others, key=lambda one: int((segments.labels == one).sum()))
    labels = torch.where(segments.labels == id, into, segments.labels)
    return Segments(labels, {one: region for one, region in segments.regions.items() if one != id})


def parted(segments: Segments, id: int) -> Segments:
    """The parts of a region that do not touch as regions of their own: `sofa`, `sofa 2`, ... Raises SegmentsError for a region in one piece."""
    _there(segments, id)
    mask = (segments.labels == id).numpy().astype(np.uint8)
    count, pieces, facts, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    large = [one for one in range(1, count) if facts[one, cv2.CC_STAT_AREA] >= SMALL * mask.size]
    large.sort(key=lambda one: -int(facts[one, cv2.CC_STAT_AREA]))
    if len(large) < 2:
        raise SegmentsError(
            f"Expected several parts of {segments.regions[id].name}, got one piece; draw the part instead."
        )
    labels, regions, name = segments.labels.clone(), dict(segments.regions), segments.regions[id].name
    for number, piece in enumerate(large[1:], start=2):
        new = max(regions) + 1
        labels[torch.from_numpy(pieces == piece)] = new
        regions[new] = Region(f"{name} {number}")
    return Segments(labels, regions)


def painted(segments: Segments, mask: Bool[np.ndarray, "H W"], name: str) -> Segments:
    """The pixels of a mask as a region of their own. Raises SegmentsError for an empty mask and for no name."""
    _not_empty(mask)
    new = max([UNLABELLED, *segments.regions]) + 1
    labels = torch.where(torch.from_numpy(mask), new, segments.labels)
    return _left(labels, {**segments.regions, new: _named(segments, name)})


def taken_on(segments: Segments, id: int, mask: Bool[np.ndarray, "H W"]) -> Segments:
    """A region with the pixels of a mask besides its own. Raises SegmentsError for an empty mask and for no region."""
    _there(segments, id)
    _not_empty(mask)
    return _left(torch.where(torch.from_numpy(mask), id, segments.labels), segments.regions)


def taken_off(segments: Segments, id: int, mask: Bool[np.ndarray, "H W"]) -> Segments:
    """A region without the pixels of a mask: each goes to the region that is nearest to it. Raises SegmentsError where nothing can go elsewhere."""
    _there(segments, id)
    _not_empty(mask)
    labels = segments.labels.numpy()
    own = labels == id
    if own.all():
        raise SegmentsError(f"Expected a region beside {segments.regions[id].name}, got none; draw one there first.")
    _, places = cv2.distanceTransformWithLabels(own.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    others = np.zeros(int(places.max()) + 1, labels.dtype)
    others[places[~own]] = labels[~own]
    return _left(torch.from_numpy(np.where(own & mask, others[places], labels)), segments.regions)


def drawn(points: Sequence[Point], size: tuple[int, int], width: float = 0.0) -> Bool[np.ndarray, "H W"]:
    """Pixels of the shape with these corners, or, with a width (in parts of the longer side), those of a brush along them."""
    height, across = size
    mask = np.zeros(size, np.uint8)
    places = np.array([(x * across, y * height) for x, y in points]).round().astype(np.int32).reshape(-1, 1, 2)
    if width and len(places):
        thick = max(1, round(width * max(size)))
        cv2.polylines(mask, [places], False, 1, thick)
        for x, y in places[:, 0].tolist():
            cv2.circle(mask, (x, y), max(1, thick // 2), 1, -1)
    elif len(places) >= 3:
        cv2.fillPoly(mask, [places], 1)
    return mask.astype(bool)


def _left(labels: Int[Tensor, "H W"], regions: Mapping[int, Region]) -> Segments:
    """A map with those of the regions that it still has."""
    there = set(labels.unique().tolist())
    return Segments(labels, {id: region for id, region in regions.items() if id in there})


def _not_empty(mask: Bool[np.ndarray, "H W"]) -> None:
    if not mask.any():
        raise SegmentsError("Expected a shape in the picture, got none; draw it first.")


def _there(segments: Segments, id: int) -> None:
    if id == UNLABELLED or id not in segments.regions:
        raise SegmentsError("Expected a region, got none; click one first.")


def _named(segments: Segments, name: str) -> Region:
    """A region of a name, counted among those that have it."""
    plain = tidy(name)
    if not plain:
        raise SegmentsError("Expected a name for the region, got none; write one, e.g. sofa.")
    return Region(plain, sum(region.name == plain for region in segments.regions.values()))
