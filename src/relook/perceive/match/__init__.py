"""Dense matches between two views of one room behind one interface: `Matcher` = View, View -> Matches at the first view's size."""

from __future__ import annotations

from functools import partial

import torch

from relook.errors import GeometryError
from relook.models import flow_refiner
from relook.models.store import is_checkpoint
from relook.ops.fill import filled
from relook.ops.geometry import flow_from_depth, known_depth
from relook.perceive.backends import BackEnd, Table
from relook.perceive.match.dis import dis
from relook.perceive.match.embedded import embedded
from relook.perceive.match.interpolate import densified
from relook.perceive.match.keypoints import KEYPOINTS, keypoint_matches
from relook.perceive.match.points import Matcher
from relook.perceive.match.raft import raft
from relook.session import Session
from relook.types import Matches, View

DRAWN, SENSED = 0.02, 0.05
"""A surface hides what lies behind it by more than this part of its depth, for drawn depth and for a sensor's."""


def matcher(name: str, session: Session) -> Matcher:
    """The matcher called `name`: one of MATCHERS, or a transformers keypoint matcher (hub id or folder).

    auto: exact where both views have depth and a camera (a sensor's holes are filled by the next), else the first of the table's order
    that is on this machine. Keypoint matchers are made dense by `relook.perceive.match.interpolate`.
    Raises InputError for an unknown name. Weights are looked for when the matcher is first used.
    """
    return MATCHERS.find(name, session)


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
    return Matches(flow, confidence, ~found.visible & ~unknown, found.depth)


def _auto(first: View, second: View, session: Session) -> Matches:
    """The best matches on this machine: measured where both views are, seen elsewhere."""
    seen, depth = matcher(MATCHERS.chosen("auto"), session), first.metric_depth
    if depth is None or second.metric_depth is None or first.camera is None or second.camera is None:
        return seen(first, second)
    measured, unknown = exact(first, second), ~known_depth(depth)
    if not bool(unknown.any()):
        return measured
    found = seen(first, second)
    return Matches(
        torch.where(unknown, found.flow, measured.flow),
        torch.where(unknown, found.confidence, measured.confidence),
        torch.where(unknown, found.occluded, measured.occluded),
    )


def _sparse(name: str, session: Session) -> Matcher:
    """The matches of a keypoint matcher, made dense; it raises GeometryError when there are too few."""
    return lambda first, second: densified(first, second, keypoint_matches(first, second, name, session))


MATCHERS: Table[Matcher] = Table(
    "matcher",
    "a matcher",
    (
        BackEnd("auto", lambda session: partial(_auto, session=session), "depth and cameras where known, else the best one here"),
        BackEnd("exact", lambda session: exact, "the views' own depth and cameras"),
        BackEnd(
            "raft", lambda session: partial(raft, session=session), "RAFT", weights=("raft_sintel",), device="session"
        ),
        BackEnd(
            "raft-small", lambda session: partial(raft, checkpoint="raft_small", session=session), "RAFT, the small one",
            weights=("raft_small",), device="session",
        ),
        BackEnd(
            "embedded", lambda session: partial(embedded, session=session), "SIFT's flow, mended by a small network",
            shipped=flow_refiner.SHIPPED, device="session",
        ),
        *(
            BackEnd(one.name, partial(_sparse, one.name), f"{one.note}, made dense", one.weights, device=one.device)
            for one in KEYPOINTS.entries
            if one.name in ("sift", "lightglue", "loftr")
        ),
        BackEnd("dis", lambda session: dis, "dense inverse search of OpenCV"),
    ),
    order=("raft", "raft-small", "embedded", "dis"),
    is_model=is_checkpoint,
    load_model=_sparse,
    besides=", a hub id or a folder",
)  # fmt: skip
