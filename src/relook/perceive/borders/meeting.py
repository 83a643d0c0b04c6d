"""Where walls meet ceilings: the shortest border along the lines of the picture, near the room's where its layout is sure."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8

from relook.ops.fill import filled
from relook.ops.resize import at_most
from relook.ops.slopes import slopes
from relook.perceive.borders.cut import depth_inside
from relook.perceive.borders.faint import faint_lines
from relook.perceive.borders.regions import Kinds
from relook.perceive.layout.lines import Lines
from relook.perceive.layout.planes import CEILING, WALLS, seen_planes
from relook.perceive.segment.regions import connected_parts
from relook.types import Layout

SIDE = 480
"""Longer side in pixels at which borders are looked for."""
BAND = 0.09
"""How far, in parts of the longer side, a border may move."""
CORE = 0.7
"""Share of the depth of a part from which on it stays."""
SPECK = 0.004
"""A part below this share of the picture may go."""
ON_LINE = 0.1
"""What a pixel of border costs on a line of the picture; elsewhere it costs 1."""
STEEP = 3.0
"""Slope, in medians of the surfaces', at which it costs a half."""
SEEN = 0.3
"""What it costs to give a pixel as far as BAND to the other surface; nearer ones cost less, with the square."""
SURE = 0.6
"""Confidence of a layout's planes from which on they say what is ceiling and what is wall."""
LEANING, MISTAKEN = 0.15, 0.4
"""What it costs to give a pixel to the surface that such a layout does not see there, and as how far from its border, in parts of BAND, it
counts at most where the segmenter does."""
UNIT = 1000
"""Flows are whole numbers: so many are a cost of 1."""
STEPS = ((0, 1, 1.0), (1, 0, 1.0), (1, 1, 0.5**0.5), (1, -1, 0.5**0.5))
"""Neighbours, each with the length of border that it stands for (Boykov and Kolmogorov 2003)."""


def met(
    lab: UInt8[np.ndarray, "h w 3"],
    labels: Int[np.ndarray, "h w"],
    lines: Lines,
    kinds: Kinds,
    layout: Layout | None = None,
) -> Int[np.ndarray, "h w"]:
    """The labels with the border between walls and ceilings on the picture's lines, and straight where there is none.

    The minimum cut between what is surely ceiling and what is surely wall: cutting between two pixels costs less on a line, leaving what
    the segmenter saw costs with the distance from its border, and so does leaving what a sure layout says. Only pixels of the two surfaces change.
    """
    if not np.isin(labels, kinds.ceilings).any() or not np.isin(labels, kinds.walls).any():
        return labels
    small = cv2.resize(labels, at_most(labels.shape, SIDE)[::-1], interpolation=cv2.INTER_NEAREST)
    ceiling, wall = np.isin(small, kinds.ceilings), np.isin(small, kinds.walls)
    signed, lean = _doubt(ceiling, wall) - _doubt(wall, ceiling), _lean(layout, small.shape)
    signed = np.where(lean * signed < 0, signed.clip(-MISTAKEN, MISTAKEN), signed)
    band = (ceiling | wall) & (np.abs(signed) < 1)
    costs, seen = _costs(lab, ceiling | wall, lines), cv2.resize(lab, small.shape[::-1], interpolation=cv2.INTER_AREA)
    cut = _least_cut(signed, LEANING * lean, band, costs)
    if layout is not None and _drawn(costs, cut, band, faint_lines(seen, signed, band, layout)):
        cut = _least_cut(signed, LEANING * lean, band, costs)
    whole = np.where(band, cut, filled(torch.from_numpy(ceiling), torch.from_numpy(~(ceiling | wall))).numpy())
    above = cv2.resize(whole.astype(np.float32), labels.shape[::-1], interpolation=cv2.INTER_CUBIC) > 0.5
    return _given(_given(labels, ~above, kinds.ceilings, kinds.walls), above, kinds.walls, kinds.ceilings)


def _drawn(
    costs: Float[np.ndarray, "h w"],
    cut: Bool[np.ndarray, "h w"],
    band: Bool[np.ndarray, "h w"],
    lines: Iterable[Int[np.ndarray, "2 2"]],
) -> bool:
    """Whether a border goes astray beside any of the lines, which then are in the costs: for half of its way it is on no line of the picture."""
    border = band & cut & (cv2.erode(cut.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    astray, found = np.argwhere(border & (costs > ON_LINE))[:, ::-1], np.argwhere(border)[:, ::-1]
    changed = False
    for line in lines:
        reach = BAND * max(costs.shape)
        beside = [((one > line.min(0) - reach) & (one < line.max(0) + reach)).all(1).sum() for one in (astray, found)]
        if beside[0] > 0.5 * beside[1]:
            paper = np.zeros(costs.shape, np.uint8)
            cv2.line(paper, line[0].tolist(), line[1].tolist(), 255)
            costs[paper > 0], changed = ON_LINE, True
    return changed


def _given(
    labels: Int[np.ndarray, "h w"], where: Bool[np.ndarray, "h w"], owners: tuple[int, ...], takers: tuple[int, ...]
) -> Int[np.ndarray, "h w"]:
    """The labels, what the owners have there given to the nearest of the takers."""
    nearest = filled(torch.from_numpy(labels), torch.from_numpy(~np.isin(labels, takers))).numpy()
    return np.where(where & np.isin(labels, owners), nearest, labels)


def _lean(layout: Layout | None, size: tuple[int, int]) -> Int[np.ndarray, "h w"]:
    """1 where a layout is sure of a ceiling, -1 where of a wall."""
    if layout is None:
        return np.zeros(size, int)
    ids = seen_planes(layout.resized(size), sure=SURE).ids.numpy()
    return (ids == CEILING).astype(int) - (ids >= WALLS)


def _doubt(here: Bool[np.ndarray, "h w"], other: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Depth inside a surface from the other one, 1 from BAND on and in the core of its larger parts; 0 outside."""
    depth, result = depth_inside(~other), np.zeros(here.shape)
    for place, part, area in connected_parts(here):
        deepest = CORE * float(depth[place][part].max()) if area > SPECK * here.size else np.inf
        result[place][part] = depth[place][part] / min(BAND * max(here.shape), deepest)
    return result


def _costs(
    lab: UInt8[np.ndarray, "H W 3"], surfaces: Bool[np.ndarray, "h w"], lines: Lines
) -> Float[np.ndarray, "h w"]:
    """Of a border through each pixel: little on a line, less than 1 on a slope that is steeper than most of the surfaces'."""
    size = surfaces.shape
    drawn = np.zeros(size, np.uint8)
    for x0, y0, x1, y1 in np.round(lines.ends * (max(size) / lines.side)).astype(int).tolist():
        cv2.line(drawn, (x0, y0), (x1, y1), 255)
    steep = slopes(cv2.resize(lab, size[::-1], interpolation=cv2.INTER_AREA))
    faint = 1 / (1 + (steep / (STEEP * np.median(steep[surfaces]) + 1e-3)) ** 2)
    return np.where(drawn > 0, ON_LINE, faint.clip(ON_LINE))


def _least_cut(
    signed: Float[np.ndarray, "h w"],
    lean: Float[np.ndarray, "h w"],
    band: Bool[np.ndarray, "h w"],
    costs: Float[np.ndarray, "h w"],
) -> Bool[np.ndarray, "h w"]:
    """Which pixels of the band are ceiling."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    number = np.full(band.shape, -1)
    number[band] = np.arange(band.sum())
    number[~band & (signed >= 1)] = source = int(band.sum())
    number[~band & (signed <= -1)] = sink = source + 1
    starts, ends, flows = [], [], []
    for down, right, length in STEPS:
        here = (slice(0, band.shape[0] - down), slice(max(0, -right), band.shape[1] - max(0, right)))
        there = (slice(down, band.shape[0]), slice(max(0, right), band.shape[1] + min(0, right)))
        pair = (number[here] >= 0) & (number[there] >= 0) & (band[here] | band[there])
        cost = length * np.minimum(costs[here], costs[there])[pair]
        starts += [number[here][pair], number[there][pair]]
        ends += [number[there][pair], number[here][pair]]
        flows += [cost, cost]
    pull, own = (np.sign(signed) * SEEN * signed**2 + lean)[band], number[band]
    starts += [np.full((pull > 0).sum(), source), own[pull < 0]]
    ends += [own[pull > 0], np.full((pull < 0).sum(), sink)]
    flows += [pull[pull > 0], -pull[pull < 0]]
    table = coo_array(
        (np.round(UNIT * np.concatenate(flows)).astype(np.int32), (np.concatenate(starts), np.concatenate(ends))),
        shape=(sink + 1, sink + 1),
    ).tocsr()
    left = table - maximum_flow(table, source, sink).flow
    left.eliminate_zeros()
    reached = np.zeros(sink + 1, bool)
    reached[breadth_first_order(left, source, return_predecessors=False)] = True
    return band & reached[number]
