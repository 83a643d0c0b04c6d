"""Dense matches between two views of one room behind one interface: `Matcher` = View, View -> Matches at the first view's size."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from relook.errors import GeometryError, InputError
from relook.models import flow_refiner
from relook.models.store import is_checkpoint, is_here
from relook.ops.fill import filled
from relook.ops.geometry import flow_from_depth, known_depth
from relook.perceive.match.dis import dis
from relook.perceive.match.embedded import embedded
from relook.perceive.match.interpolate import densified
from relook.perceive.match.keypoints import HUB_IDS, keypoint_matches
from relook.perceive.match.raft import raft
from relook.types import Matches, View

Matcher = Callable[[View, View], Matches]

NAMES = (
    "auto", "exact", "raft", "raft-small", "embedded", "xfeat", "xfeat-dense", "lighterglue", "sift", "lightglue", "loftr", "dis",
)  # fmt: skip
"""Matchers by name; any other name is the hub id or the folder of a keypoint matcher of transformers."""
DRAWN, SENSED = 0.02, 0.05
"""A surface hides what lies behind it by more than this part of its depth, for drawn depth and for a sensor's."""


def matcher(name: str = "auto") -> Matcher:
    """The matcher called `name`.

    auto: exact where both views have depth and a camera (a sensor's holes are filled by the next), else the first of raft, raft-small
    and the embedded network that is on this machine, else dis.
    Sparse matchers (xfeat, xfeat-dense, lighterglue, sift, lightglue, loftr) are made dense by `relook.perceive.match.interpolate`.
    """
    known: dict[str, Matcher] = {
        "auto": _auto,
        "exact": exact,
        "raft": raft,
        "raft-small": partial(raft, checkpoint="raft_small"),
        "embedded": embedded,
        "dis": dis,
    }
    if name in known:
        return known[name]
    if name in NAMES or name in HUB_IDS or is_checkpoint(name):
        return partial(sparse, keypoints=name)
    raise InputError(f"Expected a matcher out of {', '.join(NAMES)}, a hub id or a folder, got {name!r}; choose one.")


def exact(first: View, second: View) -> Matches:
    """What the views' own depth and cameras say, be the depth drawn or read by a sensor.

    Pixels without depth take their nearest neighbour's flow at confidence 0; where the second view has no depth, confidence is a half.
    Raises GeometryError for views without metric depth or a camera, or without any depth in the first.
    """
    depth, other = first.metric_depth, second.metric_depth
    if depth is None or other is None or first.camera is None or second.camera is None:
        raise GeometryError(
            "Expected two views with metric depth and a camera, got one without; read them from a capture, or choose another matcher."
        )
    sensed = any(view.depth is not None and view.depth.valid is not None for view in (first, second))
    found = flow_from_depth(depth, first.camera, other, second.camera, tolerance=SENSED if sensed else DRAWN)
    unknown = ~torch.isfinite(found.flow).all(0)
    if bool(unknown.all()):
        raise GeometryError("Expected depth in the first view, got none; choose another matcher.")
    flow = filled(found.flow, unknown)
    confidence = (found.visible & ~unknown).float() * torch.where(found.known, 1.0, 0.5)
    return Matches(flow, confidence, ~found.visible & ~unknown)


def sparse(first: View, second: View, keypoints: str) -> Matches:
    """The matches of a keypoint matcher, made dense. Raises GeometryError when there are too few."""
    return densified(first, second, keypoint_matches(first, second, keypoints))


def _auto(first: View, second: View) -> Matches:
    """The best matches on this machine."""
    depth = first.metric_depth
    if depth is None or second.metric_depth is None or first.camera is None or second.camera is None:
        return _seen(first, second)
    measured = exact(first, second)
    unknown = ~known_depth(depth)
    if not bool(unknown.any()):
        return measured
    seen = _seen(first, second)
    return Matches(
        torch.where(unknown, seen.flow, measured.flow),
        torch.where(unknown, seen.confidence, measured.confidence),
        torch.where(unknown, seen.occluded, measured.occluded),
    )


def best_flow() -> str:
    """The name of the best matcher of plain pictures on this machine."""
    for name, checkpoint in (("raft", "raft_sintel"), ("raft-small", "raft_small")):
        if is_here(checkpoint):
            return name
    return "embedded" if flow_refiner.is_here() else "dis"


def _seen(first: View, second: View) -> Matches:
    """The best matches on this machine from the pictures alone."""
    return matcher(best_flow())(first, second)
