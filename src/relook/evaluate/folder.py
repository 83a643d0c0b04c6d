"""The suite of one's own pictures: `relook evaluate folder DIR`, structures x styles, every method beside every baseline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from relook.errors import InputError
from relook.evaluate.methods.rows import ROWS, PhotoRow
from relook.evaluate.photo import Options, run_rows
from relook.evaluate.sections import CEILING
from relook.evaluate.sources.folder import Folder
from relook.evaluate.sources.pair import Source
from relook.evaluate.suite import Report
from relook.options import POSITIONAL

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class Config(Options):
    """Your own pictures: DIR/structures, DIR/styles and perhaps DIR/pairs.csv (docs/evaluate.md). There need not be an exact answer."""

    path: Annotated[Path | None, POSITIONAL] = None
    """The folder."""
    out: Path = Path("runs/folder")
    """Folder of the results; a run that was stopped resumes there."""
    longest: int | None = 512
    """Longer side in pixels that pictures are shrunk to; `None`: as they are."""


def run(config: Config, report: Report) -> RenderableType:
    """Run the suite; returns the tables. Raises InputError for a folder without pairs."""
    source = Folder(*known(config))
    lead = f"{len(source.names)} pairs of {config.path}, {config.steps or 'preset'} steps."
    return run_rows("folder", lead, possible_rows(source), source, config, report)


def known(config: Config) -> tuple[Path, int | None, str, str]:
    """What a source on disk needs: its folder, the size, and what perceives the pictures that come without segments or depth."""
    if config.path is None:
        raise InputError("Expected a folder of pairs, got none; name it behind the suite's name.")
    instruments = config.instruments
    return config.path, config.longest, instruments.segmenter or "auto", instruments.depth or "none"


def possible_rows(source: Source) -> dict[str, PhotoRow]:
    """Every row; `exact` only where every pair has an answer."""
    return {name: row for name, row in ROWS.items() if name != CEILING or source.answered}
