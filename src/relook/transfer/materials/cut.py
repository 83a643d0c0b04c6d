"""What stands on a rug, or beside it, and was taken for it: cut out by its colours, and by where it stands out of the rug."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.io import as_pixels
from relook.ops.resize import at_most, resized
from relook.perceive.borders.cut import cut
from relook.perceive.borders.standing import FEWEST, SIDE, SMALL, enlarged, shrunk, standing_on
from relook.perceive.borders.surface import foreign
from relook.perceive.segment.regions import connected_parts
from relook.perceive.segment.superpixels import SIDE as PATCHED
from relook.perceive.segment.superpixels import superpixels, superpixels_of
from relook.session import Session

FINE = PATCHED
"""Longer side at which is looked for what stands before a rug: that of patches."""
LEAST = 0.5
"""Share of a rug that must be like it for colours to say anything."""
ROUNDS = 3
"""Of colours and cut in turn, where nothing is sure."""
OUT, WITHIN = 0.15, 0.7
"""Share of a superpixel outside of a rug's outline, and within the hull of what is, from which on it shows something that stands there."""
REACH = 0.35
"""How far what stands there may go on, in sides of a square of the size of what is known of it."""
BESIDE = 4
"""Pixels around a rug that are looked at."""


def cut_out(image: Float[Tensor, "3 H W"], rug: Bool[Tensor, "H W"], floor: Bool[Tensor, "H W"]) -> Bool[Tensor, "H W"]:
    """The pixels of a rug less those with colours of the bare floor, and less what stands on it (see `parted`)."""
    return parted(image, rug, floor)[0]


def parted(
    image: Float[Tensor, "3 H W"], rug: Bool[Tensor, "H W"], floor: Bool[Tensor, "H W"]
) -> tuple[Bool[Tensor, "H W"], Bool[Tensor, "H W"]]:
    """Of a rug's pixels the rug itself, and what stands on it: parts whose colours are not the rug's. Neither has those of the bare floor's colours."""
    size = at_most((rug.shape[0], rug.shape[1]), SIDE)
    lab = cv2.cvtColor(as_pixels(resized(image, size)), cv2.COLOR_RGB2LAB)
    here, bare = (shrunk(mask, size) for mask in (rug, floor))
    nothing = torch.zeros_like(rug)
    if here.sum() < FEWEST:
        return rug, nothing
    own = here
    if bare.sum() >= FEWEST:
        own = here & cut(lab, here, np.zeros_like(here), ~(here | bare), ROUNDS)
        if own.sum() < LEAST * here.sum():
            own = here
    standing = standing_on(lab, own)
    lost = (here & ~own) | standing
    if lost.sum() > (1 - LEAST) * here.sum():
        return rug, nothing
    return rug & ~enlarged(lost, rug), rug & enlarged(standing, rug)


def standing_out(
    image: Float[Tensor, "3 H W"],
    rug: Bool[Tensor, "H W"],
    outside: Bool[Tensor, "H W"],
    session: Session | None = None,
) -> Bool[Tensor, "H W"]:
    """Of a rug's pixels those of things that stand before its side: the superpixels of which a part lies outside of its outline, and those
    most of which lie within the convex hull of such.

    outside: pixels of its region that are surely not on it. session: remembers the picture's patches.
    """
    size = at_most((rug.shape[0], rug.shape[1]), FINE)
    here, beyond = shrunk(rug, size), shrunk(rug & outside, size)
    seeds = np.zeros_like(here)
    for place, part, area in connected_parts(beyond):
        if area > SMALL * here.sum():
            seeds[place] |= part
    if not seeds.any():
        return torch.zeros_like(rug)
    small = resized(image, size)
    patches = superpixels(small) if session is None else superpixels_of(image, session)
    inside, out = (np.bincount(patches[mask], minlength=patches.max() + 1) for mask in (here, seeds))
    large = out > np.maximum(OUT * inside, SMALL * here.sum())
    hull = _hulls(here & (large[patches] | seeds), SMALL * here.sum())
    within = np.bincount(patches[hull & here], minlength=len(inside)) > WITHIN * inside
    lab = cv2.cvtColor(as_pixels(small), cv2.COLOR_RGB2LAB)
    standing = _whole(lab, here & (within[patches] | seeds), here, SMALL * here.sum())
    return rug & enlarged(standing, rug) if standing.sum() < (1 - LEAST) * here.sum() else torch.zeros_like(rug)


def goes_on(image: Float[Tensor, "3 H W"], rug: Bool[Tensor, "H W"], other: Bool[Tensor, "H W"]) -> float:
    """Share of what borders on a rug, among other pixels, that has the rug's colours: where it is large the rug's region ends too early."""
    size = at_most((rug.shape[0], rug.shape[1]), SIDE)
    lab = cv2.cvtColor(as_pixels(resized(image, size)), cv2.COLOR_RGB2LAB)
    here, beside = (shrunk(mask, size) for mask in (rug, other))
    ring = cv2.dilate(here.astype(np.uint8), np.ones((2 * BESIDE + 1,) * 2, np.uint8)) > 0
    ring &= cv2.dilate(here.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0
    if here.sum() < FEWEST or not (ring & beside).any():
        return 0.0
    far = foreign(lab, here | ring)
    alike = far < 2 * np.median(far[here])
    return float((alike & ring & beside).sum() / ring.sum())


def _whole(lab: np.ndarray, standing: np.ndarray, rug: np.ndarray, least: float) -> np.ndarray:
    """What is known to stand before a rug, with what goes on in its colours beside it (graph cut)."""
    result = standing.copy()
    for place, _, area in connected_parts(standing):
        if area < least:
            continue
        reach = max(2, round(REACH * math.sqrt(area)))
        window = tuple(slice(max(0, side.start - 2 * reach), side.stop + 2 * reach) for side in place)
        sure, here = standing[window], rug[window]
        away = cv2.distanceTransform((~sure).astype(np.uint8), cv2.DIST_L2, 5)
        near = away < reach
        result[window] |= here & cut(lab[window], near, sure, ~here | ~near, ROUNDS)
    return result


def _hulls(mask: np.ndarray, least: float) -> np.ndarray:
    """The convex hull of every part of a mask that has so many pixels."""
    result = np.zeros(mask.shape, np.uint8)
    for place, part, area in connected_parts(mask):
        if area > least:
            rows, columns = np.nonzero(part)
            points = np.stack([columns + place[1].start, rows + place[0].start], 1).astype(np.int32)
            cv2.fillConvexPoly(result, cv2.convexHull(points), 1)
    return result > 0
