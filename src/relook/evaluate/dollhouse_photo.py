"""The first suite: unseen pairs of dollhouse rooms against the exact answer, every method beside every baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from relook.evaluate.instruments import Instruments
from relook.evaluate.methods.rows import ALONE, ROWS, PhotoRow, pictures_alone
from relook.evaluate.photo import Options, PhotoSuite
from relook.evaluate.sources.dollhouse import Dollhouse


@dataclass(frozen=True)
class Config(Options):
    """Unseen pairs of rooms against the exact answer: writes records.csv, summary.json, table.md, grid.png and report.html."""

    out: Path = Path("runs/dollhouse-photo")
    """Folder of the results; a run that was stopped resumes there."""
    pairs: int = 48
    """Number of pairs."""
    seed: int = 0
    """Draws the pairs; none was ever trained on. 0 is the public benchmark, another number a new unseen one."""
    size: int = 128
    """Height and width of the pictures in pixels."""
    steps: int | None = 20
    """Denoising steps of every diffusion method; `None`: each preset's own."""
    instruments: Instruments = field(default_factory=lambda: Instruments(depth="embedded", segmenter="embedded"))


def suite(config: Config) -> PhotoSuite:
    """Every row on every pair."""
    lead = (
        f"{config.pairs} unseen pairs of rooms, seed {config.seed}, {config.size} pixels, {config.steps or 'preset'} steps. "
        "Scored over the classes that both pictures show; pattern error where the pattern changes."
    )
    source = Dollhouse(config.seed, config.pairs, config.size)
    rows = beside(ROWS, pictures_alone())
    return PhotoSuite("dollhouse-photo", config, config.device, lead, rows=rows, source=source)


def beside(rows: Mapping[str, PhotoRow], alone: Mapping[str, PhotoRow]) -> dict[str, PhotoRow]:
    """The rows, each followed by the same on the pictures alone where there is one."""
    found: dict[str, PhotoRow] = {}
    for name, row in rows.items():
        found[name] = row
        found |= {other: one for other, one in alone.items() if other.removesuffix(f", {ALONE}") == name}
    return found
