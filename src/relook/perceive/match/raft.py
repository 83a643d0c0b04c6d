"""RAFT as a matcher: flow both ways at a working size."""

from __future__ import annotations

from typing import Literal

import torch

from relook.models.raft import STRIDE, load_raft
from relook.models.store import locate
from relook.perceive.match.consistency import agreeing, working_pair
from relook.session import Session
from relook.types import Matches, View

Checkpoint = Literal["raft_sintel", "raft_small"]
"""The full network and the small one."""
SIDE, LEAST = 640, 64
"""Longest and shortest side, in pixels, of the pictures it looks at: 4 levels of correlation need 64."""
ITERATIONS = 12
"""Updates of the flow."""


@torch.no_grad()
def raft(first: View, second: View, *, session: Session, checkpoint: Checkpoint = "raft_sintel") -> Matches:
    """Flow with RAFT (Teed and Deng 2020); raises MissingModelError without the checkpoint."""
    network = session.loaded(checkpoint, lambda: session.place.placed(load_raft(locate(checkpoint))))
    pair = working_pair(first, second, SIDE, STRIDE, LEAST)
    forward, backward = network(pair.first.to(session.device), pair.second.to(session.device), ITERATIONS)
    return pair.restored(agreeing(forward.cpu(), backward.cpu()))
