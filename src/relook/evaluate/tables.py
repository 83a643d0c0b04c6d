"""The tables of a section, for the page, for a terminal and as Markdown: one grid of cells each, shown three ways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relook.evaluate.sections import Column, Section
from relook.evaluate.summary import Difference, Mean

if TYPE_CHECKING:
    from rich.table import Table as RichTable

MOST = 8
"""Columns of a table on the page, which has several one below the other, so that a window of 1280 pixels shows all; and of a terminal's."""


@dataclass(frozen=True)
class Cell:
    """A number with what stands beside it."""

    text: str = "-"
    spread: str = ""
    """Half the 95 % interval, e.g. `±0.31`."""
    ends: str = ""
    """The interval, e.g. `21.59 to 22.21`."""
    wins: str = ""
    """Of a difference: the share of cases won."""
    kind: str = ""
    """`best` of its column; of a difference `better` or `worse`, where the interval leaves 0 on one side."""
    words: str = ""
    """Cases behind it."""

    @property
    def line(self) -> str:
        """Without what is on the page only."""
        return self.text + (f" {self.spread}" if self.spread else "") + (f", {self.wins}" if self.wins else "")


@dataclass(frozen=True)
class Table:
    """Rows of cells."""

    title: str
    heads: tuple[str, ...]
    rows: Mapping[str, tuple[Cell, ...]]

    def split(self) -> list[Table]:
        """The same in tables of at most MOST columns."""
        starts = range(0, len(self.heads), MOST)
        parts = [slice(start, start + MOST) for start in starts]
        return [Table(self.title, self.heads[p], {row: cells[p] for row, cells in self.rows.items()}) for p in parts]


def numbers(section: Section) -> Table:
    """Every row's means, the best of each column marked."""
    best = {c.key: section.best(c) for c in section.columns}
    rows = {
        row: tuple(_cell(section.mean(row, c), c, "best" if row in best[c.key] else "") for c in section.columns)
        for row in section.rows
    }
    return Table(section.title, tuple(c.head for c in section.columns), rows)


def differences(section: Section) -> Table | None:
    """Every row less its reference, case by case; None without a reference."""
    rows = {
        row: tuple(_difference(section.differences[c.key].get(row), c) for c in section.columns)
        for row in section.compared()
    }
    heads = tuple(f"{c.head}, wins" if c.better else c.head for c in section.columns)
    return Table(f"{section.title}: difference to {section.reference}, case by case", heads, rows) if rows else None


def by_class(section: Section) -> list[Table]:
    """A table of rows x classes for every metric that has numbers of classes."""
    return [
        Table(
            f"{c.head} by class", names,
            {row: tuple(_cell(section.means[c.metric, name].get(row, Mean(None)), c) for name in names) for row in section.rows},
        )
        for c in section.columns if (names := section.classes(c))
    ]  # fmt: skip


def cases(number: int) -> str:
    """Counted in words."""
    return "1 case" if number == 1 else f"{number} cases"


def _cell(mean: Mean, column: Column, kind: str = "") -> Cell:
    words = cases(mean.cases) + (f", {mean.missing} without a number" if mean.missing else "")
    return Cell(
        column.text(mean.value), "" if mean.half is None else f"±{column.text(mean.half)}",
        "" if mean.half is None else f"{column.text(mean.low)} to {column.text(mean.high)}", "", kind, words if mean.cases else "",
    )  # fmt: skip


def _difference(found: Difference | None, column: Column) -> Cell:
    if found is None or found.value is None:
        return Cell()
    low, high = (column.text(end, signed=True) for end in (found.low, found.high))
    return Cell(
        column.text(found.value, signed=True), "" if found.half is None else f"±{column.text(found.half)}",
        "" if found.half is None else f"{low} to {high}", "" if found.wins is None else f"{found.wins:.0%}",
        {True: "better", False: "worse", None: ""}[found.clear], cases(found.cases) if found.cases else "",
    )  # fmt: skip


def terminal(table: Table, lead: str = "") -> RichTable:
    """The table's first columns, as wide as they must be: cells are never cut, however narrow the terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable
    from rich.text import Text

    heads, rows = table.heads[:MOST], {name: cells[:MOST] for name, cells in table.rows.items()}
    names = max((len(name) for name in rows), default=3)
    widths = [
        max(*(len(word) for word in head.split()), *(len(cells[number].line) for cells in rows.values()), 0)
        for number, head in enumerate(heads)
    ]
    made = RichTable(
        title=Text(": ".join(filter(None, (table.title, lead)))), title_justify="left", box=SIMPLE_HEAD,
        width=names + sum(widths) + 3 * len(widths) + 4,
    )  # fmt: skip
    made.add_column("row", min_width=names)
    for head, width in zip(heads, widths, strict=True):
        made.add_column(Text(head), justify="right", min_width=width)
    for name, cells in rows.items():
        made.add_row(Text(name), *(Text.assemble((c.text, "bold" if c.kind else ""), (c.line[len(c.text) :], "dim")) for c in cells))  # fmt: skip
    if len(table.heads) > MOST:
        made.caption = f"On the page as well: {', '.join(table.heads[MOST:])}."
    return made


def markdown(sections: Sequence[Section]) -> str:
    """All tables as Markdown: mean ± half the interval, the best of each column bold; then the differences to the reference."""
    parts = []
    for section in sections:
        lead = [section.part.lead, ""] if section.part.lead else []
        parts.append("\n".join([f"### {section.title}", "", *lead, *_lines(numbers(section))]))
        if (less := differences(section)) is not None:
            parts.append("\n".join([f"#### {less.title}", "", *_lines(less)]))
    return "\n\n".join(parts) + "\n"


def _lines(table: Table) -> list[str]:
    lines = [markdown_line(("row", *table.heads)), "|---|" + "---:|" * len(table.heads)]
    for name, cells in table.rows.items():
        texts = [c.line.replace(c.text, f"**{c.text}**", 1) if c.kind == "best" else c.line for c in cells]
        lines.append(markdown_line((name, *texts)))
    return lines


def markdown_line(cells: Iterable[str]) -> str:
    """A line of a table."""
    return "| " + " | ".join(word.replace("|", "\\|") for word in cells) + " |"
