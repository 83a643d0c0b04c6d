"""Does the matcher find the same part in another room? Every descriptor beside the exact answer, on unseen pairs of rooms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from relook import cache
from relook.errors import InputError, MissingModelError
from relook.evaluate.engine import Engine
from relook.evaluate.perception.counterparts import Rooms, draw_rooms
from relook.evaluate.perception.descriptor_rows import (
    ON_FURNITURE,
    ROWS,
    Numbers,
    Row,
    answers_of,
    carried,
    describe,
    matched_by,
    measure,
)
from relook.evaluate.records import Record
from relook.evaluate.suite import Report
from relook.io import write_image
from relook.types import View

if TYPE_CHECKING:
    from rich.console import Group

    from relook.evaluate.gallery import Gallery, Picture

SUITE = "dollhouse-correspondence"
"""Its name in records."""
WITHOUT_WEIGHTS = ("colour", "position", "random")
"""Descriptors that learned nothing."""
CODE = (
    "types.py", "ops", "models", "perceive", "correspond", "dollhouse", "evaluate/metrics", "evaluate/perception",
    "evaluate/sources/dollhouse.py",
)  # fmt: skip
"""The code that a number depends on."""


@dataclass(frozen=True)
class Config:
    """Dense correspondence between unseen rooms of one kind against exact parts: writes records.csv, summary.json, table.md, grid.png and
    report.html."""

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
    engine: Engine = field(default_factory=Engine)


@dataclass(frozen=True)
class Plan:
    """Rows, pairs, and where the results lie. Plain values: it is sent to the processes that work on it."""

    out: Path
    seed: int
    size: int
    rows: Mapping[str, Row]
    revisions: Mapping[str, str]
    """Of the weights, by descriptor."""

    def rooms(self, index: int) -> Rooms:
        """A pair by its number."""
        return draw_rooms(self.seed, index, (self.size, self.size))

    def place(self, index: int, row: str) -> Path:
        """Where the carried picture of a row lies; beside it its numbers (.json)."""
        return self.out / "pairs" / f"{index:03d}" / f"{row.replace(', ', '-').replace(' ', '-')}.png"

    def key(self, index: int, row: str) -> str:
        """Names what the numbers of a row on a pair depend on."""
        chosen = self.rows[row]
        told = (self.seed, self.size, index, row, chosen.name, chosen.restricted, chosen.mutual)
        return cache.key(*told, self.revisions.get(chosen.name, ""), rooms=CODE)


def run(config: Config, report: Report) -> Group:
    """Run the suite; returns the table. Raises InputError for unknown rows, MissingModelError for chosen rows without weights."""
    from relook.evaluate.provenance import provenance
    from relook.evaluate.report import write_results
    from relook.evaluate.sections import column

    rows, missing = _possible(config)
    revisions = {name: _revision(name) for name in dict.fromkeys(row.name for row in rows.values())}
    plan = Plan(config.out.absolute(), config.seed, config.size, rows, {k: v for k, v in revisions.items() if v})
    found = {index: told for index in range(config.pairs) if (told := _records(plan, index, _known(plan, index)))}
    left = [index for index in range(config.pairs) if index not in found]
    for index, records in config.engine.results(partial(match_pair, plan), left):
        found[index] = records
        report(len(found), config.pairs)
    return write_results(
        config.out, SUITE, f"{config.pairs} unseen pairs, seed {config.seed}, {config.size} pixels; means over the pairs.",
        [record for index in range(config.pairs) for record in found[index]], {name: row.note for name, row in rows.items()},
        pictures=_gallery(plan, config.pairs), missing=missing, reference=next(iter(rows)),
        apart=[name for name, row in rows.items() if row.mutual],
        columns={SUITE: [
            "right_class", column("right_class", ON_FURNITURE, "on furniture"), "pck_05", "pck_10", "end_point_error", "coverage", "seconds",
        ]},
        provenance=provenance(SUITE, config, cases=f"dollhouse {config.seed} {config.size}", weights=plan.revisions),
    )  # fmt: skip


def match_pair(plan: Plan, index: int) -> list[Record]:
    """Every row's numbers on one pair. Writes the style's pixels as each row carries them; what is on disk is not matched again."""
    known = _known(plan, index)
    left = {name: row for name, row in plan.rows.items() if known[name] is None}
    if left:
        rooms = plan.rooms(index)
        matched = matched_by(left, rooms, index)
        for name, answers in answers_of(left, rooms, matched).items():
            known[name] = measured = measure(answers)
            write_image(plan.place(index, name), carried(left[name], rooms, matched[name][0]))
            cache.remember(plan.place(index, name).with_suffix(".json"), plan.key(index, name), measured)
    return _records(plan, index, known)


def _known(plan: Plan, index: int) -> dict[str, Numbers | None]:
    """What is on disk of a pair, by row; None where the numbers or the picture are not there, or are those of other weights or code."""
    known: dict[str, Numbers | None] = {}
    for name in plan.rows:
        place = plan.place(index, name)
        told = cache.recall(place.with_suffix(".json"), plan.key(index, name)) if place.is_file() else None
        known[name] = None if told is None else [(metric, region, value) for metric, region, value in told]
    return known


def _records(plan: Plan, index: int, known: Mapping[str, Numbers | None]) -> list[Record]:
    """The records of a pair; none unless every row is known."""
    if None in known.values():
        return []
    return [
        Record(SUITE, SUITE, name, f"{index:03d}", metric, region, value)
        for name in plan.rows
        for metric, region, value in known[name] or ()
    ]


def _possible(config: Config) -> tuple[dict[str, Row], list[str]]:
    """The rows to run, and what is left out, in sentences: rows that are not chosen by name need not have their weights."""
    if unknown := [name for name in config.rows if name not in ROWS]:
        raise InputError(f"Expected rows out of {', '.join(ROWS)}, got {', '.join(unknown)}; choose from them.")
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
    missing = []
    blank = View(torch.full((3, 32, 32), 0.5))
    for wanted in dict.fromkeys(row.name for row in rows.values()):
        try:
            describe(wanted, 0)(blank)
        except MissingModelError as error:
            if config.rows:
                raise
            missing.append(f"Left out {', '.join(n for n, row in rows.items() if row.name == wanted)}: {error}")
            rows = {name: row for name, row in rows.items() if row.name != wanted}
    return rows, missing


def _revision(name: str) -> str:
    """Revision of the weights of a descriptor; empty if it learned nothing, its name for one of the hub."""
    from relook.models import perceiver
    from relook.models.families import load_family
    from relook.models.load import revision

    if name in WITHOUT_WEIGHTS:
        return ""
    if name == "embedded":
        return revision(perceiver.FOLDER)
    plain = name.removeprefix("denoiser+depth:").removeprefix("denoiser:")
    place = plain.partition("@")[0]
    if plain != name or (Path(place) / "unet").is_dir():
        return load_family(place).revision
    return revision(Path(place)) if Path(place).is_dir() else place


def _gallery(plan: Plan, pairs: int) -> Gallery:
    """Where the report finds its pictures."""
    from relook.evaluate.gallery import Gallery

    def given(case: str) -> Mapping[str, Picture]:
        rooms = plan.rooms(int(case))
        return {"structure": rooms.structure.image, "style": rooms.style.image}

    def made(case: str, row: str) -> Picture:
        return plan.place(int(case), row)

    return Gallery([f"{index:03d}" for index in range(pairs)], given, made, list(plan.rows))
