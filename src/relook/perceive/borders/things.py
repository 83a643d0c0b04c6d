"""Things that stand in a room, cut out one by one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8

from relook.ops.fill import filled
from relook.perceive.borders.cut import cut, depth_inside
from relook.perceive.borders.regions import Kinds

SMALLEST = 0.003
"""Share of the picture from which on a region is cut out."""
BAND = 0.025
"""How far, in parts of the longer side, a border may move."""
CHANGES = (0.75, 1.3)
"""Bounds of the ratio of new to old area."""


def things_cut(lab: UInt8[np.ndarray, "h w 3"], labels: Int[np.ndarray, "h w"], kinds: Kinds) -> Int[np.ndarray, "h w"]:
    """The labels with every thing's border moved to the picture's, but not into a floor; the smaller of two things comes before the larger."""
    floor = np.isin(labels, kinds.floors)
    areas = {id: int((labels == id).sum()) for id in kinds.things}
    order = [id for id in sorted(areas, key=lambda id: -areas[id]) if areas[id]]
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:  # graph cuts, each on one core
        masks = dict(zip(order, threads.map(lambda id: _thing(lab, labels == id, floor), order), strict=True))
    left = np.isin(labels, kinds.things)
    result = labels.copy()
    for id, mask in masks.items():
        result[mask], left[mask] = id, False
    return filled(torch.from_numpy(result), torch.from_numpy(left)).numpy()


def _thing(
    lab: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"], floor: Bool[np.ndarray, "h w"]
) -> Bool[np.ndarray, "h w"]:
    """One thing, cut out of the part of the picture around it; as it is where it is small, or would change too much."""
    if mask.mean() < SMALLEST:
        return mask
    band = max(2, round(BAND * max(mask.shape)))
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    top, left = max(0, int(rows[0]) - 2 * band), max(0, int(columns[0]) - 2 * band)
    place = slice(top, int(rows[-1]) + 2 * band), slice(left, int(columns[-1]) + 2 * band)
    here, new = mask[place], mask.copy()
    never = (depth_inside(~here) > band) | floor[place]
    new[place] = cut(lab[place], here, depth_inside(here) > band, never)
    return new if CHANGES[0] < new.sum() / mask.sum() < CHANGES[1] else mask
