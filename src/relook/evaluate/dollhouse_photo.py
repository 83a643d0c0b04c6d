"""The first suite: unseen pairs of dollhouse rooms against the exact answer, every method beside every baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from relook.evaluate.report import markdown, table, write_grid, write_report
from relook.evaluate.rows import ROWS, Row
from relook.evaluate.suite import Report, prepare, summarise, write_summary
from relook.files import write_bytes

if TYPE_CHECKING:
    from rich.table import Table

GRID_ROWS = (
    "statistics",
    "palette",
    "adain",
    "restyle3d/attention",
    "restyle3d/both",
    "relook",
    "cross-image-attention/relook",
    "eye-for-an-eye/relook",
)
"""Columns of the grid, those that were run."""


@dataclass(frozen=True)
class Config:
    """Unseen pairs of rooms against the exact answer: writes summary.json, grid.png and report.html."""

    out: Path = Path("runs/dollhouse-photo")
    """Folder of the results; a run that was stopped resumes there."""
    pairs: int = 48
    """Number of pairs."""
    seed: int = 0
    """Draws the pairs; none was ever trained on."""
    size: int = 128
    """Height and width of the pictures in pixels."""
    steps: int | None = 20
    """Denoising steps of every diffusion method; `None`: each preset's own."""
    rows: tuple[str, ...] = ()
    """Rows to run, e.g. `statistics relook`. Default: all."""
    family: str = "dollhouse"
    """Model family."""
    device: str = "cpu"
    """Where it runs: `cpu` or `cuda`."""


def run(config: Config, report: Report) -> Table:
    """Run the suite; returns the table. Raises InputError for unknown rows, MissingModelError for rows without their family."""
    lead = (
        f"{config.pairs} unseen pairs of rooms, seed {config.seed}, {config.size} pixels, {config.steps or 'preset'} steps. "
        "Scored over the classes that both pictures show; pattern error where the pattern changes."
    )
    return run_rows("dollhouse-photo", lead, ROWS, config, report)


def run_rows(
    title: str, lead: str, rows: Mapping[str, Row], config: Config, report: Report, columns: Sequence[str] = ()
) -> Table:
    """Run any rows over the pairs of a config and write summary.json, table.md, grid.png (with `columns`) and report.html."""
    planned, missing = prepare(
        rows, config.rows, out=config.out, pairs=config.pairs, seed=config.seed, size=config.size, steps=config.steps,
        family=config.family, device=config.device,
    )  # fmt: skip
    outcomes = list(planned.outcomes(report))
    summary = summarise(outcomes)
    write_summary(planned, summary)
    write_bytes(config.out / "table.md", markdown(summary).encode())
    shown = [row for row in (columns or GRID_ROWS) if row in summary] or list(summary)[:6]
    write_grid(config.out / "grid.png", planned, outcomes, shown, pairs=12)
    write_report(config.out / "report.html", title, lead, planned, outcomes, summary, missing)
    made = table(f"{title}: {lead}", summary)
    made.caption = "\n".join(missing) or None
    return made
