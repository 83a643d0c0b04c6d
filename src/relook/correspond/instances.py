"""Which object of the style picture is the counterpart of which object of the structure, where a class has several.

Colour says nothing here, because looks are what differs: objects are compared by their place, size and outline, and paired so that the
sum of the differences is smallest (Kuhn 1955, the assignment problem).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from relook.perceive.segment.vocabulary import countable
from relook.types import Segments, ids_in

GRID = 12
"""Outlines are compared at GRID x GRID places of their boxes."""
PLACE, HEIGHT, SIZE, OUTLINE = 1.0, 2.0, 0.02, 0.3
"""Weights of the squared differences: left-right place, foot's place from top to bottom, logarithmic width and height, outline."""
MIRRORED = 0.5
"""The style picture is taken as a mirror image when that leaves less than this share of the differences."""


@dataclass(frozen=True)
class Outline:
    """What is compared of one object: no colour."""

    left_right: float
    """Middle of its box, in widths of the picture."""
    foot: float
    """Lower edge of its box, in heights of the picture."""
    size: tuple[float, float]
    """Logarithms of the width and height of its box, in parts of the picture's longer side."""
    shape: Float[Tensor, "GRID GRID"]
    """Share of every cell of its box that it fills."""

    def mirrored(self) -> Outline:
        """The same object in the mirror image of its picture."""
        return replace(self, left_right=1 - self.left_right, shape=self.shape.flip(1))


def matched_instances(
    structure: Segments, style: Segments, allowed: Mapping[int, tuple[int, ...]]
) -> dict[int, tuple[int, ...]]:
    """The lists of a correspondence with every counted object given exactly one counterpart.

    Structure regions with the same list are paired with the regions of that list (`pair_instances`), once with the style picture as it
    is and once as its mirror image; the latter is taken where it fits all the classes together far better (MIRRORED). Surfaces such as
    walls, regions that the picture does not show, and unmatched regions keep what they have. Lists stay equal or disjoint, as
    Correspondence needs.
    """
    groups = _groups(structure, style, allowed)
    outlines = {id: outline(structure, id) for regions, _ in groups for id in regions}
    style_outlines = {id: outline(style, id) for _, regions in groups for id in regions}
    plain, mirrored = (
        [pair_instances([outlines[id] for id in first], [side[id] for id in second]) for first, second in groups]
        for side in (style_outlines, {id: other.mirrored() for id, other in style_outlines.items()})
    )
    as_it_is, turned = (sum(cost for _, cost in pairings) for pairings in (plain, mirrored))
    better = mirrored if turned < MIRRORED * as_it_is else plain
    result = {region: tuple(ids) for region, ids in allowed.items()}
    for (first, second), (chosen, _) in zip(groups, better, strict=True):
        shared = result[first[0]]
        result |= {region: (second[0],) for region, ids in result.items() if ids == shared}
        result |= {region: (second[place],) for region, place in zip(first, chosen, strict=True)}
    return result


def pair_instances(structure: Sequence[Outline], style: Sequence[Outline]) -> tuple[list[int], float]:
    """Which style object belongs to each structure object, by position, size and outline, and the sum of the differences of these pairs.

    As many pairs as the shorter side has, chosen for the smallest sum. Structure objects that are left over take the one that
    differs least from them; style objects that are left over are not used.
    """
    from scipy.optimize import linear_sum_assignment

    costs = differences(structure, style)
    chosen = costs.argmin(1)
    rows, columns = linear_sum_assignment(costs)
    chosen[rows] = columns
    return chosen.tolist(), float(costs[rows, columns].sum())


def differences(structure: Sequence[Outline], style: Sequence[Outline]) -> Float[np.ndarray, "N M"]:
    """How different every structure object is from every style object.

    Squared differences: for equally many objects on both sides, a shift that all of them share does not change which pairing is best.
    """
    return np.array([[_difference(first, second) for second in style] for first in structure])


def outline(segments: Segments, id: int) -> Outline:
    """What is compared of the region `id`, which must have at least one pixel."""
    mask: Bool[Tensor, "H W"] = segments.labels == id
    height, width = mask.shape
    rows, columns = (mask.any(axis).nonzero()[:, 0] for axis in (1, 0))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    box = mask[top:bottom, left:right].float()
    longer = max(height, width)
    return Outline(
        (left + right) / 2 / width,
        bottom / height,
        (float(np.log((right - left) / longer)), float(np.log((bottom - top) / longer))),
        functional.interpolate(box[None, None], (GRID, GRID), mode="area")[0, 0].cpu(),
    )


def _groups(
    structure: Segments, style: Segments, allowed: Mapping[int, tuple[int, ...]]
) -> list[tuple[list[int], list[int]]]:
    """(structure regions, style regions) of everything that can be counted, where the style has several; shown ones only."""
    present, there = (set(ids_in(segments.labels)) for segments in (structure, style))
    found = []
    for ids in sorted({tuple(ids) for ids in allowed.values() if len(ids) > 1}):
        asking = sorted(region for region, others in allowed.items() if tuple(others) == ids and region in present)
        counterparts = sorted(id for id in ids if id in there)
        if asking and counterparts and all(countable(style.regions[id].name) for id in counterparts):
            found.append((asking, counterparts))
    return found


def _difference(first: Outline, second: Outline) -> float:
    """Weighted squared differences of two objects."""
    sizes = sum((a - b) ** 2 for a, b in zip(first.size, second.size, strict=True))
    return (
        PLACE * (first.left_right - second.left_right) ** 2
        + HEIGHT * (first.foot - second.foot) ** 2
        + SIZE * sizes
        + OUTLINE * float((first.shape - second.shape).abs().mean()) ** 2
    )
