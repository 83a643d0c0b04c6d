"""`relook compare`: the rows of several runs side by side, their differences case by case, and what differs between the runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from relook.errors import InputError
from relook.evaluate.provenance import Provenance, read_provenance
from relook.evaluate.records import EVERY, Record, check_names, read_records
from relook.evaluate.report import Report, write_page
from relook.evaluate.sections import CEILING, Column, Part, Section, column, section, shown
from relook.evaluate.summary import rows_of
from relook.evaluate.tables import differences, markdown, markdown_line, numbers, terminal
from relook.files import read_json, write_bytes, write_json

if TYPE_CHECKING:
    from rich.console import Group

NOTED = ("suite", "relook", "code", "commit", "python", "machine", "cores", "device", "date", "seed", "cases")
"""Fields of a run's provenance that are compared as they are."""
SHORT = 12
"""Characters of a hash that are shown."""


@dataclass(frozen=True)
class Run:
    """One folder."""

    letter: str
    """Stands before its rows."""
    folder: Path
    records: tuple[Record, ...]
    provenance: Provenance | None
    """None where it has no run.json that can be read."""
    tables: Mapping[str, Any]
    """Its tables.json: what the columns are; empty where it has none."""


@dataclass(frozen=True)
class Comparison:
    """What several runs come to."""

    sections: tuple[Section, ...]
    changes: tuple[tuple[str, ...], ...]
    """What differs between the runs: a table, its heads first."""
    warnings: tuple[str, ...]
    """What a reader must know before believing the differences, in sentences."""


def run(
    reports: Sequence[Path], *, out: Path | None = None, rows: Sequence[str] = (), metrics: Sequence[str] = ()
) -> Group:
    """Compare the folders that relook evaluate wrote; returns the tables, and writes them to a folder if one is named.

    rows, metrics: names; all that two of the runs have if none are given.
    Raises InputError for fewer than two folders, folders without records, names that no run has, and runs that share no row.
    """
    from rich.console import Group
    from rich.text import Text

    runs = read_runs(reports)
    found = compare(runs, rows, metrics)
    lead = (
        "; ".join(f"{one.letter}: {one.folder}" for one in runs)
        + ". Differences are to A, over the cases that both have."
    )
    if out is not None:
        _write(out, lead, found)
    lines = [Text(": ".join((line[0], " | ".join(line[1:]))), style="dim") for line in found.changes[1:]]
    tables = [numbers(part) for part in found.sections]
    tables += [table for part in found.sections if (table := differences(part)) is not None]
    return Group(Text(lead), *(Text(one, style="bold") for one in found.warnings), *map(terminal, tables), *lines)


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """The runs in these folders, lettered from A. Raises InputError for fewer than two, too many, or one without records."""
    if not 2 <= len(folders) <= len(ascii_uppercase):
        raise InputError(
            f"Expected 2 to {len(ascii_uppercase)} folders to compare, got {len(folders)}; name the folders that relook evaluate wrote."
        )
    return [read_run(folder, letter) for letter, folder in zip(ascii_uppercase, folders, strict=False)]


def read_run(folder: Path, letter: str = "A") -> Run:
    """One folder that relook evaluate wrote. Raises InputError for one without records."""
    if not folder.is_dir():
        raise InputError(f"Expected a folder that relook evaluate wrote, got {folder}; check the name.")
    records = tuple(read_records(folder))
    if not records:
        raise InputError(f"Expected records in {folder}, got none; run the suite again.")
    try:
        provenance = read_provenance(folder)
    except InputError:
        provenance = None
    return Run(letter, folder, records, provenance, _tables(folder / "tables.json") or _tables(folder / "summary.json"))


def sections_of(run: Run) -> list[Section]:
    """The tables of one run, as its report has them: a part for each, the rows in their order."""
    found = []
    for name in dict.fromkeys(record.part for record in run.records):
        table: Mapping[str, Any] = run.tables.get(name, {})
        records = [record for record in run.records if record.part == name]
        part = Part(
            name, table.get("title", name), columns=_columns(table, records, ()), notes=dict(table.get("notes", {})),
            apart=set(table.get("apart", [CEILING])),
        )  # fmt: skip
        found.append(section(part, records))
    return [one for one in found if one.rows and one.columns]


def compare(runs: Sequence[Run], rows: Sequence[str] = (), metrics: Sequence[str] = ()) -> Comparison:
    """The runs' rows side by side, part by part, each with its difference to the same row of the first run.

    Raises InputError for rows or metrics that no run has, and for runs without a row in common.
    """
    check_names("rows", rows, sorted({record.row for one in runs for record in one.records}))
    check_names("metrics", metrics, sorted({record.metric for one in runs for record in one.records}))
    warnings = [f"{one.letter} ({one.folder}) has no run.json: nobody knows what it was measured with." for one in runs if one.provenance is None]  # fmt: skip
    paired = [runs[0], *(one for one in runs[1:] if same_cases(runs[0], one))]
    warnings += [
        f"{one.letter} was measured on other cases than A (another seed, size or source): there are no differences, and the means are of other pictures."
        for one in runs if one not in paired
    ]  # fmt: skip
    warnings += _left(runs, paired)
    names = dict.fromkeys(record.part for one in runs for record in one.records)
    sections = [_section(name, runs, paired, rows, metrics) for name in names]
    sections = [part for part in sections if part.rows and part.columns]
    if not sections:
        raise InputError(
            f"Expected a row that two of the runs have, got {'; '.join(_described(one) for one in runs)}; compare runs of one suite."
        )
    return Comparison(tuple(sections), changes(runs), tuple(warnings))


def same_cases(one: Run, other: Run) -> bool:
    """Whether cases of the same name are the same cases, as far as the runs say: their revisions and their seeds agree, where both have one."""
    first, second = one.provenance, other.provenance
    if first is None or second is None:
        return True
    known = ((first.cases, second.cases), (first.seed, second.seed))
    return all(a is None or b is None or a == b for a, b in known)


def changes(runs: Sequence[Run]) -> tuple[tuple[str, ...], ...]:
    """Every field of the runs' provenance, option, version and hash of weights that is not the same in all; heads first."""
    lines = [_facts(one) for one in runs]
    names = dict.fromkeys(name for facts in lines for name in facts)
    differing = [name for name in names if len({facts.get(name, "-") for facts in lines}) > 1]
    return (
        ("what", *(f"{one.letter}: {one.folder.name}" for one in runs)),
        *((name, *(_short(facts.get(name, "-")) for facts in lines)) for name in differing),
    )


def _section(
    name: str, runs: Sequence[Run], paired: Sequence[Run], rows: Sequence[str], metrics: Sequence[str]
) -> Section:
    """One part of the suite: the rows that two runs have, or those that were chosen."""
    held = [[record for record in one.records if record.part == name] for one in runs]
    named = [rows_of(records) for records in held]
    shared = [row for row in dict.fromkeys(row for names in named for row in names)
              if (row in rows if rows else sum(row in names for names in named) > 1)]  # fmt: skip
    records = [
        replace(record, row=f"{one.letter}: {record.row}")
        for one, found in zip(runs, held, strict=True) for record in found if record.row in shared
    ]  # fmt: skip
    table: Mapping[str, Any] = next((one.tables[name] for one in runs if name in one.tables), {})
    return section(
        Part(
            name, table.get("title", name), columns=_columns(table, records, metrics),
            notes={f"{one.letter}: {row}": table.get("notes", {}).get(row, "") for row in shared for one in runs},
            apart={f"{one.letter}: {row}" for one in runs for row in table.get("apart", [CEILING])},
            reference={f"{one.letter}: {row}": f"{runs[0].letter}: {row}" for row in shared for one in paired[1:]} or None,
            against="the first run",
        ),
        records,
    )  # fmt: skip


def _columns(table: Mapping[str, Any], records: Sequence[Record], metrics: Sequence[str]) -> list[str | Column] | None:
    """The columns of the first run's table, those that were chosen; by the registry where it has none."""
    found: list[str | Column] = [Column(**one) for one in table.get("columns", [])]
    if not metrics:
        return found or None
    chosen: list[str | Column] = []
    for metric in metrics:
        own = [c for c in found if isinstance(c, Column) and c.metric == metric]
        chosen += (
            own
            or [column(*key) for key in dict.fromkeys((r.metric, r.region) for r in records if r.metric == metric)][:1]
        )
    return chosen


def _tables(path: Path) -> Mapping[str, Any]:
    """What a file says of the columns: tables.json, or summary.json of older runs; nothing where it cannot be read as such."""
    try:
        found = read_json(path)
        for part in found.values():
            [Column(**one) for one in part["columns"]]
    except (InputError, AttributeError, KeyError, TypeError):
        return {}
    return dict(found)


def _left(runs: Sequence[Run], paired: Sequence[Run]) -> list[str]:
    """Which cases only some runs have, in sentences."""
    cases = [{(r.part, r.case) for r in one.records if r.case != EVERY} for one in runs]
    sentences = []
    for one, held in zip(runs[1:], cases[1:], strict=True):
        if one in paired and held != cases[0]:
            sentences.append(
                f"A and {one.letter} have {len(cases[0] & held)} cases in common; {len(cases[0] - held)} only A has, {len(held - cases[0])} only "
                f"{one.letter}. Means are over each run's own cases, differences over the common ones."
            )
    return sentences


def _described(one: Run) -> str:
    return f"{one.letter} with {', '.join(dict.fromkeys(record.suite for record in one.records))}: {', '.join(rows_of(one.records))}"


def _facts(one: Run) -> dict[str, str]:
    """What is compared of a run, by name."""
    facts = {"number of cases": str(len({(r.part, r.case) for r in one.records if r.case != EVERY}))}
    found = one.provenance
    if found is None:
        return facts
    facts |= {name: _word(getattr(found, name)) for name in NOTED}
    for words, held in (("version of", found.packages), ("option", found.settings), ("weights of", found.weights)):
        facts |= {f"{words} {name}": _word(value) for name, value in held.items() if name not in ("out", "seed")}
    return facts


def _word(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _short(word: str) -> str:
    """A hash by its first characters."""
    return word[:SHORT] if len(word) >= 40 and all(c in "0123456789abcdef+" for c in word) else word


def _write(out: Path, lead: str, found: Comparison) -> None:
    """compare.html, compare.md and compare.json."""
    lines = [markdown_line(line) for line in found.changes]
    differing = "\n".join([lines[0], "|---|" + "---|" * (len(found.changes[0]) - 1), *lines[1:]])
    text = "\n\n".join(
        [lead, *found.warnings, markdown(found.sections), "### What differs between the runs", differing]
    )
    write_bytes(out / "compare.md", (text + "\n").encode())
    data = {
        "lead": lead, "warnings": list(found.warnings), "differing": [list(line) for line in found.changes],
        "parts": {one.part.name: shown(one) for one in found.sections},
    }  # fmt: skip
    write_json(out / "compare.json", data)
    write_page(out / "compare.html", Report("relook compare", lead, found.sections, found.warnings, found.changes))
