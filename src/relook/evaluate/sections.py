"""Sections of a report, made from records: what each column is, means with intervals, paired differences, the best marked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from relook.evaluate.gallery import Gallery
from relook.evaluate.metrics import METRICS
from relook.evaluate.records import EVERY, WHOLE, Record
from relook.evaluate.summary import Better, Difference, Key, Mean, Values, differences, means, rows_of, values_of

ARROWS = {"higher": "↑", "lower": "↓"}
CEILING = "exact"
"""The row that no method can beat; it is not marked as the best."""


@dataclass(frozen=True)
class Column:
    """One number of a table."""

    metric: str
    """As in the records."""
    region: str = WHOLE
    """As in the records."""
    title: str = ""
    """Head of the column."""
    better: Better | None = None
    """None for numbers that are told, not judged."""
    digits: int = 2
    source: str = ""
    """Where the number is defined."""

    @property
    def key(self) -> Key:
        """Where its values are found."""
        return self.metric, self.region

    @property
    def name(self) -> str:
        """In summary.json and on the command line: the metric, and the region behind a slash."""
        return self.metric if self.region == WHOLE else f"{self.metric}/{self.region}"

    @property
    def head(self) -> str:
        """The title with the better direction."""
        return self.title if self.better is None else f"{self.title} {ARROWS[self.better]}"

    def text(self, value: float | None, *, signed: bool = False) -> str:
        """The number as it is shown; a dash where it is not known."""
        return "-" if value is None else f"{value:{'+' if signed else ''}.{self.digits}f}"


TOLD: Mapping[str, Column] = {
    column.metric: column
    for column in (
        Column("seconds", title="seconds", source="time of one case on this machine"),
        Column("painted", title="painted anew %", digits=1, source="mean share of a frame that was not carried from an earlier one"),
        Column("holes", title="holes", digits=3, source="share of the picture that the first view does not show"),
        Column("placed", title="placed %", better="higher", digits=0, source="share of the cameras that were found"),
    )
}  # fmt: skip
"""Numbers that are counted, not measured on a picture: they are in no registry."""


def column(
    metric: str, region: str = WHOLE, title: str | None = None, *, digits: int | None = None, judged: bool = True
) -> Column:
    """The column of a metric, as the registry of metrics says; of an unknown one (of other code) without a better direction.

    A region other than WHOLE stands behind the title. digits: those of the registry if None. judged: False takes the better direction
    away.
    """
    known: Any = METRICS.get(metric)
    if known is not None:
        found = Column(metric, region, known.title, known.better, known.digits, known.source)
    else:
        found = TOLD.get(metric, Column(metric, title=metric.replace("_", " "), digits=3))
    words = title if title is not None else found.title + ("" if region == WHOLE else f", {region}")
    better = found.better if judged else None
    return Column(metric, region, words, better, found.digits if digits is None else digits, found.source)


@dataclass(frozen=True)
class Section:
    """One part of a suite: a table, paired differences to one row, a table for each metric by class, pictures."""

    part: str
    """As in the records."""
    title: str
    lead: str
    """What was measured, in a sentence or two."""
    columns: tuple[Column, ...]
    rows: tuple[str, ...]
    values: Mapping[Key, Values]
    """Every number by (metric, region), row and case."""
    means: Mapping[Key, Mapping[str, Mean]]
    differences: Mapping[Key, Mapping[str, Difference]]
    """Of every row to the reference; empty without one."""
    reference: str | None = None
    """What the differences are to, in words; a row's name where they are all to one."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What each row is."""
    apart: Collection[str] = ()
    """Rows that are no methods (the exact answer): never the best."""
    sheets: tuple[tuple[str, Image.Image], ...] = ()
    """Sheets of pictures with a line on each."""
    gallery: Gallery | None = None
    """Pictures of the cases, shown worst first."""
    empty: tuple[str, ...] = ()
    """Titles of the columns that were asked for and have no number at all."""

    @property
    def cases(self) -> int:
        """Number of cases."""
        return len({c for rows in self.values.values() for cases in rows.values() for c in cases if c != EVERY})

    def mean(self, row: str, column: Column) -> Mean:
        """A cell."""
        return self.means.get(column.key, {}).get(row, Mean(None))

    def classes(self, column: Column) -> tuple[str, ...]:
        """Regions of a column's metric that have no column of their own, in alphabetical order: its classes of objects."""
        own = {c.key for c in self.columns}
        return tuple(sorted(r for m, r in self.values if m == column.metric and r != WHOLE and (m, r) not in own))

    def best(self, column: Column) -> set[str]:
        """The rows with the best value of a column, to the digits shown; none where there is nothing to choose."""
        known = {
            row: round(mean.value, column.digits)
            for row, mean in self.means.get(column.key, {}).items()
            if row not in self.apart and mean.value is not None
        }
        if column.better is None or len(known) < 2:
            return set()
        top = max(known.values()) if column.better == "higher" else min(known.values())
        return {row for row, value in known.items() if value == top}


def section(
    records: Sequence[Record],
    *,
    title: str = "",
    lead: str = "",
    columns: Sequence[str | Column] | None = None,
    notes: Mapping[str, str] | None = None,
    apart: Collection[str] = (CEILING,),
    reference: str | Mapping[str, str] | None = None,
    against: str | None = None,
    sheets: Sequence[tuple[str, Image.Image]] = (),
    gallery: Gallery | None = None,
) -> Section:
    """The table of one part from its records.

    columns: names of metrics, or columns, in order. Default: every metric of whole cases, in the order in which they come. Columns
    without a single number are named in `empty` instead.
    reference: the row that the others are compared with, or one for each row (`against` says in words what they are); left out where
    it was not run.
    """
    values = values_of(records)
    if columns is None:
        columns = tuple(metric for metric, region in values if region == WHOLE) or tuple(column(*key) for key in values)
    chosen = tuple(column(c) if isinstance(c, str) else c for c in columns)
    told = {
        key for key, held in values.items() if any(v is not None for cases in held.values() for v in cases.values())
    }
    empty, chosen = tuple(c.title for c in chosen if c.key not in told), tuple(c for c in chosen if c.key in told)
    rows = rows_of(records, notes or ())
    if isinstance(reference, str) and reference not in rows:
        reference = None
    better = {key: column(*key).better for key in values} | {c.key: c.better for c in chosen}
    return Section(
        records[0].part if records else title, title or (records[0].part if records else ""), lead, chosen, rows, values,
        {key: means(held) for key, held in values.items()},
        {key: differences(held, reference, better[key]) for key, held in values.items()} if reference is not None else {},
        reference if isinstance(reference, str) else against if reference else None,
        dict(notes or {}), frozenset(apart), tuple(sheets), gallery, empty,
    )  # fmt: skip


def summary(section: Section) -> dict[str, Any]:
    """The section as summary.json has it: what the columns are, means with intervals, paired differences, numbers per class."""
    shown = {c.key: c for c in section.columns}
    keys = {key: shown.get(key) or column(*key) for key in section.values}
    return {
        "title": section.title,
        "lead": section.lead,
        "columns": [
            {"metric": c.metric, "region": c.region, "title": c.title, "better": c.better, "digits": c.digits, "source": c.source}
            for c in section.columns
        ],
        "apart": sorted(section.apart),
        "notes": dict(section.notes),
        "rows": {row: {c.name: _numbers(section.means[k][row]) for k, c in keys.items() if row in section.means[k]} for row in section.rows},
        "reference": section.reference,
        "differences": {
            row: {c.name: _numbers(section.differences[k][row]) for k, c in keys.items() if row in section.differences.get(k, {})}
            for row in section.rows
        },
    }  # fmt: skip


def _numbers(mean: Mean) -> dict[str, float | int | None]:
    def short(value: float | None) -> float | None:
        return None if value is None else float(f"{value:.6g}")

    found = {"mean": short(mean.value), "low": short(mean.low), "high": short(mean.high), "cases": mean.cases, "missing": mean.missing}  # fmt: skip
    return found | ({"wins": short(mean.wins)} if isinstance(mean, Difference) else {})
