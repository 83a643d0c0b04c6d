"""The tables of sections for a terminal and as Markdown: mean ± half the 95 % interval, the best of each column bold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from relook.evaluate.sections import Column, Section
from relook.evaluate.summary import Difference, Mean

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

TO = "difference to {}, case by case"
"""Head of the differences."""


MOST = 8
"""Columns of a terminal's table; the others are on the page."""


def terminal(section: Section) -> Table:
    """The section's first columns for a terminal, as wide as they must be."""
    from rich.text import Text

    columns = section.columns[:MOST]
    best = {c.key: section.best(c) for c in columns}
    cells = {
        row: [
            Text.assemble((value, "bold" if row in best[c.key] else ""), (spread, "dim"))
            for c in columns for value, spread in (_cell(section.mean(row, c), c),)
        ]
        for row in section.rows
    }  # fmt: skip
    title = ": ".join(word for word in (section.title, section.lead) if word)
    made = _table(title, [c.head for c in columns], cells)
    if len(section.columns) > MOST:
        made.caption = f"On the page as well: {', '.join(c.title for c in section.columns[MOST:])}."
    return made


def terminal_differences(section: Section) -> Table | None:
    """The paired differences for a terminal, clear ones bold; None without any."""
    from rich.text import Text

    rows = compared(section)
    if not rows:
        return None
    cells = {
        row: [
            Text(difference_text(found, c), "bold" if found is not None and found.clear is not None else "")
            for c in section.columns[:MOST] for found in (section.differences[c.key].get(row),)
        ]
        for row in rows
    }  # fmt: skip
    return _table(f"{section.title}: {TO.format(section.reference)}", _difference_heads(section)[:MOST], cells)


def _table(title: str, heads: Sequence[str], rows: Mapping[str, Sequence[Text]]) -> Table:
    """Rows of cells that are never cut, however narrow the terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    names = max((len(name) for name in rows), default=3)
    widths = [
        max(*(len(word) for word in head.split()), *(len(cells[number]) for cells in rows.values()), 0)
        for number, head in enumerate(heads)
    ]
    made = Table(
        title=Text(title), title_justify="left", box=SIMPLE_HEAD, width=names + sum(widths) + 3 * len(widths) + 4
    )
    made.add_column("row", min_width=names)
    for head, width in zip(heads, widths, strict=True):
        made.add_column(Text(head), justify="right", min_width=width)
    for name, cells in rows.items():
        made.add_row(Text(name), *cells)
    return made


def markdown(sections: Sequence[Section]) -> str:
    """All tables as Markdown: mean ± half the interval, the best of each column bold; then the differences to the reference."""
    parts = []
    for part in sections:
        parts.append("\n".join([f"### {part.title}", "", *([part.lead, ""] if part.lead else []), *_lines(part)]))
        if compared(part):
            head = f"{part.title}: {TO.format(part.reference)}"
            parts.append("\n".join([f"#### {head}", "", *_difference_lines(part)]))
    return "\n\n".join(parts) + "\n"


def _lines(section: Section) -> list[str]:
    best = {c.key: section.best(c) for c in section.columns}
    lines = _head("row", [c.head for c in section.columns])
    for row in section.rows:
        cells = []
        for c in section.columns:
            value, spread = _cell(section.mean(row, c), c)
            cells.append((f"**{value}**" if row in best[c.key] else value) + spread)
        lines.append(_line(row, cells))
    return lines


def compared(section: Section) -> list[str]:
    """The rows that have a difference in a column of the table."""
    return [row for row in section.rows if any(row in section.differences.get(c.key, {}) for c in section.columns)]


def _difference_lines(section: Section) -> list[str]:
    lines = _head("row", _difference_heads(section))
    for row in compared(section):
        found = [section.differences[c.key].get(row) for c in section.columns]
        lines.append(_line(row, [difference_text(d, c) for d, c in zip(found, section.columns, strict=True)]))
    return lines


def _difference_heads(section: Section) -> list[str]:
    return [f"{c.head}, wins" if c.better else c.head for c in section.columns]


def difference_text(difference: Difference | None, column: Column) -> str:
    """A difference with its interval and the share of cases won."""
    if difference is None or difference.value is None:
        return "-"
    words = column.text(difference.value, signed=True)
    if difference.half is not None:
        words += f" ±{column.text(difference.half)}"
    return words if difference.wins is None else f"{words}, {difference.wins:.0%}"


def _cell(mean: Mean, column: Column) -> tuple[str, str]:
    """The mean, and its spread behind it."""
    return column.text(mean.value), "" if mean.half is None else f" ±{column.text(mean.half)}"


def _head(first: str, heads: Sequence[str]) -> list[str]:
    return [_line(first, heads), "|---|" + "---:|" * len(heads)]


def _line(first: str, cells: Sequence[str]) -> str:
    return "| " + " | ".join(word.replace("|", "\\|") for word in (first, *cells)) + " |"
