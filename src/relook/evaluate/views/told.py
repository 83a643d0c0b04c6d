"""What a part of the suite of views comes to: its records, and the sections of the report that are made from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from relook.evaluate.records import Record
from relook.evaluate.sections import Column, Section
from relook.evaluate.summary import Score

SUITE = "dollhouse-views"
"""Name of the suite in its records."""


@dataclass(frozen=True)
class Told:
    """One part of the suite."""

    records: tuple[Record, ...]
    sections: tuple[Section, ...]


def records_of(part: str, row: str, case: str, score: Score, columns: Mapping[str, Column]) -> list[Record]:
    """One record for each number of a score that has a column."""
    return [
        Record(SUITE, part, row, case, columns[key].metric, columns[key].region, value)
        for key, value in score.items()
        if key in columns
    ]
