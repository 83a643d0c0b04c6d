"""What a level view says of floor, walls and ceiling: lines by direction, and what each pixel can be, by its segment or by its colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from relook.perceive.layout.frame import Frame
from relook.perceive.layout.level import Level
from relook.perceive.layout.lines import Lines
from relook.perceive.segment.vocabulary import canonical
from relook.types import Segments

CEILING, FLOOR, SIDE_WALL, END_WALL = range(4)
"""Zones of a column; a side wall faces across the room, an end wall faces along it."""
NORMALS = (1, 1, 0, 2)
"""The direction that each zone faces along."""
MISFIT = 0.5
"""Cost of a pixel on a line that runs along the normal of its zone: no surface holds such a line, though a thing before it may."""
WALLS, THING, NOTHING = 2, 3, 4
"""Groups of classes beside CEILING and FLOOR: what stands in the room, and what nothing is known of."""
GROUPS: Mapping[str, int] = {
    "ceiling": CEILING, "floor": FLOOR, "rug": FLOOR,
    **dict.fromkeys(("wall", "painting", "window", "door", "curtain", "mirror"), WALLS),
}  # fmt: skip
"""Classes that are the room itself, or lie flat on it."""
COSTS = np.array([[0, 4, 1.5, 1.5], [4, 0, 2.5, 2.5], [1.2, 1.5, 0, 0], [0.8, 0.35, 0.3, 0.3], [0.5, 0.5, 0.5, 0.5]])
"""What a pixel of a group (row) costs in a zone."""
LINE, LINE_BESIDE_SEGMENTS = 0.05, 0.025
"""Gain of a column by a line, alone and where segments say more."""
BINS = 12, 10, 10
"""Of lightness and the two axes of colour."""
COLOUR = 0.5
"""Weight of what colour says, in place of a segment: a share of its surprise in nats, which is at most RAREST."""
RAREST = 3.0


@dataclass(frozen=True)
class Evidence:
    """Everything that a box is judged by."""

    sums: Float[np.ndarray, "4 rows w"]
    """Cost of a column's pixels in each zone above each of h + 1 row borders, in parts of the column."""
    along: Float[np.ndarray, "2 h w"]
    """Support by lines across and by lines ahead."""
    corners: Float[np.ndarray, " w"]
    """From 0 to 1: how much of a column lies on upright lines."""
    line: float
    """What a column gains at a foot or head that lies on a line of the wall's own direction."""


def find_evidence(
    level: Level, frame: Frame, lines: Lines, costs: Float[np.ndarray, "4 h w"] | None = None, *, line: float = LINE
) -> Evidence:
    """Lines, and what the pixels cost where that is known; line: see Evidence."""
    support = np.stack([level.support(lines[frame.direction == axis]) for axis in range(3)])
    pixels = MISFIT * support[list(NORMALS)] + (0 if costs is None else costs)
    rows = np.maximum(level.shown.sum(0), 1)
    sums = np.pad((pixels * level.shown).cumsum(1), ((0, 0), (1, 0), (0, 0))) / rows
    corners = np.minimum(1, 2 * (support[1] > 0.5).sum(0) / rows)
    return Evidence(sums, support[[0, 2]], corners, line)


def colour_costs(
    level: Level, image: UInt8[np.ndarray, "H W 3"], zones: Int[np.ndarray, "h w"]
) -> Float[np.ndarray, "4 h w"]:
    """What each level pixel costs in each zone by its colour, if the zones are about where a map of them says."""
    from scipy.ndimage import gaussian_filter

    lab = cv2.cvtColor(level.warped(image), cv2.COLOR_RGB2LAB).astype(np.int64)
    bins = [lab[..., i] * BINS[i] // 256 for i in range(3)]
    known = level.shown & (zones >= 0)
    likely = np.zeros((4, *BINS))
    np.add.at(likely, (zones[known], *(one[known] for one in bins)), 1.0)
    likely = gaussian_filter(likely, (0, 1, 0.7, 0.7), mode="nearest") + 1e-4 * known.sum() / np.prod(BINS)
    likely /= likely.sum((1, 2, 3), keepdims=True)
    share = likely / likely.sum(0)
    return COLOUR * np.minimum(-np.log(share), RAREST)[:, bins[0], bins[1], bins[2]]


def segment_costs(level: Level, segments: Segments) -> Float[np.ndarray, "4 h w"]:
    """What each level pixel costs in each zone, by the class of its region."""
    groups = np.full(segments.labels.shape, NOTHING, np.uint8)
    labels = segments.labels.cpu().numpy()
    for id, region in segments.regions.items():
        groups[labels == id] = GROUPS.get(canonical(region.name), THING)
    return COSTS[level.warped(groups, NOTHING)].transpose(2, 0, 1)
