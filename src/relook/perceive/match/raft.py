"""RAFT as a matcher: flow both ways at a working size."""

from __future__ import annotations

from typing import Literal

import torch

from relook.models.store import locate
from relook.perceive.match.consistency import agreeing, working_pair
from relook.types import Matches, View

SIDE, LEAST = 640, 64
"""Longest and shortest side, in pixels, of the pictures it looks at: 4 levels of correlation need 64."""
ITERATIONS = 12
"""Updates of the flow."""


@torch.no_grad()
def raft(
    first: View,
    second: View,
    *,
    checkpoint: Literal["raft_sintel", "raft_small"] = "raft_sintel",
    side: int = SIDE,
    iterations: int = ITERATIONS,
) -> Matches:
    """Flow with RAFT (Teed and Deng 2020); raises MissingModelError without the checkpoint."""
    from relook.models.raft import STRIDE, load_raft

    network = load_raft(locate(checkpoint))
    pair = working_pair(first, second, side, STRIDE, LEAST)
    return pair.restored(agreeing(*network.both_ways(pair.first, pair.second, iterations)))
