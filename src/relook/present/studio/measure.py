"""What suites measured: open a report of `relook evaluate`, or compare several, as `relook compare` does."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import gradio as gr

from relook.errors import InputError
from relook.present.compare import Compare
from relook.present.line import line
from relook.present.studio.first import first
from relook.present.studio.project import REPORTS
from relook.present.studio.shell import QUIET, Shell, polite
from relook.present.studio.shown import command

NOTHING = first(
    ("report", "what a suite measured"), ("report", "perhaps another run of it"), result=("table", "its tables; of two, what differs"),
    said=f"Drop what <code>relook evaluate SUITE --out DIR</code> wrote (the folder as a zip, or its records.csv, run.json and tables.json), or put such folders into {REPORTS}/, beside the projects, and choose one above. "
    "A second report is compared with the first, case by case. The line below measures every method on four drawn rooms; its report is open here when it is done.",
)  # fmt: skip
"""Until a report is chosen."""


class Measure:
    """Components and what they do. Reports are in reports/ beside the projects."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        with gr.Row():
            self.drop = gr.File(label="Reports: zips, or the files of one", file_count="multiple",
                                file_types=[".zip", ".csv", ".json"], height=150, elem_id="report")  # fmt: skip
            self.known = gr.Dropdown([], label="Reports", multiselect=True, elem_id="reports",
                                     info="One is opened, two or more are compared with the first.")  # fmt: skip
        self.nothing = gr.HTML(NOTHING, elem_id="measure-nothing")
        self.tables = gr.Markdown(elem_id="tables")
        self.line = command("compare-command", self._first())

    @property
    def outputs(self) -> list[Any]:
        """What `show` fills."""
        return [self.known, self.tables, self.line, self.nothing]

    def wire(self, *_: Any) -> None:
        """Connect what people do with what happens."""
        name = self.shell.name
        self.drop.upload(polite(self._taken), [name, self.drop, self.known], [*self.outputs, self.drop], **QUIET)
        self.known.change(
            polite(self._chosen),
            [self.known],
            [self.tables, self.line, self.nothing],
            trigger_mode="always_last",
            **QUIET,
        )

    def show(self, name: str, chosen: list[str] | None = None) -> list[Any]:
        """The reports there are; the latest is open until others are chosen. chosen: None where nobody has."""
        from relook.present.studio.intake import RECORDS

        there = sorted((path for path in self.root.glob("*") if path.is_dir()), key=lambda path: path.stat().st_mtime)
        if chosen is None:
            chosen = [path.name for path in there[-1:] if (path / RECORDS).is_file()]
        return [gr.update(choices=sorted(path.name for path in there), value=chosen), *self._chosen(chosen)]

    def _first(self) -> str:
        """The line that measures something which then can be opened here."""
        return shlex.join(
            ["relook", "evaluate", "dollhouse-photo", "--pairs", "4", "--out", str(self.root / "drawn-rooms")]
        )

    @property
    def root(self) -> Path:
        """The folder of the reports."""
        return self.studio.projects.root / REPORTS

    def _taken(self, name: str, paths: list[str] | None, chosen: list[str] | None) -> list[Any]:
        """Keep what was dropped as a report of its own."""
        from relook.present.studio.intake import take_reports

        new = take_reports([Path(path) for path in paths or ()], self.root)
        return [*self.show(name, [*(chosen or []), *new]), None]

    def _chosen(self, names: list[str] | None) -> list[Any]:
        """One report's tables, or the differences of several."""
        folders = [self._folder(name) for name in names or ()]
        if not folders:
            return ["", self._first(), gr.update(visible=True)]
        if len(folders) == 1:
            return [report(folders[0]), "", gr.update(visible=False)]
        from relook.evaluate.compare import run

        out = self.root.parent / ".compared" / "-".join(path.name for path in folders)[:100]
        run(folders, out=out)
        tables = (out / "compare.md").read_text(encoding="utf-8")
        return [tables, line("compare", Compare(tuple(folders), out)), gr.update(visible=False)]

    def _folder(self, name: str) -> Path:
        """A report by its name. Raises InputError for one that is not in the folder."""
        if name not in {path.name for path in self.root.glob("*") if path.is_dir()}:
            raise InputError(f"Expected a report in {self.root}, got {name!r}; choose one of the list.")
        return self.root / name


def report(folder: Path) -> str:
    """The tables of one report, and what it was measured with, as Markdown. Raises InputError for a folder without records."""
    from relook.evaluate.compare import read_run, sections_of
    from relook.evaluate.provenance import described
    from relook.evaluate.tables import markdown, markdown_line

    found = read_run(folder)
    tables = markdown(sections_of(found))
    if found.provenance is None:
        return tables
    facts = [markdown_line(("measured with", "")), "|---|---|", *map(markdown_line, described(found.provenance))]
    return "\n\n".join([tables, "\n".join(facts)])
