"""A flat: several rooms in the look of the project, with a contact sheet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from relook.errors import InputError
from relook.files import read_json, write_json
from relook.present.line import line
from relook.present.photo import Photo
from relook.present.studio.first import LOOK, first, here, missing, with_look
from relook.present.studio.jobs import Job
from relook.present.studio.look import Look
from relook.present.studio.project import Project
from relook.present.studio.shelf import packed
from relook.present.studio.shell import QUIET, Shell, polite
from relook.present.studio.shown import command, status
from relook.progress import Progress

FLAT, MOST = "a flat", 40
"""The job's name, and rooms at a time."""
LINE = "relook photo ROOM ROOM --style STYLE --out DIR"
"""The command line until something is chosen."""
NOTHING = first(
    ("rooms", "photographs of the rooms"), ("look", "the look in Picture"), result=("pair", "every room in that look, and a contact sheet"),
    said="Drop the rooms of a flat above. They take the look and the options of Picture, the same material at the same scale in every room; "
    "what single things take there is said of that room alone.",
)  # fmt: skip
"""Until there are pictures."""


class Flat:
    """Components and what they do."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        self.rooms = gr.File(
            label="The rooms of a flat",
            file_count="multiple",
            file_types=["image", ".heic"],
            height=160,
            elem_id="rooms",
        )
        with gr.Row():
            self.go = gr.Button("Restyle all rooms", variant="primary", elem_id="flat", min_width=240, scale=0)
            self.stop = gr.Button("Cancel", variant="stop", visible=False, elem_id="flat-stop", min_width=100)
        self.status = gr.HTML(elem_id="flat-status")
        self.nothing = gr.HTML(NOTHING, elem_id="flat-nothing")
        self.gallery = gr.Gallery(
            label="Before and after",
            columns=2,
            object_fit="contain",
            height=620,
            elem_id="sheets",
            buttons=["fullscreen", "download"],
            visible=False,
        )
        self.all = gr.DownloadButton("All as a zip", visible=False, elem_id="flat-zip")
        self.line = command("flat-command", LINE)

    @property
    def outputs(self) -> list[Any]:
        """What `show` fills."""
        return [self.status, self.gallery, self.line, self.nothing, self.go, self.stop, self.all]

    def wire(self, *_: Any) -> None:
        """Connect what people do with what happens."""
        name = self.shell.name
        self.rooms.upload(polite(self._taken), [name, self.rooms], self.outputs, **QUIET)
        self.go.click(polite(self._begin), [name], [*self.outputs, self.shell.timer], **QUIET)
        self.stop.click(polite(self._stop), [name], self.outputs, **QUIET)

    def show(self, name: str) -> list[Any]:
        """How far the job is, the pictures that are there, and the line for them."""
        project, job = self.shell.project(name), self._job(name)
        pictures = [(str(path), path.stem) for path in self._pictures(project)]
        busy = job is not None and not job.over
        rooms, styles = self._rooms(project), project.look.styles
        return [
            self.said(name),
            gr.update(value=pictures, visible=bool(pictures)),
            line("photo", self._plan(project, rooms)) if rooms and styles else LINE,
            gr.update(value=with_look(NOTHING, project), visible=not pictures),
            gr.update(interactive=bool(rooms and styles and not busy)),
            gr.update(visible=busy),
            gr.update(
                visible=bool(pictures and not busy), value=packed(project, "flat") if pictures and not busy else None
            ),
        ]

    tick = show

    def said(self, name: str) -> str:
        """How far the job is, and what is there."""
        project, job = self.shell.project(name), self._job(name)
        rooms, styles = self._rooms(project), project.look.styles
        said = "" if job is None else status(job, self.studio.jobs)
        said += here("The rooms", [Path(one).name for one in rooms])
        return said + (missing({"rooms": rooms, LOOK: styles}) if rooms or styles else "")

    def _job(self, name: str) -> Job | None:
        """The flat's job."""
        job = self.studio.jobs.of(name)
        return job if job is not None and job.title == FLAT else None

    @staticmethod
    def _pictures(project: Project) -> list[Path]:
        """The sheets and pictures that are there."""
        files = sorted((project.folder / "results" / "flat").glob("*"))
        return [path for path in files if path.suffix in (".jpg", ".png")]

    def _plan(self, project: Project, rooms: list[str]) -> Photo:
        """What `relook photo` would be asked."""
        look = project.look
        whole = Look(styles=look.styles, options=look.options, style_segments=look.style_segments, signed=look.signed)
        places, styles = (tuple(project.file(one) for one in names) for names in (rooms, look.styles))
        out = project.folder / "results" / "flat"
        if len(places) == 1:  # one picture has a file's name, not a folder's
            out = out / f"{places[0].stem}.png"
        return Photo(places, styles, out, config=whole.config(project.folder))

    def _taken(self, name: str, paths: list[str] | None) -> list[Any]:
        """Keep the dropped rooms in place of those before."""
        project = self.shell.project(name)
        if len(paths or ()) > MOST:
            raise InputError(f"Expected at most {MOST} rooms, got {len(paths or ())}; drop fewer at a time.")
        if paths:
            write_json(project.part("flat") / "flat.json", {"rooms": [project.take_in(path) for path in paths]})
        return self.show(name)

    def _begin(self, name: str) -> list[Any]:
        project = self.shell.project(name)
        rooms = self._rooms(project)
        if not rooms or not project.look.styles:
            raise InputError("Expected rooms and a look, got less; drop the rooms here and the look in Picture.")
        plan = self._plan(project, rooms)
        config, out = replace(plan.config, device=self.studio.device), project.folder / "results" / "flat"

        def work(progress: Progress) -> list[Path]:
            from relook.engine import Engine
            from relook.transfer.batch import jobs_of, restyle_photos

            jobs = jobs_of(plan.structure, plan.style, out)
            return restyle_photos(jobs, config, sheets=out, engine=Engine(workers=1), progress=progress)

        self.studio.jobs.start(Job(project.name, FLAT, work, pieces=lambda: len(self._pictures(project))))
        return [*self.show(name), gr.Timer(active=True)]

    def _stop(self, name: str) -> list[Any]:
        self.studio.jobs.stop(name)
        return self.show(name)

    @staticmethod
    def _rooms(project: Project) -> list[str]:
        held = project.folder / "flat" / "flat.json"
        return list(read_json(held)["rooms"]) if held.is_file() else []
