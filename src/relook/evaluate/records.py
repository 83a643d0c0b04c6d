"""Tidy records: one line for every number that a suite measured, in CSV, with what it was measured with beside it in JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import NamedTuple

from relook.errors import InputError
from relook.files import reason, write_bytes

RECORDS, RUN = "records.csv", "run.json"
"""Files of a result's folder."""
WHOLE = "all"
"""The region of a number that is about a whole case."""
EVERY = "every"
"""The case of a number that is about all cases together, as KID is."""
VIEW = "/"
"""What stands before it in a case's name is what the case shares with others, as two views of one room."""


class Number(NamedTuple):
    """One number of one case."""

    metric: str
    """Key into `relook.evaluate.metrics.METRICS`; a name of the suite's own where it measures something else, as `seconds`."""
    region: str
    """WHOLE, or the part of the case that the number is about: a class of objects, the pixels that one view does not show (`holes`), frames
    next to each other (`near`), a threshold (`5°`)."""
    value: float | None
    """None where nothing can be said: no such region, no weights."""


@dataclass(frozen=True)
class Record:
    """One number."""

    suite: str
    """Name of the suite, e.g. `dollhouse-photo`."""
    part: str
    """Part of the suite (one table of its report), e.g. `two-view`; the suite's name where it has only one."""
    row: str
    """Method and preset, or baseline."""
    case: str
    """Pair, walk or room, or `ROOM/VIEW` for one of several of a room; EVERY for numbers that only all cases together have."""
    metric: str
    region: str
    value: float | None
    """Metric, region and value as in Number."""


HEAD = tuple(field.name for field in fields(Record))


def check_names(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise InputError for names that are not among the known ones."""
    known = list(known)
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"Expected {what} out of {', '.join(known)}, got {', '.join(unknown)}; choose from them.")


def write_records(folder: Path, records: Iterable[Record]) -> Path:
    """`folder`/records.csv, whole or not at all; an empty cell is None, numbers have every digit that a float needs."""
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(HEAD)
    lines.writerows(["" if value is None else value for value in asdict(record).values()] for record in records)
    write_bytes(folder / RECORDS, text.getvalue().encode())
    return folder / RECORDS


def read_records(place: Path) -> list[Record]:
    """Records of a result's folder, or of a CSV file. Raises InputError, naming the line, for anything else."""
    path = place / RECORDS if place.is_dir() else place
    try:
        lines: Sequence[Sequence[str]] = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"Expected records at {path}, got none ({reason(error)}); name the folder that relook evaluate wrote."
        ) from error
    if not lines or tuple(lines[0]) != HEAD:
        raise InputError(
            f"Expected the columns {', '.join(HEAD)} in {path}, got others; name a file of relook evaluate."
        )
    return [_record(path, number, line) for number, line in enumerate(lines[1:], start=2)]


def _record(path: Path, number: int, line: Sequence[str]) -> Record:
    try:
        *words, value = line
        suite, part, row, case, metric, region = words
        return Record(suite, part, row, case, metric, region, None if value == "" else float(value))
    except ValueError as error:
        raise InputError(
            f"Expected seven cells, the last a number or empty, in line {number} of {path}, got {', '.join(line)}; "
            "run the suite again."
        ) from error
