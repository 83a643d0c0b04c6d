"""What every suite leaves: records.csv, run.json, summary.json, tables.json, table.md, grid.png and one page that needs no other file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relook.evaluate.gallery import in_page
from relook.evaluate.provenance import Provenance, described, write_provenance
from relook.evaluate.records import Record, write_records
from relook.evaluate.sections import Section, flat, shown
from relook.evaluate.summary import worst_first
from relook.evaluate.tables import by_class, cases, differences, markdown, numbers, terminal
from relook.files import replacing, write_bytes, write_json

if TYPE_CHECKING:
    from rich.console import Group

WORST = 12
"""Cases on the page."""
CAPTION = 3
"""Numbers under a picture."""
SHEET_SIDE = 2400
"""Longer side in pixels of a sheet on the page."""


@dataclass(frozen=True)
class Report:
    """What a page says."""

    title: str
    lead: str
    sections: Sequence[Section]
    missing: Sequence[str] = ()
    """What is left out and why, in sentences."""
    changes: Sequence[Sequence[str]] = ()
    """What differs between runs: a table, its heads first."""


def write_results(out: Path, report: Report, records: Sequence[Record], provenance: Provenance) -> Group:
    """Everything that a suite leaves, in the folder `out`; returns the tables for a terminal."""
    from rich.console import Group
    from rich.text import Text

    sections = report.sections
    write_records(out, records)
    write_provenance(out, provenance)
    write_json(out / "summary.json", {_name(provenance.suite, one): flat(one) for one in sections})
    write_json(out / "tables.json", {one.part.name: shown(one) for one in sections})
    write_bytes(out / "table.md", (f"{report.lead}\n\n" + markdown(sections)).encode())
    sheet = next((s for one in sections if one.part.gallery and (s := one.part.gallery.sheet(one.rows))), None)
    if sheet is not None:
        with replacing(out / "grid.png") as temporary:
            sheet.save(temporary, format="PNG")
    write_page(out / "report.html", report, provenance)
    tables = [terminal(numbers(one), one.part.lead) for one in sections]
    return Group(Text(report.lead), *tables, *(Text(sentence) for sentence in report.missing))


def write_page(path: Path, report: Report, provenance: Provenance | None = None) -> None:
    """A self-contained page, pictures first; they are read one at a time."""
    from jinja2 import Environment

    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        files("relook.evaluate").joinpath("templates/report.html").read_text(encoding="utf-8")
    )
    stream = page.stream(
        report=report, facts=[] if provenance is None else described(provenance),
        sources={c.title: c.source for one in report.sections for c in one.columns if c.source},
        sections=[_for_page(one) for one in report.sections],
    )  # fmt: skip
    with replacing(path) as temporary:
        stream.dump(str(temporary), encoding="utf-8")


def _name(suite: str, section: Section) -> str:
    """The key of a part in summary.json: the suite, and the part behind a slash where it has several."""
    return suite if section.part.name == suite else f"{suite}/{section.part.name}"


def _for_page(section: Section) -> Mapping[str, Any]:
    """A section as the page reads it."""
    part, row = section.part, _judged_by(section)
    return {
        "section": section, "part": part, "cases": cases(section.cases), "numbers": numbers(section).split(),
        "differences": [part for table in (differences(section),) if table is not None for part in table.split()],
        "classes": [(table.title, table.split()) for table in by_class(section)],
        "sheets": ({"caption": caption, "data": in_page(sheet, SHEET_SIDE)} for caption, sheet in part.sheets),
        "by": f"{section.columns[0].title} of {row}" if part.gallery and section.columns and row else "",
        "worst": _worst(section, row), "pictured": bool(part.sheets or part.gallery),
    }  # fmt: skip


def _judged_by(section: Section) -> str | None:
    """The row whose worst cases come first: the reference, else the first that is a method."""
    if section.reference in section.rows:
        return section.reference
    return next((row for row in section.rows if row not in section.part.apart), next(iter(section.rows), None))


def _worst(section: Section, row: str | None) -> Iterator[Mapping[str, Any]]:
    """The worst cases, with every row's picture and numbers."""
    gallery, order = section.part.gallery, list[str]()
    if gallery is None:
        return
    if section.columns and row is not None:
        order = worst_first(section.values.get(section.columns[0].key, {}), row, section.columns[0].better)
    for case in list(dict.fromkeys([*(c for c in order if c in gallery.cases), *gallery.cases]))[:WORST]:
        figures = [
            {"name": name, "data": in_page(picture), "words": _words(section, name, case)}
            for name, picture in gallery.line(case, section.rows) if picture is not None
        ]  # fmt: skip
        yield {"name": case, "figures": figures}


def _words(section: Section, row: str, case: str) -> list[str]:
    """The first numbers of a row on a case."""
    held = [(c, section.values.get(c.key, {}).get(row, {}).get(case)) for c in section.columns[:CAPTION]]
    return [f"{c.title} {c.text(value)}" for c, value in held if value is not None]
