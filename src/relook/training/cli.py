"""`relook train WHAT`: one subcommand per part that can be trained here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console

from relook.errors import InputError
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


def main(words: Sequence[str]) -> int:
    """Parse the words after `relook train` and run; returns the exit code. Raises InputError for an unknown subject."""
    console = Console(highlight=False)
    if not words or words[0] in ("-h", "--help"):
        for name, (_, _, about) in SUBJECTS.items():
            console.print(f"relook train {name} [--help]: {about}", markup=False)
        return 0
    if words[0] not in SUBJECTS:
        raise InputError(f"Expected `relook train` with one of {', '.join(SUBJECTS)}, got {words[0]!r}; choose one.")
    options, run, _ = SUBJECTS[words[0]]
    folder = run(tyro.cli(options, prog=f"relook train {words[0]}", args=list(words[1:])))
    console.print(f"{folder}", markup=False)
    return 0
