"""Does attention carry the look? From fresh noise, without AdaIN and with one prompt, the semantic swap off and on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from relook.evaluate import dollhouse_photo
from relook.evaluate.rows import CLASS_SWAP
from relook.evaluate.suite import Report

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Config(dollhouse_photo.Config):
    """The class-swap test: colour error on matched classes with semantic attention off and on, from fresh noise."""

    out: Path = Path("runs/class-swap")
    """Folder of the results; a run that was stopped resumes there."""
    pairs: int = 24
    """Number of pairs."""


def run(config: Config, report: Report) -> Table:
    """Run the test; returns the table."""
    lead = f"{config.pairs} pairs from fresh noise, depth and prompt alike, no AdaIN: only attention differs."
    return dollhouse_photo.run_rows("class-swap", lead, CLASS_SWAP, config, report, tuple(CLASS_SWAP))
