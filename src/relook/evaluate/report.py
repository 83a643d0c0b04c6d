"""What every suite leaves: records.csv, run.json, summary.json, table.md, grid.png and one page that needs no other file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relook.evaluate.gallery import Gallery, contact_sheet, in_page
from relook.evaluate.provenance import Provenance, told, write_provenance
from relook.evaluate.records import Record, write_records
from relook.evaluate.sections import ARROWS, CEILING, Column, Section, section, summary
from relook.evaluate.summary import Difference, Mean, parts_of, worst_first
from relook.evaluate.tables import compared, markdown, terminal
from relook.files import replacing, write_bytes, write_json

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["ARROWS", "CEILING", "WORST", "contact_sheet", "write_page", "write_results", "write_sections"]
WORST = 12
"""Cases on the page."""
CAPTION = 3
"""Numbers under a picture."""
SHEET_SIDE = 2400
"""Longer side in pixels of a sheet on the page."""


def write_results(
    out: Path,
    title: str,
    lead: str,
    records: Sequence[Record],
    notes: Mapping[str, str],
    *,
    pictures: Gallery | None = None,
    missing: Sequence[str] = (),
    provenance: Provenance,
    reference: str | Mapping[str, str] | None = None,
    against: str | None = None,
    columns: Mapping[str, Sequence[str | Column]] | None = None,
    apart: Collection[str] = (CEILING,),
) -> Group:
    """Everything that a suite leaves, from its records; returns the tables for a terminal.

    notes: what each row is, in the order of the tables. reference: the row that the others are compared with, case by case, its worst
    cases first; or one for each row, and `against`, what they are in words. columns: by part. Default: every metric of whole cases. missing: what is left out and why, in sentences. apart:
    rows that are no methods.
    """
    parts = parts_of(records)
    shown = (pictures.part or next(iter(parts), "")) if pictures is not None else None
    sections = [
        section(
            held, title="" if len(parts) > 1 else title, columns=(columns or {}).get(part),
            notes=notes, apart=apart, reference=reference, against=against, gallery=pictures if part == shown else None,
        )
        for part, held in parts.items()
    ]  # fmt: skip
    return write_sections(out, title, lead, sections, records, missing=missing, provenance=provenance)


def write_sections(
    out: Path,
    title: str,
    lead: str,
    sections: Sequence[Section],
    records: Sequence[Record],
    *,
    missing: Sequence[str] = (),
    provenance: Provenance,
) -> Group:
    """The same for a suite that makes its own sections."""
    from rich.console import Group
    from rich.text import Text

    write_records(out, records)
    write_provenance(out, provenance)
    write_json(out / "summary.json", {part.part: summary(part) for part in sections})
    write_bytes(out / "table.md", (f"{lead}\n\n" + markdown(sections)).encode())
    sheet = next((found for part in sections if part.gallery and (found := part.gallery.sheet(part.rows))), None)
    if sheet is not None:
        with replacing(out / "grid.png") as temporary:
            sheet.save(temporary, format="PNG")
    write_page(out / "report.html", title, lead, sections, missing=missing, facts=told(provenance))
    return Group(Text(lead), *(terminal(part) for part in sections), *(Text(sentence) for sentence in missing))


def write_page(
    path: Path,
    title: str,
    lead: str,
    sections: Sequence[Section],
    *,
    missing: Sequence[str] = (),
    facts: Iterable[tuple[str, str]] = (),
    changes: Sequence[Sequence[str]] = (),
) -> None:
    """A self-contained page; pictures are read one at a time.

    facts: what it was measured with, by name. changes: a table of what differs between runs, its heads first.
    """
    from jinja2 import Environment

    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        files("relook.evaluate").joinpath("templates/report.html").read_text(encoding="utf-8")
    )
    sources = {c.title: c.source for part in sections for c in part.columns if c.source}
    stream = page.stream(
        title=title, lead=lead, missing=missing, facts=list(facts), changes=changes, sources=sources,
        sections=[_told(part) for part in sections],
    )  # fmt: skip
    with replacing(path) as temporary:
        stream.dump(str(temporary), encoding="utf-8")


def _told(part: Section) -> Mapping[str, Any]:
    """A section as the page reads it."""
    best = {c.key: part.best(c) for c in part.columns}
    row = _judged_by(part)
    return {
        "title": part.title, "lead": part.lead, "columns": part.columns, "cases": _cases(part.cases), "empty": part.empty,
        "reference": part.reference,
        "rows": [
            {"name": name, "note": part.notes.get(name, ""), "apart": name in part.apart,
             "cells": [_cell(part.mean(name, c), c, name in best[c.key]) for c in part.columns]}
            for name in part.rows
        ],
        "differences": [
            {"name": name, "cells": [_difference(part.differences[c.key].get(name), c) for c in part.columns]}
            for name in compared(part)
        ],
        "classes": [_classes(part, c, names) for c in part.columns if (names := part.classes(c))],
        "sheets": ({"caption": caption, "data": in_page(sheet, SHEET_SIDE)} for caption, sheet in part.sheets),
        "by": f"{part.columns[0].title} of {row}" if part.gallery and part.columns and row else "",
        "worst": _worst(part, row), "pictured": bool(part.sheets or part.gallery),
    }  # fmt: skip


def _cell(mean: Mean, column: Column, best: bool = False) -> Mapping[str, Any]:
    """A number with its interval small beneath."""
    ends = f"{column.text(mean.low)} to {column.text(mean.high)}" if mean.half is not None else ""
    words = _cases(mean.cases) + (f", {mean.missing} without a number" if mean.missing else "")
    return {"text": column.text(mean.value), "ends": ends, "best": best, "words": words if mean.cases else ""}


def _difference(found: Difference | None, column: Column) -> Mapping[str, Any]:
    """A difference with its interval and wins; `kind` says whether the interval leaves 0 on one side."""
    if found is None or found.value is None:
        return {"text": "-", "ends": "", "wins": "", "kind": "", "words": ""}
    ends = [column.text(end, signed=True) for end in (found.low, found.high)] if found.half is not None else []
    return {
        "text": column.text(found.value, signed=True), "ends": " to ".join(ends), "wins": "" if found.wins is None else f"{found.wins:.0%}",
        "kind": {True: "better", False: "worse", None: ""}[found.clear], "words": _cases(found.cases) if found.cases else "",
    }  # fmt: skip


def _cases(number: int) -> str:
    return "1 case" if number == 1 else f"{number} cases"


def _classes(part: Section, column: Column, names: Sequence[str]) -> Mapping[str, Any]:
    """One metric by class: rows x classes."""
    means = {name: part.means[column.metric, name] for name in names}
    return {
        "head": column.head, "names": names,
        "rows": [{"name": row, "cells": [_cell(means[name].get(row, Mean(None)), column) for name in names]} for row in part.rows],
    }  # fmt: skip


def _judged_by(part: Section) -> str | None:
    """The row whose worst cases come first: the reference, else the first that is a method."""
    if part.reference in part.rows:
        return part.reference
    return next((row for row in part.rows if row not in part.apart), part.rows[0] if part.rows else None)


def _worst(part: Section, row: str | None) -> Iterator[Mapping[str, Any]]:
    """The worst cases, with every row's picture and numbers."""
    if part.gallery is None:
        return
    order: list[str] = []
    if part.columns and row is not None:
        order = worst_first(part.values.get(part.columns[0].key, {}), row, part.columns[0].better)
    for case in [*(c for c in order if c in part.gallery.cases), *(c for c in part.gallery.cases if c not in order)][
        :WORST
    ]:
        figures = [
            {"name": name, "data": in_page(picture), "words": _words(part, name, case)}
            for name, picture in part.gallery.line(case, part.rows) if picture is not None
        ]  # fmt: skip
        yield {"name": case, "figures": figures}


def _words(part: Section, row: str, case: str) -> list[str]:
    """The first numbers of a row on a case."""
    held = [(c, part.values.get(c.key, {}).get(row, {}).get(case)) for c in part.columns[:CAPTION]]
    return [f"{c.title} {c.text(value)}" for c, value in held if value is not None]
