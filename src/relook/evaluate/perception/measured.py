"""What a depth sensor and poses say of two views: which pixels of the first the second surely shows, and where; and what is surely hidden."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.captures import Frame
from relook.errors import InputError
from relook.ops.geometry import flow_from_depth, inside, known_depth, project, sample, unproject
from relook.types import View

CLOSE, APART = 0.03, 0.10
"""Two sensor readings that differ by less than CLOSE (a part of the depth) are one point; by more than APART, the nearer one hides the other."""
EDGE, EDGE_SIDE = 0.06, 7
"""No pixel is scored where the depth within EDGE_SIDE pixels differs by more than this part of it."""


@dataclass(frozen=True)
class Case:
    """Two views and what is true of them."""

    first: View
    second: View
    flow: Float[Tensor, "2 H W"]
    scored: Bool[Tensor, "H W"]
    """Pixels that the second view surely shows, with a flow that is surely known."""
    hidden: Bool[Tensor, "H W"]
    """Pixels that the second view surely does not show."""


def in_common(first: Frame, second: Frame, step: int = 8) -> float:
    """The part of the first picture whose points the second one shows too, judged at every `step`-th pixel."""
    near, far = first.sensor_depth(), second.sensor_depth()
    if near is None or far is None or first.camera is None or second.camera is None:
        return 0.0
    depth, other = near.masked(), far.masked()
    places, z = project(unproject(depth, first.camera)[::step, ::step], second.camera)
    lands = torch.isfinite(z) & (z > 0) & inside(places, second.size)
    x, y = torch.where(lands[..., None], places, torch.zeros_like(places)).long().unbind(-1)
    return float((lands & ((z / other[y, x] - 1).abs() < CLOSE)).float().mean())


def measured_case(first: View, second: View) -> Case:
    """What a depth sensor and poses say of two views.

    A pixel is scored only where both sensors read the same point (within CLOSE) and neither is near an edge of its known depth; it is hidden
    where its point lands outside, or behind a reading that is nearer by more than APART.
    """
    depth, other = first.metric_depth, second.metric_depth
    if depth is None or other is None or first.camera is None or second.camera is None:
        raise InputError("Expected two views with a camera and depth, got one without; read another capture.")
    flow, _, known, _ = flow_from_depth(depth, first.camera, other, second.camera)
    points = unproject(depth, first.camera)
    places, z = project(points, second.camera)
    lands = known_depth(depth) & (z > 0) & inside(places, second.size)
    safe = torch.where(lands[..., None], places, torch.full_like(places, 0.5))
    filled = torch.where(known_depth(other), other, torch.zeros_like(other))
    whole = sample(known_depth(other)[None].float(), safe)[0] > 0.999
    there = sample(filled[None], safe)[0].clamp_min(1e-6)
    smooth = sample(_smooth(other)[None].float(), safe)[0] > 0.999
    same = lands & whole & ((z / there - 1).abs() < CLOSE)
    scored = same & smooth & _smooth(depth)
    hidden = known & _smooth(depth) & (~lands | (whole & (z > there * (1 + APART))))
    return Case(first, second, flow, scored, hidden)


def _smooth(depth: Float[Tensor, "H W"]) -> Bool[Tensor, "H W"]:
    """Pixels with a reading, and readings without an edge all around."""
    known = known_depth(depth)
    low = -torch.nn.functional.max_pool2d(
        -torch.where(known, depth, torch.full_like(depth, 1e3))[None], EDGE_SIDE, 1, EDGE_SIDE // 2
    )[0]
    high = torch.nn.functional.max_pool2d(
        torch.where(known, depth, torch.zeros_like(depth))[None], EDGE_SIDE, 1, EDGE_SIDE // 2
    )[0]
    return known & (high - low < EDGE * depth)
