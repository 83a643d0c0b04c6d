"""Borders that nobody can see in the picture: what nothing parts from a larger region is of that, a cabinet that a wall's panels were taken for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from relook.io import as_pixels
from relook.ops.resize import at_most, resized
from relook.ops.slopes import slopes
from relook.perceive.borders.parted import CALM, alike, reach_of, unseen_share
from relook.perceive.borders.regions import Kinds, kinds_of
from relook.perceive.segment.regions import around, connected_parts
from relook.perceive.segment.superpixels import SIDE, borders_of
from relook.perceive.segment.vocabulary import canonical
from relook.types import Region, Segments

DOUBTFUL = 0.6
"""Confidence below which a thing may be none, and a ceiling the wall that goes on above it."""
SMALLEST = 0.0002
"""Share of the picture from which on a part is looked at."""
SMALL = 0.25
"""Share of its region up to which a part that edges part from the rest may be none of it, however sure the region is."""
UNSEEN = 0.35
"""Share of a part's whole border that must be unseen, and shared with one larger region, which then gets the part; half of it where the thing
has no confidence at all."""
SWALLOWED = 0.4
"""The same for a piece that edges part from the rest of a surface: half of a chair's back that was taken for the wall."""
FITTED, AMID = frozenset({"cabinet", "shelf"}), 0.9
"""What a wall's panels are taken for, whose mouldings are edges; such a part is of the wall that has this share of its border and is alike all over."""
HALF, CLEAR = 0.5, 0.6
"""Share of a part that must be doubted, and that share of the border of a part that is not."""


def without_unseen(image: Float[Tensor, "3 H W"], segments: Segments) -> Segments:
    """A picture's segments, parts of doubtful things given as by `unseen_given`, but to no floor (black chairs stand before dark ones); borders as
    coarse as at SIDE pixels. For what is lifted from many frames, before they vote."""
    size = at_most((image.shape[1], image.shape[2]), SIDE)
    small = segments.resized(size)
    lab = cv2.cvtColor(as_pixels(resized(image.cpu(), size)), cv2.COLOR_RGB2LAB)
    kinds, coarse = kinds_of(segments), small.labels.cpu().numpy().astype(np.int32)
    takers = set(segments.regions) - set(kinds.floors)
    labels = _given((lab, slopes(lab)), coarse, _doubtful(coarse, segments, kinds), takers)
    found = Segments(torch.from_numpy(labels.astype(np.int64)).to(segments.labels.device), segments.regions)
    return found.resized((image.shape[1], image.shape[2]))


def unseen_given(
    lab: UInt8[np.ndarray, "h w 3"],
    labels: Int[np.ndarray, "h w"],
    patches: Int[np.ndarray, "h w"],
    segments: Segments,
    kinds: Kinds,
) -> Int[np.ndarray, "h w"]:
    """The labels, parts of things given to a larger region from which nothing in the picture parts them.

    Whole parts of doubtful things, and pieces that edges part from the rest of any thing or surface, however sure (`_given`). patches: superpixels;
    segments: the regions that the labels are of, with their confidence.
    """
    from scipy.ndimage import find_objects

    areas, steep = np.bincount(labels.ravel(), minlength=int(labels.max()) + 1), slopes(lab)
    things, parts = _things(segments, kinds), _doubtful(labels, segments, kinds)
    pieces, surfaces = _pieces(labels, patches, steep), {*kinds.walls, *kinds.ceilings, *kinds.floors}
    for number, place in enumerate(find_objects(pieces + 1)):
        piece = pieces[place] == number
        id = int(labels[place][piece][0])
        if (id in things or id in surfaces) and piece.sum() < SMALL * areas[id]:
            least = min(UNSEEN, _least(segments.regions[id])) if id in things else SWALLOWED
            parts.append(Part(place, piece, least))
    return _given((lab, steep), labels, parts, set(segments.regions))


def parts_given(
    lab: UInt8[np.ndarray, "h w 3"],
    labels: Int[np.ndarray, "h w"],
    doubtful: Sequence[int],
    takers: Collection[int],
    doubted: Bool[np.ndarray, "h w"],
) -> Int[np.ndarray, "h w"]:
    """The labels, whole parts of the doubtful regions given to a larger one among the takers from which nothing in the picture parts them (`_given`).

    doubted: pixels of which a part must have more than half, or its border be unseen along CLEAR of it.
    """
    parts = [
        Part(place, part, UNSEEN if doubted[place][part].mean() > HALF else CLEAR)
        for id in doubtful
        for place, part, _ in connected_parts(labels == id)
    ]
    return _given((lab, slopes(lab)), labels, parts, takers)


class Part(NamedTuple):
    """A part of a region that may be of another."""

    place: tuple[slice, slice]
    pixels: Bool[np.ndarray, "y x"]
    """Of that place."""
    least: float
    """Share of its whole border that must be unseen."""
    fitted: bool = False
    """Whether it may be a wall's panel (FITTED)."""


def _given(
    seen: tuple[UInt8[np.ndarray, "h w 3"], Float[np.ndarray, "h w"]],
    labels: Int[np.ndarray, "h w"],
    parts: Sequence[Part],
    takers: Collection[int],
) -> Int[np.ndarray, "h w"]:
    """The labels, parts given to a larger region among the takers where nothing parts them: smaller parts first.

    No edge runs along their common border, and the colours on both sides have about the same mean along that share of the part's border.
    seen: the picture in Lab, and its slopes.
    """
    (lab, steep), result = seen, labels.copy()
    areas = np.bincount(labels.ravel(), minlength=int(labels.max()) + 1)
    reach = reach_of(labels.shape)
    for place, part, least, fitted in sorted(parts, key=lambda one: int(one.pixels.sum())):
        if part.sum() < SMALLEST * labels.size:
            continue
        beside, wide = around(result, place, part), _wider(place, reach + 2)
        whole = _only(part, place, labels.shape)
        for other in np.unique(beside).tolist():
            shared = float((beside == other).mean())
            if shared <= least or areas[other] <= part.sum() or other not in takers:
                continue
            unseen = unseen_share(lab[wide], steep[wide], whole[wide], result[wide] == other, reach)
            panel = fitted and shared > AMID and alike(lab, whole, result == other)
            if panel or shared * unseen > least:
                result[place][part] = other
                break
    return result


def _things(segments: Segments, kinds: Kinds) -> set[int]:
    """All but rugs: where these end, `rug_whole` decides."""
    return {id for id in kinds.things if canonical(segments.regions[id].name) != "rug"}


def _doubtful(labels: Int[np.ndarray, "h w"], segments: Segments, kinds: Kinds) -> list[Part]:
    """The parts of all things that may be none, and of ceilings."""
    return [
        Part(place, part, _least(segments.regions[id]), canonical(segments.regions[id].name) in FITTED)
        for id in _things(segments, kinds) | set(kinds.ceilings)
        if segments.regions[id].confidence < DOUBTFUL
        for place, part, _ in connected_parts(labels == id)
    ]


def _least(region: Region) -> float:
    """Share of the border of a region's part that must be unseen: half of UNSEEN without confidence, all of it from DOUBTFUL on."""
    return UNSEEN * (1 + region.confidence / DOUBTFUL) / 2


def _pieces(
    labels: Int[np.ndarray, "h w"], patches: Int[np.ndarray, "h w"], steep: Float[np.ndarray, "h w"]
) -> Int[np.ndarray, "h w"]:
    """Regions in pieces that edges part: superpixels of one label joined where their border is calm."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    kinds = int(labels.max()) + 1
    _, flat = np.unique(patches.astype(np.int64) * kinds + labels, return_inverse=True)
    nodes, number = flat.reshape(labels.shape), int(flat.max()) + 1
    pairs, _, slope = borders_of(nodes, steep)
    label = np.zeros(number, np.int64)
    label[nodes] = labels
    one, two = pairs[:, (slope <= CALM) & (label[pairs[0]] == label[pairs[1]])]
    links = coo_array((np.ones(len(one)), (one, two)), shape=(number, number))
    return np.asarray(connected_components(links, directed=False)[1])[nodes]


def _only(part: Bool[np.ndarray, "y x"], place: tuple[slice, slice], size: tuple[int, ...]) -> Bool[np.ndarray, "h w"]:
    """A part in the whole picture."""
    mask = np.zeros(size, bool)
    mask[place] = part
    return mask


def _wider(place: tuple[slice, slice], pixels: int) -> tuple[slice, slice]:
    rows, columns = (slice(max(0, one.start - pixels), one.stop + pixels) for one in place)
    return rows, columns
