"""What every photo suite is run with, and what it leaves: one function from rows and pairs to records and a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from relook.errors import InputError
from relook.evaluate import instruments
from relook.evaluate.engine import Engine
from relook.evaluate.gallery import Gallery, Picture
from relook.evaluate.instruments import Instruments, missing
from relook.evaluate.methods.rows import DEFAULT, PhotoRow, Setting
from relook.evaluate.provenance import checkpoint_weights, family_weights, provenance
from relook.evaluate.report import write_results
from relook.evaluate.sources.pair import Source
from relook.evaluate.suite import ERROR, Plan, Report, Task, possible

if TYPE_CHECKING:
    from rich.console import RenderableType

GRID = (
    "statistics", "transport", "palette", "microast", "restyle3d/released", "cross-image-attention/released", "eye-for-an-eye/released", "relook",
)  # fmt: skip
"""Columns of the grid, those that were run."""


@dataclass(frozen=True)
class Options:
    """What every photo suite can be told."""

    out: Path = Path("runs/photo")
    """Folder of the results; a run that was stopped resumes there."""
    rows: tuple[str, ...] = ()
    """Rows to run, e.g. `statistics relook`. Default: all."""
    steps: int | None = None
    """Denoising steps of every diffusion method; `None`: each preset's own."""
    family: str = "dollhouse"
    """Model family."""
    device: str = "cpu"
    """Where it runs: `cpu` or `cuda`."""
    engine: Engine = field(default_factory=Engine)
    instruments: Instruments = field(default_factory=Instruments)


def run_rows(
    title: str,
    lead: str,
    rows: Mapping[str, PhotoRow],
    source: Source,
    config: Options,
    report: Report,
    *,
    columns: Sequence[str] = GRID,
    reference: str | Mapping[str, str] = DEFAULT,
    against: str | None = None,
) -> RenderableType:
    """Run rows over pairs and write everything that a suite leaves; returns the tables.

    columns: rows of the grid. reference, against: the row that the others are compared with, as for `write_results`.
    """
    setting = Setting(config.family, config.device, config.steps)
    wanted, left_out, weights = possible(rows, config.rows, setting)
    plan = Plan(title, config.out, source, wanted, setting, config.instruments, weights)
    records = plan.records(config.engine, report)
    failed = plan.failures()
    hashes = instruments.weights(config.instruments) | checkpoint_weights(
        n for row in wanted.values() for n in row.weights
    )
    if weights:
        hashes |= family_weights(setting.loaded())
    tables = write_results(
        config.out, title, lead, records, {name: row.note for name, row in wanted.items()},
        pictures=_gallery(plan, columns), missing=[*left_out, *failed, *missing(config.instruments)], reference=reference, against=against,
        provenance=provenance(title, config, cases=source.revision, weights=hashes, device=config.device),
    )  # fmt: skip
    if failed:
        raise InputError(
            f"Expected every picture of {title}, got {len(failed)} failures ({failed[0]}); the results of all others are in {config.out}."
        )
    return tables


def _gallery(plan: Plan, columns: Sequence[str]) -> Gallery:
    """Where the report finds its pictures."""

    def given(case: str) -> Mapping[str, Picture]:
        pair = plan.source.pair(case)
        pictures: dict[str, Picture] = {"structure": pair.structure.image, "style": pair.style.image}
        return pictures if pair.exact is None else pictures | {"exact answer": pair.exact}

    def made(case: str, row: str) -> Picture | None:
        place = plan.place(Task(case, row))
        return None if place.with_suffix(ERROR).is_file() or not place.is_file() else place

    return Gallery(plan.source.names, given, made, [row for row in columns if row in plan.rows] or list(plan.rows)[:8])
