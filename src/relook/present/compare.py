"""`relook compare`: runs of a suite side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from relook.options import POSITIONAL
from relook.present.arguments import parse
from relook.present.terminal import OUT


@dataclass(frozen=True)
class Compare:
    """Put runs of a suite side by side: rows, differences case by case, and what differs between the runs."""

    reports: Annotated[tuple[Path, ...], POSITIONAL] = ()
    """Folders that relook evaluate wrote, at least two; the others are compared with the first."""
    out: Path | None = None
    """Folder to write to: compare.html, compare.md, compare.json."""
    rows: tuple[str, ...] = ()
    """Rows to compare. Default: those that at least two of the runs have."""
    metrics: tuple[str, ...] = ()
    """Numbers to compare, e.g. `psnr lpips`. Default: those of the runs' own tables."""


def compare(words: Sequence[str]) -> int:
    """relook compare REPORT REPORT..."""
    options = parse(Compare, "relook compare", words)
    from relook.evaluate.compare import run

    OUT.print(run(options.reports, out=options.out, rows=options.rows, metrics=options.metrics))
    if options.out is not None:
        OUT.print(f"{options.out / 'compare.html'}", markup=False)
    return 0
