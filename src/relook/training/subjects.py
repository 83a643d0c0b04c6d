"""What `relook train` can train."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from relook.training.dollhouse import TrainDollhouse, train_dollhouse
from relook.training.perception import TrainFlow, TrainPerceiver, train_flow_folder, train_perceiver_folder
from relook.training.views import TrainWarpRefine, train_warp_refine

SUBJECTS: Mapping[str, tuple[type, Callable[[Any], Path], str]] = {
    "dollhouse": (TrainDollhouse, train_dollhouse, "the embedded family, on the dollhouse world"),
    "perceiver": (TrainPerceiver, train_perceiver_folder, "the embedded network for classes, depth and descriptors"),
    "warp-refine": (TrainWarpRefine, train_warp_refine, "the network that completes the look carried through a walk"),
    "flow": (TrainFlow, train_flow_folder, "the embedded network that mends optical flow"),
}
"""What can be trained -> its options, its function, and what it is."""
