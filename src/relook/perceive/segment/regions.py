"""Maps of classes as regions: one per surface, one per connected part of what can be counted, every pixel in one of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer

from relook.ops.fill import filled
from relook.perceive.segment.vocabulary import canonical, countable
from relook.types import UNLABELLED, Region, Segments, View

WHOLE = "whole picture"
"""The name of the only region where nothing sees any; networks fall back on it."""
Place = tuple[slice, slice]
"""Rows and columns of the box of a part."""
SMALLEST = 0.0002
"""What no region claims is a region of its own from this fraction of the picture on; less joins the nearest region."""
INSTANCE = 0.003
"""A connected part of a countable class is an instance of its own from this fraction of the picture on."""


def whole(view: View) -> Segments:
    """One region, called WHOLE."""
    return Segments(torch.ones(view.size, dtype=torch.int64), {1: Region(WHOLE)})


def numbered(
    classes: Integer[np.ndarray, "H W"],
    names: Sequence[str],
    countable: Collection[str],
    chances: Float[np.ndarray, "H W"] | None = None,
) -> Segments:
    """Panoptic segments of a map of class ids (indices into `names`; a negative id is no class).

    One region per class, or one per connected part of a countable class; parts below INSTANCE stay with the largest.
    chances: of every pixel's class; a region's confidence is their mean. None: it is 1.
    """
    labels = np.full(classes.shape, UNLABELLED, dtype=np.int64)
    regions: dict[int, Region] = {}
    for id in np.unique(classes[classes >= 0]).tolist():
        name, mask = names[id], classes == id
        labels[mask] = len(regions) + 1
        regions[len(regions) + 1] = Region(name)
        parts = sorted(connected_parts(mask), key=lambda part: -part[2]) if name in countable else []
        for place, part, area in parts[1:]:
            if area >= INSTANCE * classes.size:
                instance = sum(region.name == name for region in regions.values())
                labels[place][part] = len(regions) + 1
                regions[len(regions) + 1] = Region(name, instance)
    segments = Segments(torch.from_numpy(labels), regions)
    return segments if chances is None else with_confidence(segments, chances)


def ids_named(segments: Segments, name: str) -> list[int]:
    """Ids of the regions of a meaning (`canonical`)."""
    return [id for id, region in segments.regions.items() if canonical(region.name) == name]


def with_confidence(segments: Segments, chances: Float[np.ndarray, "H W"]) -> Segments:
    """The same regions, each with the mean of its pixels' chances, from 0 to 1, as its confidence."""
    labels = segments.labels.flatten().numpy()
    pixels, total = np.bincount(labels), np.bincount(labels, chances.reshape(-1).clip(0, 1))
    sure = {id: round(float(total[id] / pixels[id]), 3) for id in np.flatnonzero(pixels).tolist()}
    regions = {id: replace(region, confidence=sure.get(id, 0.0)) for id, region in segments.regions.items()}
    return Segments(segments.labels, regions)


def completed(
    labels: Integer[np.ndarray, "H W"],
    owner: Mapping[int, int],
    classes: Integer[np.ndarray, "H W"],
    names: Sequence[str],
) -> Segments:
    """Segments from a panoptic answer and the best class of every pixel, so that every pixel has a region.

    labels: ids of regions, others where there is none; owner: region id -> class id; classes: class ids.
    A pixel without region joins a region of its class (a surface anywhere, a thing where its connected part touches it), or its part
    becomes a region of its own from SMALLEST of the picture on, or it takes the nearest region.
    """
    known = np.isin(labels, list(owner))
    if not known.any():
        return numbered(classes, names, {name for name in names if countable(name)})
    result = np.zeros(labels.shape, np.int64)
    ids: dict[int, int] = {}
    for region, kind in owner.items():
        here = labels == region
        if here.any():
            same = [] if countable(names[kind]) else [id for id, other in ids.items() if other == kind]
            id = same[0] if same else len(ids) + 1
            ids[id] = kind
            result[here] = id
    for kind in np.unique(classes[~known]).tolist():
        _claim(result, ids, ~known & (classes == kind), kind, thing=countable(names[kind]))
    whole_map = filled(torch.from_numpy(result), torch.from_numpy(result == UNLABELLED))
    regions: dict[int, Region] = {}
    for id, kind in ids.items():
        regions[id] = Region(names[kind], sum(region.name == names[kind] for region in regions.values()))
    return Segments(whole_map, regions)


def connected_parts(mask: Bool[np.ndarray, "H W"]) -> list[tuple[Place, np.ndarray, int]]:
    """Connected parts (8 neighbours) of a mask: where the box of each lies, the part inside its box, its pixels."""
    import cv2

    count, parts, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    found = []
    for part, (x, y, width, height, area) in enumerate(boxes.tolist()[1:count], start=1):
        place = (slice(y, y + height), slice(x, x + width))
        found.append((place, parts[place] == part, area))
    return found


def around(
    labels: Integer[np.ndarray, "H W"], place: Place, part: Bool[np.ndarray, "h w"]
) -> Integer[np.ndarray, " N"]:
    """Labels of the pixels next to a connected part."""
    import cv2

    (top, bottom), (left, right) = ((edge.start, edge.stop) for edge in place)
    window = (slice(max(top - 1, 0), bottom + 1), slice(max(left - 1, 0), right + 1))
    inside = np.zeros(labels[window].shape, np.uint8)
    inside[top - window[0].start :, left - window[1].start :][: part.shape[0], : part.shape[1]] = part
    return labels[window][(cv2.dilate(inside, np.ones((3, 3), np.uint8)) - inside).astype(bool)]


def dissolved(
    classes: Integer[np.ndarray, "H W"], is_speck: Callable[[Place, np.ndarray, int], bool]
) -> Integer[np.ndarray, "H W"]:
    """Connected parts of a class that `is_speck` picks out take the class of the nearest pixel outside them.

    is_speck: where the box of a part lies, the part inside its box, its pixels -> whether it is one. Unchanged if every part is.
    """
    specks = np.zeros(classes.shape, bool)
    for id in np.unique(classes).tolist():
        for place, part, area in connected_parts(classes == id):
            if is_speck(place, part, area):
                specks[place] |= part
    return filled(torch.from_numpy(classes), torch.from_numpy(specks)).numpy()


def _claim(result: np.ndarray, ids: dict[int, int], mask: np.ndarray, kind: int, *, thing: bool) -> None:
    """Give pixels of one class that have no region to regions of that class, old or new; too small ones stay 0."""
    alike = [id for id, other in ids.items() if other == kind]
    if alike and not thing:
        result[mask] = alike[0]
        return
    for place, part, area in connected_parts(mask):
        ring = around(result, place, part)
        touching = {id: int((ring == id).sum()) for id in alike}
        best = max(touching, key=lambda id: touching[id], default=0)
        if not touching.get(best) and area >= SMALLEST * result.size:
            best = len(ids) + 1
            ids[best] = kind
            if not thing:
                alike = [best]
        if touching.get(best) or best not in touching:
            result[place][part] = best
