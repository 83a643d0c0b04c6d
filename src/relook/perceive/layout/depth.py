"""Estimated depth bent to a room's planes, which gives it metres; and a room's metres from depth that was measured."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.errors import DepthError, GeometryError
from relook.ops.align import fit_disparity
from relook.perceive.layout.planes import FLOOR, seen_planes
from relook.perceive.layout.room import rescaled
from relook.perceive.segment.vocabulary import canonical
from relook.types import Depth, Layout, Segments

SAMPLED = 20_000
"""Pixels that a fit looks at."""
FEWEST = 0.02
"""Share of the picture that must show a known plane."""
BEHIND = 1.03
"""Nothing is farther than the plane it stands before, by more than this factor."""
FLAT = ("floor", "rug", "wall", "ceiling", "painting", "door", "window", "curtain")
"""Classes that lie on the room's planes, nearly."""


def bent_to_planes(depth: Depth, layout: Layout, segments: Segments | None = None) -> Depth:
    """Metric depth: 1 / z = a / estimate + b, with a and b from where the room's planes are seen, and nothing behind them.

    The fit is robust: what stands before the planes may fill up to a third of what is looked at; with segments only surfaces that lie on
    planes are looked at. Raises DepthError where too little of a known plane is seen, or the depth is of another size.
    """
    if depth.values.shape != layout.size:
        raise DepthError(
            f"Expected depth of the layout's size {layout.size}, got {tuple(depth.values.shape)}; resize one of them."
        )
    planes = seen_planes(layout)
    at = _looked_at(planes.ids > 0, segments)
    try:
        fit = fit_disparity(depth.values[at].float(), planes.depth[at])
    except GeometryError as error:
        raise DepthError("Expected planes that the picture shows, got none that are known; mend the layout.") from error
    metric = fit.apply(depth.values.float())
    limit = torch.where(torch.isnan(planes.depth), torch.inf, BEHIND * planes.depth)
    return Depth(torch.minimum(metric, limit), "metric", depth.valid)


def scaled_by_depth(layout: Layout, depth: Depth, segments: Segments | None = None) -> Layout:
    """The layout in the metres of measured depth: the median ratio of depth to plane where the floor is seen, else any known plane.

    Raises DepthError where too little of a known plane is seen.
    """
    planes = seen_planes(layout)
    known = torch.isfinite(depth.masked()) & (planes.ids > 0)
    floor = known & (planes.ids == FLOOR)
    at = _looked_at(floor if floor.double().mean() > 2 * FEWEST else known, segments)
    ratio = (depth.values[at] / planes.depth[at]).float()
    return rescaled(layout, _mode(ratio), "depth")


def _looked_at(where: Bool[Tensor, "H W"], segments: Segments | None) -> Bool[Tensor, "H W"]:
    """At most SAMPLED pixels spread over a mask, on surfaces only where segments say which. Raises DepthError for fewer than FEWEST."""
    if segments is not None:
        flat = [id for id, region in segments.regions.items() if canonical(region.name) in FLAT]
        where = where & torch.isin(segments.labels, torch.tensor(flat, dtype=torch.int64))
    places = where.flatten().nonzero()[:, 0]
    if len(places) < FEWEST * where.numel():
        raise DepthError("Expected planes that the picture shows, got none that are known; mend the layout.")
    chosen = torch.zeros(where.numel(), dtype=torch.bool)
    chosen[places[:: -(-len(places) // SAMPLED)]] = True
    return chosen.view(where.shape)


def _mode(ratios: Float[Tensor, " N"]) -> float:
    """Where the logarithms of ratios lie closest: the middle of the shortest interval that holds a third of them."""
    logs = ratios.log().sort().values
    share = max(1, len(logs) // 3)
    widths = logs[share:] - logs[:-share]
    start = int(widths.argmin())
    return float(logs[start : start + share + 1].median().exp())
