"""Parts of a report and what their records come to: what each column is, means with intervals, paired differences, the best of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
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
    """None for numbers that are shown, not judged."""
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


COUNTED: Mapping[str, Column] = {
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
    known: Any = METRICS.get(metric) or COUNTED.get(metric, Column(metric, title=metric.replace("_", " "), digits=3))
    words = title if title is not None else known.title + ("" if region == WHOLE else f", {region}")
    better = known.better if judged else None
    return Column(metric, region, words, better, known.digits if digits is None else digits, known.source)


@dataclass(frozen=True)
class Part:
    """How one part of a suite is shown: a table, paired differences to one row, a table of each metric by class, pictures."""

    name: str
    """As in the records."""
    title: str = ""
    """Default: the name."""
    lead: str = ""
    """What was measured, in a sentence or two."""
    columns: Sequence[str | Column] | None = None
    """Names of metrics, or columns, in order. Default: every metric of whole cases, in the order in which they come."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What each row is, in the order of the table."""
    apart: Collection[str] = (CEILING,)
    """Rows that are no methods (the exact answer): never the best."""
    reference: str | Mapping[str, str] | None = None
    """The row that the others are compared with, or one for each row; left out where it was not run."""
    against: str | None = None
    """What the differences are to, in words, where each row has a reference of its own."""
    gallery: Gallery | None = None
    """Pictures of the cases, shown worst first."""
    sheets: Sequence[tuple[str, Image.Image]] = ()
    """Sheets of pictures with a line on each."""


@dataclass(frozen=True)
class Section:
    """A part with its numbers."""

    part: Part
    columns: tuple[Column, ...]
    """Those that have a number."""
    empty: tuple[str, ...]
    """Titles of those that have none at all."""
    rows: tuple[str, ...]
    values: Mapping[Key, Values]
    """Every number by (metric, region), row and case."""
    means: Mapping[Key, Mapping[str, Mean]]
    differences: Mapping[Key, Mapping[str, Difference]]
    """Of every row to its reference; empty without one."""

    @property
    def title(self) -> str:
        """Above its table."""
        return self.part.title or self.part.name

    @property
    def reference(self) -> str | None:
        """What the differences are to, in words; a row's name where they are all to one."""
        if not self.differences:
            return None
        return self.part.reference if isinstance(self.part.reference, str) else self.part.against

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
            if row not in self.part.apart and mean.value is not None
        }
        if column.better is None or len(known) < 2:
            return set()
        top = max(known.values()) if column.better == "higher" else min(known.values())
        return {row for row, value in known.items() if value == top}

    def compared(self) -> list[str]:
        """The rows that have a difference in a column of the table."""
        return [row for row in self.rows if any(row in self.differences.get(c.key, {}) for c in self.columns)]


def section(part: Part, records: Sequence[Record]) -> Section:
    """A part with the numbers of its records."""
    values = values_of(records)
    wanted = part.columns
    if wanted is None:
        wanted = [metric for metric, region in values if region == WHOLE] or [column(*key) for key in values]
    chosen = [column(c) if isinstance(c, str) else c for c in wanted]
    known = {k for k, rows in values.items() if any(v is not None for cases in rows.values() for v in cases.values())}
    better = {key: column(*key).better for key in values} | {c.key: c.better for c in chosen}
    rows, reference = rows_of(records, part.notes), part.reference
    if isinstance(reference, str) and reference not in rows:
        reference = None
    return Section(
        part, tuple(c for c in chosen if c.key in known), tuple(c.title for c in chosen if c.key not in known), rows, values,
        {key: means(held) for key, held in values.items()},
        {key: differences(held, reference, better[key]) for key, held in values.items()} if reference else {},
    )  # fmt: skip


def flat(section: Section) -> dict[str, dict[str, dict[str, float | None]]]:
    """{row: {metric or metric/region: {mean, low, high}}}: what summary.json says of a part."""
    return {
        row: {
            column(*key).name: {
                "mean": _short(rows[row].value),
                "low": _short(rows[row].low),
                "high": _short(rows[row].high),
            }
            for key, rows in section.means.items()
            if row in rows
        }
        for row in section.rows
    }


def shown(section: Section) -> dict[str, Any]:
    """The section as tables.json has it: what the columns and rows are, cases behind each mean, paired differences."""
    columns = {c.key: c for c in section.columns}
    names = {key: (columns.get(key) or column(*key)).name for key in section.values}
    return {
        "title": section.title, "lead": section.part.lead, "columns": [asdict(c) for c in section.columns],
        "apart": sorted(section.part.apart), "notes": dict(section.part.notes), "reference": section.reference,
        "rows": {row: {names[k]: _numbers(rows[row]) for k, rows in section.means.items() if row in rows} for row in section.rows},
        "differences": {
            row: {names[k]: _numbers(rows[row]) for k, rows in section.differences.items() if row in rows} for row in section.rows
        },
    }  # fmt: skip


def _numbers(mean: Mean) -> dict[str, float | int | None]:
    found = {"mean": _short(mean.value), "low": _short(mean.low), "high": _short(mean.high), "cases": mean.cases, "missing": mean.missing}  # fmt: skip
    return found | ({"wins": _short(mean.wins)} if isinstance(mean, Difference) else {})


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
