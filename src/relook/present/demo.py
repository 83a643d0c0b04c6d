"""`relook demo`: a few rooms, every method and baseline against the exact answer, as a picture and a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from relook.evaluate.suite import Report

COLUMNS = ("reinhard", "statistics", "palette", "cross-image-attention/relook", "eye-for-an-eye/relook", "relook")


@dataclass(frozen=True)
class DemoConfig:
    """A small grid of rooms, three methods and baselines against the exact answer: grid.png and report.html."""

    out: Path = Path("demo")
    """Folder of the results."""
    pairs: int = 4
    """Number of pairs."""
    seed: int = 0
    """Draws the rooms."""
    steps: int = 20
    """Denoising steps of every diffusion method."""


def run_demo(config: DemoConfig, report: Report) -> tuple[Table, Path]:
    """Make the grid and the page; returns the table and the page's path."""
    from relook.evaluate.dollhouse_photo import Config, run_rows
    from relook.evaluate.rows import ROWS

    rows = {name: ROWS[name] for name in ("copy", *COLUMNS, "exact")}
    lead = (
        f"{config.pairs} rooms of the dollhouse, {config.steps} steps: each takes the look of another room of its kind."
    )
    options = Config(out=config.out, pairs=config.pairs, seed=config.seed, steps=config.steps)
    return run_rows("relook demo", lead, rows, options, report, COLUMNS), config.out / "report.html"
