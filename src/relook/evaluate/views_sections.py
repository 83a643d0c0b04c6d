"""What a suite of several parts leaves: tables with the better direction and the best value marked, and one page with pictures."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image

from relook.evaluate.report import ARROWS
from relook.files import write_bytes

if TYPE_CHECKING:
    from rich.table import Table

Score = dict[str, float | None]
"""Numbers of one row by the keys of the columns."""


@dataclass(frozen=True)
class Column:
    """One number of a table."""

    key: str
    title: str
    better: Literal["higher", "lower"] | None = None
    """None for numbers that are told, not judged."""
    digits: int = 2

    @property
    def head(self) -> str:
        """The title with the better direction."""
        return self.title if self.better is None else f"{self.title} {ARROWS[self.better]}"

    def text(self, score: Score) -> str:
        """The number as it is shown."""
        value = score.get(self.key)
        return "-" if value is None else f"{value:.{self.digits}f}"


@dataclass(frozen=True)
class Section:
    """One part of a suite: a table, and pictures."""

    title: str
    lead: str
    """What was measured, in a sentence or two."""
    columns: tuple[Column, ...]
    rows: Mapping[str, Score]
    notes: Mapping[str, str]
    """What each row is."""
    apart: frozenset[str] = frozenset()
    """Rows that are no methods (the exact answer): never the best."""
    pictures: tuple[tuple[str, Image.Image], ...] = ()
    """Sheets of pictures with a line on each."""

    def best(self, column: Column) -> set[str]:
        """The rows with the best value of a column, to the digits shown; none where there is nothing to choose."""
        known = {
            n: round(v, column.digits)
            for n, s in self.rows.items()
            if n not in self.apart and (v := s.get(column.key)) is not None
        }
        if column.better is None or len(known) < 2:
            return set()
        top = max(known.values()) if column.better == "higher" else min(known.values())
        return {name for name, value in known.items() if value == top}


def mean_score(scores: Iterable[Score]) -> Score:
    """Mean of every number over the scores that know it."""
    held: dict[str, list[float]] = {}
    keys: dict[str, None] = {}
    for score in scores:
        for key, value in score.items():
            keys[key] = None
            if value is not None:
                held.setdefault(key, []).append(value)
    return {key: sum(held[key]) / len(held[key]) if key in held else None for key in keys}


def terminal(section: Section) -> Table:
    """The section's table for a terminal, as wide as it must be, the best of each column bold."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    best = {column.key: section.best(column) for column in section.columns}
    names = max((len(name) for name in section.rows), default=3)
    widths = [
        max(len(word) for word in (*column.head.split(), *(column.text(score) for score in section.rows.values())))
        for column in section.columns
    ]
    made = Table(
        title=f"{section.title}: {section.lead}", title_justify="left", box=SIMPLE_HEAD, width=names + sum(widths) + 3 * len(widths) + 4,
    )  # fmt: skip
    made.add_column("row", min_width=names)
    for column, width in zip(section.columns, widths, strict=True):
        made.add_column(column.head, justify="right", min_width=width)
    for name, score in section.rows.items():
        cells = [f"[bold]{c.text(score)}[/bold]" if name in best[c.key] else c.text(score) for c in section.columns]
        made.add_row(name, *cells)
    return made


def markdown(sections: Sequence[Section]) -> str:
    """All tables as Markdown, the best of each column bold."""
    parts = []
    for section in sections:
        best = {column.key: section.best(column) for column in section.columns}
        lines = [f"### {section.title}", "", section.lead, ""]
        lines += [
            "| row | " + " | ".join(c.head for c in section.columns) + " |",
            "|---|" + "---:|" * len(section.columns),
        ]
        for name, score in section.rows.items():
            cells = [f"**{c.text(score)}**" if name in best[c.key] else c.text(score) for c in section.columns]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def write_page(
    path: Path, title: str, lead: str, sections: Sequence[Section], missing: Sequence[str], sources: Sequence[str]
) -> None:
    """A self-contained page: every section with its table and pictures, what is left out, where the numbers are defined."""
    from jinja2 import Environment

    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        files("relook.evaluate").joinpath("templates/views.html").read_text(encoding="utf-8")
    )
    html = page.render(
        title=title, lead=lead, missing=missing, sources=sources, sections=[_told(section) for section in sections]
    )
    write_bytes(path, html.encode())


def _told(section: Section) -> Mapping[str, object]:
    """A section as the page reads it."""
    best = {column.key: section.best(column) for column in section.columns}
    return {
        "title": section.title, "lead": section.lead, "heads": [column.head for column in section.columns],
        "rows": [
            {"name": name, "note": section.notes.get(name, ""),
             "cells": [{"text": c.text(score), "best": name in best[c.key]} for c in section.columns]}
            for name, score in section.rows.items()
        ],
        "pictures": [{"caption": caption, "data": _data(sheet)} for caption, sheet in section.pictures],
    }  # fmt: skip


def _data(sheet: Image.Image) -> str:
    """A JPEG in base64."""
    held = BytesIO()
    sheet.save(held, format="JPEG", quality=90)
    return base64.b64encode(held.getvalue()).decode()
