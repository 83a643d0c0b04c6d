"""The suite of one's own pictures: `relook evaluate folder DIR`, structures x styles, every method beside every baseline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from relook.errors import InputError
from relook.evaluate.methods.rows import ROWS
from relook.evaluate.photo import Options, PhotoSuite
from relook.evaluate.sections import CEILING
from relook.evaluate.sources.disk import OnDisk
from relook.evaluate.sources.folder import Folder
from relook.options import POSITIONAL


@dataclass(frozen=True)
class Config(Options):
    """Your own pictures: DIR/structures, DIR/styles and perhaps DIR/pairs.csv (docs/evaluate.md). There need not be an exact answer."""

    path: Annotated[Path | None, POSITIONAL] = None
    """The folder."""
    out: Path = Path("runs/folder")
    """Folder of the results; a run that was stopped resumes there."""
    longest: int | None = 512
    """Longer side in pixels that pictures are shrunk to; `None`: as they are."""


def suite(config: Config) -> PhotoSuite:
    """Every row on every pair. Raises InputError for a folder without pairs."""
    return of(config, "folder", Folder(*known(config)), str(config.path))


def of(config: Config, name: str, source: OnDisk, what: str) -> PhotoSuite:
    """Every row on pairs on disk; `exact` only where every pair has an answer."""
    rows = {name: row for name, row in ROWS.items() if name != CEILING or source.answered}
    lead = f"{len(source.names)} pairs of {what}, {config.steps or 'preset'} steps."
    return PhotoSuite(name, config, config.device, lead, rows=rows, source=source)


def known(config: Config) -> tuple[Path, int | None, str, str]:
    """What a source on disk needs: its folder, the size, and what perceives the pictures that come without segments or depth."""
    if config.path is None:
        raise InputError("Expected a folder of pairs, got none; name it behind the suite's name.")
    instruments = config.instruments
    return config.path, config.longest, instruments.segmenter or "auto", instruments.depth or "none"
