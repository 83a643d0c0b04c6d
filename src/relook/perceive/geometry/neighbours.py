"""Cameras of the views of a walk that a reconstruction could not hold: each from a view beside it that has one, and so on along the walk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from relook.errors import GeometryError
from relook.ops.geometry import sample
from relook.perceive.geometry.bent import fit_to_points
from relook.perceive.geometry.chain import Step, relative_pose
from relook.perceive.match.points import KeypointMatcher
from relook.types import Camera, Depth, Sparse, View

REACH = 3
"""Views along a walk from one without a camera to the one that it is found from, at most."""
LEAST = 24
"""Points that both must show: fewer may be chance."""


def beside(
    views: Sequence[View], depths: Sequence[Depth], found: Mapping[int, Sparse], match: KeypointMatcher
) -> dict[int, Sparse]:
    """`found` and what it lacks, where a neighbour in the walk tells: cameras and points in the same world and units.

    depths: estimated ones. A view whose neighbours show too little of what it shows stays out.
    """
    known, tried = dict(found), set[tuple[int, int]]()
    while True:
        for reach in range(1, REACH + 1):
            made = {}
            for number in (number for number in range(len(views)) if number not in known):
                near = [k for k in (number - reach, number + reach) if k in known and (k, number) not in tried]
                tried.update((other, number) for other in near)
                if (one := _best(number, near, views, depths, known, match)) is not None:
                    made[number] = one
            if made:
                break
        if not made:
            return known
        known |= made


def _best(
    number: int,
    others: Sequence[int],
    views: Sequence[View],
    depths: Sequence[Depth],
    known: Mapping[int, Sparse],
    match: KeypointMatcher,
) -> Sparse | None:
    """A view as that of some others finds it which has most points in common with it; None where all have too few."""
    steps = [(known[other], _step(views, depths, (other, number), known[other], match)) for other in others]
    good = [(sparse, step) for sparse, step in steps if step is not None and len(step.points) >= LEAST]
    if not good:
        return None
    sparse, step = max(good, key=lambda pair: len(pair[1].points))
    pose = sparse.camera.world_to_camera
    world = (step.points - pose[:3, 3]) @ pose[:3, :3]
    return Sparse(Camera(sparse.camera.K, step.pose @ pose), step.second, world)


def _step(
    views: Sequence[View], depths: Sequence[Depth], pair: tuple[int, int], sparse: Sparse, match: KeypointMatcher
) -> Step | None:
    """The move from a view with a camera to one without, in the units of the former's points; None where matches do not tell."""
    first, second = pair
    matches = match(views[first], views[second])
    if len(matches.first) < LEAST:
        return None
    bent, _ = fit_to_points(depths[first].values, sparse.pixels, sparse.depth, shift=depths[first].kind == "relative")
    there = sample(bent[None], matches.first[None])[0, 0]
    other, _ = fit_to_points(depths[second].values, matches.second, there, shift=depths[second].kind == "relative")
    both = [Depth(_positive(one), "metric") for one in (bent, other)]
    try:
        return relative_pose(matches.first, matches.second, [sparse.camera.K] * 2, both, views[second].size)
    except GeometryError:
        return None


def _positive(depth: Float[Tensor, "H W"]) -> Float[Tensor, "H W"]:
    return torch.where(torch.isfinite(depth) & (depth > 0), depth, torch.ones_like(depth))
