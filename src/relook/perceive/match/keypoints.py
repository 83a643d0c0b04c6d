"""Sparse matches of two views behind one interface: `KeypointMatcher` = View, View -> KeypointMatches."""

from __future__ import annotations

from functools import partial

from relook.models.store import is_checkpoint
from relook.perceive.backends import BackEnd, Table
from relook.perceive.match import hub_keypoints
from relook.perceive.match.points import KeypointMatcher, KeypointMatches, on_a_grid, verified
from relook.perceive.match.raft import Checkpoint, raft
from relook.perceive.match.sift import sift
from relook.session import Session
from relook.types import View

LIGHTGLUE, LOFTR = "ETH-CVG/lightglue_superpoint", "zju-community/efficientloftr"
"""Keypoint matchers of transformers (SuperPoint, in the first, is for non-commercial research only)."""


def keypoint_matcher(name: str, session: Session) -> KeypointMatcher:
    """The keypoint matcher called `name`: one of KEYPOINTS, or a transformers keypoint matcher (hub id or folder).

    auto: the flow of RAFT where it is sure (the small network first: its cameras are as good), else SIFT. Raises InputError for an unknown name.
    """
    return KEYPOINTS.find(name, session)


def keypoint_matches(first: View, second: View, name: str, session: Session) -> KeypointMatches:
    """Points that two views of one room have in common, with `keypoint_matcher(name)`, those off the epipolar geometry left out."""
    return verified(keypoint_matcher(name, session)(first, second), max(first.size))


def _flow(checkpoint: Checkpoint, session: Session) -> KeypointMatcher:
    return partial(on_a_grid, dense=partial(raft, checkpoint=checkpoint, session=session))


def _model(name: str, session: Session) -> KeypointMatcher:
    return partial(hub_keypoints.transformers_matches, model=name, session=session)


KEYPOINTS: Table[KeypointMatcher] = Table(
    "keypoint matcher",
    "a keypoint matcher",
    (
        BackEnd("auto", lambda session: keypoint_matcher(KEYPOINTS.chosen("auto"), session), "the best one here"),
        BackEnd(
            "raft", partial(_flow, "raft_sintel"), "RAFT where it is sure, on a grid", weights=("raft_sintel",), device="session"
        ),
        BackEnd(
            "raft-small", partial(_flow, "raft_small"), "the small RAFT where it is sure, on a grid", weights=("raft_small",),
            device="session",
        ),
        BackEnd("sift", lambda session: sift, "SIFT, mutual and unambiguous"),
        BackEnd(
            "lightglue", partial(_model, LIGHTGLUE), "LightGlue on SuperPoint", weights=(LIGHTGLUE,), device="session"
        ),
        BackEnd("loftr", partial(_model, LOFTR), "EfficientLoFTR", weights=(LOFTR,), device="session"),
    ),
    order=("raft-small", "raft", "sift"),
    is_model=is_checkpoint,
    load_model=_model,
    besides=", a hub id or a folder",
)  # fmt: skip
