"""A flat: several rooms in the look of the project, with a contact sheet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from relook.engine import Engine
from relook.errors import InputError
from relook.present.studio.jobs import Job
from relook.present.studio.look import Look
from relook.present.studio.shell import QUIET, Shell, polite
from relook.present.studio.shown import status
from relook.progress import Progress
from relook.transfer.batch import jobs_of, restyle_photos

MOST = 40
"""Rooms at a time."""


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
        gr.Markdown(
            "They take the look and the options of Picture; what single things take there is said of that room alone."
        )
        self.go = gr.Button("Restyle all rooms", variant="primary", elem_id="flat")
        self.status = gr.HTML()
        self.gallery = gr.Gallery(
            label="Before and after",
            columns=2,
            object_fit="contain",
            height=620,
            elem_id="sheets",
            buttons=["fullscreen", "download"],
        )

    @property
    def outputs(self) -> list[Any]:
        """What `show` fills."""
        return [self.status, self.gallery]

    def wire(self, *_: Any) -> None:
        """Connect what people do with what happens."""
        name = self.shell.name
        self.go.click(polite(self._begin), [name, self.rooms], [*self.outputs, self.shell.timer], **QUIET)
        self.shell.timer.tick(polite(self.show), [name], self.outputs, **QUIET)

    def show(self, name: str) -> list[Any]:
        """How far the job is, and the pictures that are there."""
        job, folder = self.studio.jobs.of(name), self.shell.project(name).folder / "results" / "flat"
        pictures = (
            sorted(path for path in folder.glob("*") if path.suffix in (".jpg", ".png")) if folder.is_dir() else []
        )
        said = status(job, self.studio.jobs) if job is not None and job.title == "a flat" else ""
        return [said, [(str(path), path.stem) for path in pictures]]

    def _begin(self, name: str, paths: list[str] | None) -> list[Any]:
        project = self.shell.project(name)
        look = project.look
        if not paths or not look.styles:
            raise InputError("Expected rooms and a look, got less; drop the rooms here and the look in Picture.")
        if len(paths) > MOST:
            raise InputError(f"Expected at most {MOST} rooms, got {len(paths)}; drop fewer at a time.")
        rooms: list[str | Path] = [project.file(project.take_in(path)) for path in paths]
        styles: list[str | Path] = [project.file(one) for one in look.styles]
        whole = Look(styles=look.styles, options=look.options, style_segments=look.style_segments)
        config = replace(whole.config(project.folder), device=self.studio.device)
        out = project.folder / "results" / "flat"

        def work(progress: Progress) -> list[Path]:
            return restyle_photos(
                jobs_of(rooms, styles, out), config, sheets=out, engine=Engine(workers=1), progress=progress
            )

        self.studio.jobs.start(Job(project.name, "a flat", work))
        return [*self.show(name), gr.Timer(active=True)]
