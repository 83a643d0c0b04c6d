"""What every photo suite has in common: rows that make pictures of pairs, and every number of each picture."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL.Image import Image as Sheet
from torch import Tensor

from relook import cache
from relook.engine import Engine
from relook.errors import MissingModelError, RelookError
from relook.evaluate import instruments
from relook.evaluate.gallery import Gallery
from relook.evaluate.instruments import Instruments, Observer
from relook.evaluate.measure import measure, realism
from relook.evaluate.methods.rows import ALONE, DEFAULT, PhotoRow, Setting
from relook.evaluate.records import EVERY, WHOLE, Number, Record, check_names
from relook.evaluate.run import Outcome, Place, Results, Suite, Trial
from relook.evaluate.sections import Part
from relook.evaluate.sources.pair import Pair, Source
from relook.evaluate.weights import checkpoint_weights, family, family_weights, revision
from relook.io import read_image, write_image
from relook.io.sheet import Picture
from relook.models.image_prompt import find
from relook.models.store import locate
from relook.perceive.segment import SEGMENTERS
from relook.session import Session

Image = Float[Tensor, "3 H W"]
REFERENCE = "reference "
"""Stands before the name of a set of features of the answer."""
GRID = (
    "statistics", "transport", "palette", "microast", "restyle3d/released", "cross-image-attention/released", "eye-for-an-eye/released", "relook",
)  # fmt: skip
"""Columns of the grid, those that were run."""
PAINTING = (
    "types.py", "ops", "models", "perceive", "correspond", "transfer", "dollhouse", "evaluate/methods", "evaluate/sources",
)  # fmt: skip
"""The code that a picture depends on."""


@dataclass(frozen=True)
class Options:
    """What every photo suite can be asked."""

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


@dataclass(frozen=True, kw_only=True)
class PhotoSuite(Suite):
    """Rows x pairs."""

    rows: Mapping[str, PhotoRow]
    source: Source
    columns: Sequence[str] = GRID
    """Rows of the grid of pictures, those that were run."""
    reference: str | Mapping[str, str] = DEFAULT
    """The row that the others are compared with, or one for each row."""
    against: str | None = None
    """What those are, in words."""
    sheets: Sequence[tuple[str, Sheet]] = ()
    """Pictures that the page begins with, with their captions."""
    modules = (*PAINTING, "evaluate/metrics", "evaluate/measure.py", "evaluate/instruments.py")

    def __post_init__(self) -> None:
        check_names("rows", self.config.rows, self.rows)
        object.__setattr__(self, "asked", self.config.rows)
        object.__setattr__(self, "cases", self.source.revision)
        object.__setattr__(self, "missing", tuple(instruments.missing(self.config.instruments)))

    @property
    def setting(self) -> Setting:
        """What the rows share."""
        return Setting(self.config.family, self.config.device, self.config.steps)

    def trials(self) -> Sequence[Trial]:
        """Every chosen row on every pair; a pair's style picture or answer comes first, as what realism is judged by."""
        chosen = [name for name in self.rows if not self.config.rows or name in self.config.rows]
        return [Trial(self.name, row, case) for case in self.source.names for row in chosen]

    def learned(self, session: Session) -> Mapping[str, str]:
        """Of the instruments, the family and the rows' own checkpoints."""
        found = instruments.weights(self.config.instruments)
        chosen = [row for name, row in self.rows.items() if not self.config.rows or name in self.config.rows]
        found |= checkpoint_weights(name for row in chosen for name in row.weights)
        if any(row.learned for row in chosen):
            found |= family_weights(self.config.family, session)
        if any(ALONE in name for name in self.rows):
            found["perception network"] = revision(SEGMENTERS, "embedded")
        return found

    def depends(self, trial: Trial) -> Any:
        """The picture and everything that measures it."""
        return self._painted(trial), {name: found for name, found in self.weights.items() if name in instruments.NAMES}

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """The picture, unless it is on disk, and its numbers."""
        pair = self._pair(trial.case, session)
        kept, key = place.work / "painted.json", self._painted(trial)
        seconds = cache.recall(kept, key) if place.picture.is_file() else None
        if seconds is None:
            start = time.perf_counter()
            image = self._paint(trial, pair, session)
            seconds = time.perf_counter() - start
            write_image(place.picture, image)
            cache.remember(kept, key, seconds)
        image, observer = read_image(place.picture), Observer.on_cpu(self.config.instruments, session)
        numbers = [*measure(pair, image, observer), Number("seconds", WHOLE, seconds)]
        return Outcome(numbers, self._vectors(pair, image, observer), pictured=True)

    def together(self, results: Results, session: Session) -> Sequence[Record]:
        """How all pictures of a row are distributed beside the answers, or the style pictures."""
        arrays = {trial: results.arrays(trial) for trial in results.done}
        references = {trial.case: held for trial, held in arrays.items()}
        return [
            Record(self.name, self.name, row, EVERY, *number)
            for row in results.rows(self.name)
            for number in realism(
                _stacked([held for trial, held in arrays.items() if trial.row == row], ""),
                _stacked(list(references.values()), REFERENCE),
            )
        ]

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """One table with a picture of every row on every pair."""
        rows = results.rows(self.name)
        gallery = Gallery(
            self.source.names,
            lambda case: _known(self._pair(case, session)),
            lambda case, row: results.picture(Trial(self.name, row, case)),
            [row for row in self.columns if row in rows] or rows[:8],
        )
        notes = {row: self.rows[row].note for row in rows}
        return [
            Part(
                self.name,
                notes=notes,
                reference=self.reference,
                against=self.against,
                gallery=gallery,
                sheets=self.sheets,
            )
        ]

    def _pair(self, case: str, session: Session) -> Pair:
        return session.remembered("pair", (self.source, case), lambda: self.source.pair(case, session), 2)

    def _vectors(self, pair: Pair, image: Image, observer: Observer) -> Mapping[str, np.ndarray]:
        """Of the picture, and of the answer or the style picture (REFERENCE), by set of features."""
        reference = pair.style.image if pair.exact is None else pair.exact
        known = observer.vectors(reference).items()
        return {**observer.vectors(image), **{REFERENCE + name: vector for name, vector in known}}

    def _painted(self, trial: Trial) -> str:
        """Names everything that the trial's picture depends on."""
        row, setting = self.rows[trial.row], self.setting
        weights = {
            name: found
            for name, found in self.weights.items()
            if name not in instruments.NAMES and (row.learned or ALONE in trial.row or name in row.weights)
        }
        options = (setting.steps, setting.seed, setting.device)
        return cache.key(trial, self.source.revision_of(trial.case), weights, options, modules=PAINTING)

    def _paint(self, trial: Trial, pair: Pair, session: Session) -> Image:
        """The row's picture of the pair. Raises MissingModelError where the row lacks its weights."""
        row = self.rows[trial.row]
        for name in row.weights:
            locate(name)
        if row.prompted:
            try:
                find("auto", family(self.config.family, session))
            except RelookError as error:
                raise MissingModelError(str(error)) from error
        return row.paint(pair, self.setting, session)


def _known(pair: Pair) -> Mapping[str, Picture]:
    """The pictures of a pair that no row made."""
    pictures: dict[str, Picture] = {"structure": pair.structure.image, "style": pair.style.image}
    return pictures if pair.exact is None else pictures | {"exact answer": pair.exact}


def _stacked(vectors: Sequence[Mapping[str, np.ndarray]], prefix: str) -> Mapping[str, np.ndarray]:
    """Vectors of every set of features of this prefix, stacked."""
    names = [name.removeprefix(prefix) for name in (vectors[0] if vectors else ()) if name.startswith(prefix)]
    return {name: np.stack([each[prefix + name] for each in vectors]) for name in names}
