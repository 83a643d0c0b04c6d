"""How many steps are enough: Relook's default at several numbers of steps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from relook.evaluate import dollhouse_photo
from relook.evaluate.rows import step_rows
from relook.evaluate.suite import Report

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Config(dollhouse_photo.Config):
    """Relook's default at 20, 50 and 100 steps on the same pairs."""

    out: Path = Path("runs/steps")
    """Folder of the results; a run that was stopped resumes there."""
    pairs: int = 16
    """Number of pairs."""
    counts: tuple[int, ...] = (20, 50, 100)
    """Numbers of steps to compare."""


def run(config: Config, report: Report) -> Table:
    """Run the comparison; returns the table."""
    rows = step_rows(config.counts)
    lead = f"{config.pairs} unseen pairs, the same seed at every number of steps."
    return dollhouse_photo.run_rows("steps", lead, rows, config, report, tuple(rows))
