"""Does the matcher find the same part in another room? Every descriptor beside the exact answer, on unseen pairs of rooms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

from relook.engine import Engine
from relook.errors import InputError, MissingModelError
from relook.evaluate.gallery import Gallery
from relook.evaluate.perception.counterparts import Rooms, draw_rooms
from relook.evaluate.perception.descriptor_rows import ON_FURNITURE, ROWS, Row, carried, matched, measure
from relook.evaluate.records import WHOLE, Number, check_names
from relook.evaluate.run import Outcome, Place, Results, Suite, Trial
from relook.evaluate.sections import Part, column
from relook.evaluate.weights import family
from relook.io import write_image
from relook.io.sheet import Picture
from relook.models import perceiver
from relook.models.load import revision
from relook.session import Session

SUITE = "dollhouse-correspondence"
"""Its name in records."""
WITHOUT_WEIGHTS = ("colour", "position", "random")
"""Descriptors that learned nothing."""
CODE = (
    "types.py", "ops", "models", "perceive", "correspond", "dollhouse", "evaluate/metrics", "evaluate/perception",
    "evaluate/sources/dollhouse.py",
)  # fmt: skip
"""The code that a number depends on."""
COLUMNS = (
    "right_class", column("right_class", ON_FURNITURE, "on furniture"), "pck_05", "pck_10", "end_point_error", "coverage", "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    """Dense correspondence between unseen rooms of one kind against exact parts."""

    out: Path = Path("runs/dollhouse-correspondence")
    """Folder of the results; a run that was stopped resumes there."""
    pairs: int = 24
    """Number of pairs."""
    seed: int = 0
    """Draws the pairs; none was ever trained on. 0 is the public benchmark, another number a new unseen one."""
    size: int = 256
    """Height and width of the pictures in pixels."""
    rows: tuple[str, ...] = ()
    """Rows to run, e.g. `embedded denoiser`. Default: all."""
    embedded: str = "embedded"
    """The descriptor of the embedded rows: another network's folder, or a hub id."""
    denoiser: str = "dollhouse"
    """The family of the denoiser rows, and how it is read, e.g. `sd15@261/1`."""
    device: str = "cpu"
    """Where it runs: `cpu` or `cuda`."""
    engine: Engine = field(default_factory=Engine)


def suite(config: Config) -> Suite:
    """Every row on every pair. Raises InputError for unknown rows and impossible numbers."""
    check_names("rows", config.rows, ROWS)
    if config.pairs < 1 or config.size < 32 or config.seed < 0:
        raise InputError(
            f"Expected at least 1 pair, 32 pixels and a seed from 0, got {config.pairs}, {config.size}, {config.seed}; choose more."
        )
    instead = {"embedded": config.embedded}
    instead |= {name: f"{name}:{config.denoiser}" for name in ("denoiser", "denoiser+depth")}
    rows = {
        name: replace(row, name=instead.get(row.name, row.name))
        for name, row in ROWS.items()
        if not config.rows or name in config.rows
    }
    lead = f"{config.pairs} unseen pairs, seed {config.seed}, {config.size} pixels; means over the pairs."
    return Matching(
        SUITE, config, config.device, lead, f"dollhouse {config.seed} {config.size}", asked=config.rows, rows=rows
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Matching(Suite):
    """Descriptors on pairs of rooms."""

    rows: Mapping[str, Row]
    modules = CODE

    def trials(self) -> Sequence[Trial]:
        """Every row on every pair."""
        return [Trial(SUITE, row, f"{index:03d}") for index in range(self.config.pairs) for row in self.rows]

    def learned(self, session: Session) -> Mapping[str, str]:
        """Of every descriptor that is here."""
        found = {row.name: _revision(row.name, session) for row in self.rows.values()}
        return {name: revision for name, revision in found.items() if revision}

    def depends(self, trial: Trial) -> Any:
        """The pair, the row and its weights."""
        row = self.rows[trial.row]
        return self.config.seed, self.config.size, self.config.device, astuple(row), self.weights.get(row.name, "")

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """One row on one pair; its picture is the style's pixels as the row carries them."""
        row, index = self.rows[trial.row], int(trial.case)
        rooms = session.remembered("rooms", (self.config, index), lambda: self._drawn(index), 1)
        dense, seconds = matched(row, rooms, index, session)
        write_image(place.picture, carried(row, rooms, dense))
        return Outcome([*measure(row, rooms, dense), Number("seconds", WHOLE, seconds)], pictured=True)

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """One table."""

        def drawn(case: str) -> Mapping[str, Picture]:
            rooms = self._drawn(int(case))
            return {"structure": rooms.structure.image, "style": rooms.style.image}

        rows = results.rows(SUITE)
        gallery = Gallery(results.cases(SUITE), drawn, lambda case, row: results.picture(Trial(SUITE, row, case)), rows)
        return [
            Part(
                SUITE, columns=COLUMNS, notes={row: self.rows[row].note for row in rows}, reference=rows[0], gallery=gallery,
                apart=[row for row in rows if self.rows[row].mutual],
            )
        ]  # fmt: skip

    def _drawn(self, index: int) -> Rooms:
        return draw_rooms(self.config.seed, index, (self.config.size, self.config.size))


def _revision(name: str, session: Session) -> str:
    """Revision of the weights of a descriptor; empty if it learned nothing or is not here, its name for one of the hub."""
    if name in WITHOUT_WEIGHTS:
        return ""
    if name == "embedded":
        return revision(perceiver.FOLDER)
    plain = name.removeprefix("denoiser+depth:").removeprefix("denoiser:")
    place = plain.partition("@")[0]
    if plain == name and not (Path(place) / "unet").is_dir():
        return revision(Path(place)) if Path(place).is_dir() else place
    try:
        return family(place, session).revision
    except MissingModelError:
        return ""
