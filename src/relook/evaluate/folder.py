"""The suite of one's own pictures: `relook evaluate folder DIR`, structures x styles, every method beside every baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

from PIL import Image

from relook.errors import InputError
from relook.evaluate.methods.rows import ROWS, Setting
from relook.evaluate.photo import GRID, Options, PhotoSuite
from relook.evaluate.row import Image as Picture
from relook.evaluate.row import Row
from relook.evaluate.run import Results, Trial
from relook.evaluate.sections import CEILING, Part
from relook.evaluate.sources.disk import OnDisk
from relook.evaluate.sources.folder import Folder
from relook.evaluate.sources.pair import Pair
from relook.files import FORMATS, sha256
from relook.io import read_image
from relook.io.sheet import contact_sheet
from relook.ops.resize import resized
from relook.options import POSITIONAL
from relook.session import Session

BEFORE = "before"
"""The row of an earlier version's pictures."""
SIDE, LINES = 480, 16
"""Longer side in pixels of a picture on the sheet for designers, and its lines."""


@dataclass(frozen=True)
class Config(Options):
    """Your own pictures: DIR/structures, DIR/styles and perhaps DIR/pairs.csv (docs/evaluate.md). There need not be an exact answer."""

    path: Annotated[Path | None, POSITIONAL] = None
    """The folder."""
    out: Path = Path("runs/folder")
    """Folder of the results; a run that was stopped resumes there."""
    longest: int | None = 512
    """Longer side in pixels that pictures are shrunk to; `None`: as they are."""
    now: str = "palette"
    """The row on the sheet for designers (structure, style, before, now)."""
    before: Path | None = None
    """An earlier version's pictures of the same pairs, for a row `before`: a folder that this suite wrote (its row of `now`), or one of
    pictures called STRUCTURE--STYLE."""


@dataclass(frozen=True, kw_only=True)
class FolderSuite(PhotoSuite):
    """Rows x pairs, with a sheet for people who judge by eye."""

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """One table, a picture of every row on every pair, and the sheet for designers."""
        (part,) = super().parts(results, session)
        rows = [row for row in (BEFORE, self.config.now) if row in results.rows(self.name)]
        if self.config.now not in rows:
            return [part]
        words = f"For designers: structure, style, {', '.join([*rows[:-1], 'now'])} ({self.config.now})"
        return [replace(part, sheets=[(words, self._sheet(rows, results, session))])]

    def _sheet(self, rows: Sequence[str], results: Results, session: Session) -> Image.Image:
        """The first pairs, each with these rows, large enough to judge."""
        lines = []
        for case in list(self.source.names)[:LINES]:
            pair = self._pair(case, session)
            made = [results.picture(Trial(self.name, row, case)) for row in rows]
            lines.append([pair.structure.image, pair.style.image, *made])
        return contact_sheet(lines, ["structure", "style", *rows[:-1], "now"], side=SIDE)

    def _painted(self, trial: Trial) -> str:
        """What the picture depends on; that of an earlier version on its file too."""
        key = super()._painted(trial)
        if trial.row != BEFORE:
            return key
        return f"{key} {sha256(earlier(self.config.before, self.config.now, trial.case))}"


def suite(config: Config) -> FolderSuite:
    """Every row on every pair. Raises InputError for a folder without pairs."""
    return of(config, "folder", Folder(*known(config)), str(config.path))


def of(config: Config, name: str, source: OnDisk, what: str) -> FolderSuite:
    """Every row on pairs on disk; `exact` only where every pair has an answer, `before` where there are earlier pictures."""
    rows = {name: row for name, row in ROWS.items() if name != CEILING or source.answered}
    if config.before is not None:
        rows = {BEFORE: Row("an earlier version", partial(_before, folder=config.before, row=config.now)), **rows}
    lead = f"{len(source.names)} pairs of {what}, {config.steps or 'preset'} steps."
    return FolderSuite(name, config, config.device, lead, rows=rows, source=source, columns=(BEFORE, *GRID))


def known(config: Config) -> tuple[Path, int | None, str, str]:
    """What a source on disk needs: its folder, the size, and what perceives the pictures that come without segments or depth."""
    if config.path is None:
        raise InputError("Expected a folder of pairs, got none; name it behind the suite's name.")
    instruments = config.instruments
    return config.path, config.longest, instruments.segmenter or "auto", instruments.depth or "none"


def earlier(folder: Path, row: str, case: str) -> Path:
    """An earlier version's picture of a pair. Raises InputError where there is none."""
    own = folder / "cases" / case / f"{row.replace('/', '-')}.png"
    places = (own, *(folder / f"{case}{ending}" for ending in FORMATS))
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise InputError(f"Expected an earlier picture of {case} in {folder}, got none; put {case}.png there.")
    return found


def _before(pair: Pair, setting: Setting, session: Session, folder: Path, row: str) -> Picture:
    """The earlier version's picture, at the size of the pair's structure."""
    image = read_image(earlier(folder, row, pair.name))
    return resized(image, pair.structure.size)
