"""Regions of a picture behind one interface: `Segmenter` = View -> Segments at the view's size."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Integer

from relook.errors import InputError, SegmentsError
from relook.io import read_segments
from relook.models.store import is_checkpoint
from relook.ops.fill import filled
from relook.perceive import backends
from relook.perceive.segment.vocabulary import countable
from relook.types import UNLABELLED, Region, Segments, View

Segmenter = Callable[[View], Segments]

NAMES = ("auto", "exact", "embedded", "ade20k", "whole")
"""Segmenters by name; any other name is a label map (.png), or a transformers checkpoint by the catalogue's name, its folder or hub id."""
ORDER = ("eomt-ade20k", "oneformer-ade20k", "ade20k", "whole")
"""What `auto` takes for a view without segments: the first that is on this machine. The embedded network knows drawn rooms only."""
SMALLEST = 0.0002
"""What no region claims is a region of its own from this fraction of the picture on; less joins the nearest region."""
INSTANCE = 0.003
"""A connected part of a countable class is an instance of its own from this fraction of the picture on."""


def segmenter(name: str = "auto") -> Segmenter:
    """The segmenter called `name`: one of NAMES, a label map (.png), or a transformers checkpoint (name, folder or hub id).

    auto: the view's own segments, else the first of ORDER that is on this machine.
    Raises InputError for anything else. A checkpoint is looked for when the segmenter is first used.
    """
    known: Mapping[str, Segmenter] = {
        "auto": _auto, "exact": exact, "embedded": _embedded, "ade20k": _ade20k, "whole": whole,
    }  # fmt: skip
    if name in known:
        return known[name]
    if Path(name).suffix.lower() == ".png":
        return partial(from_file, path=Path(name))
    if is_checkpoint(name, "segmenter"):
        return partial(_checkpoint, name=name)
    raise InputError(
        f"Expected a segmenter out of {', '.join(NAMES)}, a label map (.png), or a transformers model (a name of `relook models list`, "
        f"a folder or a hub id owner/name), got {name!r}; choose one."
    )


def chosen(name: str) -> str:
    """The name with `auto` resolved for a view without segments."""
    return backends.first_here(ORDER) if name == "auto" else name


def revisions(name: str) -> Mapping[str, str]:
    """Name and revision of what is learned in a segmenter (`auto`: for a view without segments); empty if nothing is.

    Raises InputError for what is no segmenter, MissingModelError when a checkpoint is neither here nor can be fetched.
    """
    segmenter(name)
    from relook.perceive.segment.panoptic import folder_of

    return backends.revisions(chosen(name), "segmenter", plain=NAMES, files=(".png",), folder_of=folder_of)


def exact(view: View) -> Segments:
    """The segments that the view already has."""
    if view.segments is None:
        raise SegmentsError("Expected a view with segments, got one without; name a segmenter or a label map.")
    return view.segments


def from_file(view: View, path: Path) -> Segments:
    """A label map with names (docs/segments.md); it must have the picture's size."""
    return read_segments(path, view.size)


def whole(view: View) -> Segments:
    """One region, `whole picture` (a name that no other segmenter gives)."""
    return Segments(torch.ones(view.size, dtype=torch.int64), {1: Region("whole picture")})


def numbered(classes: Integer[np.ndarray, "H W"], names: Sequence[str], countable: Collection[str]) -> Segments:
    """Panoptic segments of a map of class ids (indices into `names`; a negative id is no class).

    One region per class, or one per connected part of a countable class; parts below INSTANCE stay with the largest.
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
    return Segments(torch.from_numpy(labels), regions)


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
    count: dict[str, int] = {}
    regions = {}
    for id, kind in ids.items():
        regions[id] = Region(names[kind], count.get(names[kind], 0))
        count[names[kind]] = count.get(names[kind], 0) + 1
    return Segments(whole_map, regions)


def connected_parts(mask: Bool[np.ndarray, "H W"]) -> list[tuple[tuple[slice, slice], np.ndarray, int]]:
    """Connected parts (8 neighbours) of a mask: where the box of each lies, the part inside its box, its pixels."""
    import cv2

    count, parts, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    found = []
    for part, (x, y, width, height, area) in enumerate(boxes.tolist()[1:count], start=1):
        place = (slice(y, y + height), slice(x, x + width))
        found.append((place, parts[place] == part, area))
    return found


def dissolved(
    classes: Integer[np.ndarray, "H W"], is_speck: Callable[[tuple[slice, slice], np.ndarray, int], bool]
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


def _auto(view: View) -> Segments:
    """The best segments on this machine."""
    return view.segments if view.segments is not None else segmenter(chosen("auto"))(view)


def _ade20k(view: View) -> Segments:
    from relook.perceive.segment.ade20k import segments

    return segments(view)


def _embedded(view: View) -> Segments:
    from relook.perceive.embedded import segments

    return segments(view)


def _checkpoint(view: View, name: str) -> Segments:
    from relook.perceive.segment.panoptic import segments

    return segments(view, name)


def _claim(result: np.ndarray, ids: dict[int, int], mask: np.ndarray, kind: int, *, thing: bool) -> None:
    """Give pixels of one class that have no region to regions of that class, old or new; too small ones stay 0."""
    import cv2

    alike = [id for id, other in ids.items() if other == kind]
    if alike and not thing:
        result[mask] = alike[0]
        return
    for place, part, area in connected_parts(mask):
        (top, bottom), (left, right) = ((edge.start, edge.stop) for edge in place)
        around = (slice(max(top - 1, 0), bottom + 1), slice(max(left - 1, 0), right + 1))
        inside = np.zeros(result[around].shape, np.uint8)
        inside[top - around[0].start :, left - around[1].start :][: part.shape[0], : part.shape[1]] = part
        ring = result[around][(cv2.dilate(inside, np.ones((3, 3), np.uint8)) - inside).astype(bool)]
        touching = {id: int((ring == id).sum()) for id in alike}
        best = max(touching, key=lambda id: touching[id], default=0)
        if not touching.get(best) and area >= SMALLEST * result.size:
            best = len(ids) + 1
            ids[best] = kind
            if not thing:
                alike = [best]
        if touching.get(best) or best not in touching:
            result[place][part] = best
