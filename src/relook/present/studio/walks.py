"""A walk through a room in the look of the project: a video, frames or a capture; frames that arrive; a player of before and after."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from relook.config import ONE_PICTURE, PhotoConfig, ViewsConfig
from relook.errors import InputError
from relook.files import VIDEOS, read_json, write_json
from relook.present.line import line
from relook.present.studio.first import LOOK, first, here, missing, with_look
from relook.present.studio.forms import changed, fields, filled, form, given, with_value
from relook.present.studio.jobs import Job
from relook.present.studio.look import Look
from relook.present.studio.player import SCRIPT, STYLE, films
from relook.present.studio.project import CAPTURES, Project
from relook.present.studio.shell import LATEST, QUIET, Shell, polite
from relook.present.studio.shown import command, status
from relook.present.views import Views
from relook.progress import Progress

WALK = "a walk"
"""The job's name."""
NEWEST = 8
"""Frames that are shown while they arrive."""
OF_VIEWS = fields(ViewsConfig, ("photo", "refiner"))
OF_PHOTO = fields(PhotoConfig, (), ("keep", "match"))
SCHEMA = {**OF_PHOTO, **OF_VIEWS}
"""What the form asks for: of a walk, and things of one picture that hold for every frame."""
LINE = "relook views WALK --style STYLE --out DIR"
"""The command line until something is chosen."""
NOTHING = first(
    ("film", "a video, frames or a capture of a room"), ("look", "the look in Picture"), result=("film", "the same walk in that look"),
    said="Drop the walk where it says so. Its frames stand here as they arrive, then a player of before and after, and the film to take away. "
    "A walk that was stopped goes on where it was.",
)  # fmt: skip
"""Until there are frames."""


class Walks:
    """Components and what they do. What was chosen is in walk/walk.json of the project."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                self.drop = gr.File(
                    label="A video, or a zip of frames or of a capture", file_types=[*sorted(VIDEOS), ".zip"], height=150, elem_id="walk"
                )  # fmt: skip
                self.known = gr.Dropdown([], label="Or a capture", elem_id="capture",
                                         info=f"Folders in {CAPTURES}/, beside the projects: COLMAP, nerfstudio, capture.json, frames.")  # fmt: skip
                gr.Markdown("It takes the look and the options of Picture.")
                with gr.Row():
                    self.go = gr.Button("Restyle the walk", variant="primary", elem_id="walk-go", min_width=140)
                    self.stop = gr.Button("Cancel", variant="stop", visible=False, elem_id="walk-stop", min_width=100)
                self.form = form(SCHEMA, "walk-option")
            with gr.Column(scale=3, min_width=320):
                self.status = gr.HTML(elem_id="walk-status")
                self.nothing = gr.HTML(NOTHING, elem_id="walk-nothing")
                self.frames = gr.Gallery(label="Frames as they arrive", columns=4, height=340, elem_id="walk-frames", buttons=["fullscreen"],
                                         object_fit="contain", visible=False)  # fmt: skip
                self.player = gr.HTML(elem_id="walk-player", css_template=STYLE, js_on_load=SCRIPT)
                self.film = gr.DownloadButton("Download the film", visible=False, elem_id="walk-film")
                self.line = command("walk-command", LINE)

    @property
    def outputs(self) -> list[Any]:
        """What `show` fills."""
        live = [self.status, self.frames, self.player, self.film, self.go, self.stop, self.line]
        return [*live, self.nothing, self.known, *self.form.values()]

    def wire(self, *_: Any) -> None:
        """Connect what people do with what happens."""
        name, held = self.shell.name, [*self.form.values()]
        self.drop.upload(polite(self._taken), [name, self.drop], self.outputs, **QUIET)
        self.known.input(polite(self._named), [name, self.known], self.outputs, **LATEST)
        self.go.click(polite(self._begin), [name, *held], [*self.outputs, self.shell.timer], **QUIET)
        self.stop.click(polite(self._stop), [name], self.outputs, **QUIET)
        for option, one in self.form.items():
            changed(one)(polite(partial(self._set, option)), [name, one], [self.line], **LATEST)

    def show(self, name: str) -> list[Any]:
        """How far the walk is, its newest frames, the player once it is done, and the options."""
        project = self.shell.project(name)
        held = self._held(project)
        captures = sorted(path.name for path in (self.studio.projects.root / CAPTURES).glob("*") if path.is_dir())
        known = gr.update(choices=captures, value=held["capture"])
        return [*self._state(project), known, *filled(SCHEMA, held["options"])]

    def tick(self, name: str) -> list[Any]:
        """What changes when frames or the film have come; a player is left alone while another job runs."""
        if self._job(name) is None:
            return [gr.skip()] * len(self.outputs)
        return [*self._state(self.shell.project(name)), *[gr.skip()] * (1 + len(self.form))]

    def said(self, name: str) -> str:
        """How far the walk is, and what is there."""
        project, job = self.shell.project(name), self._job(name)
        source, styles = self._source(project), project.look.styles
        said = "" if job is None else status(job, self.studio.jobs)
        said += here("The walk", [self._held(project)["title"] or source.name] if source else [])
        said += missing({"a walk": source, LOOK: styles}) if source or styles else ""
        done = self._frames(project)
        if done and (job is None or job.over) and self._film(project) is None:
            said += (
                f"<p>{len(done)} frames are there; Restyle the walk goes on where it was, with the same options.</p>"
            )
        return said

    def _job(self, name: str) -> Job | None:
        """The walk's job."""
        job = self.studio.jobs.of(name)
        return job if job is not None and job.title == WALK else None

    def _frames(self, project: Project) -> list[Path]:
        """Frames that are there."""
        run = self._held(project)["run"]
        return sorted((project.folder / "walk" / run / "frames").glob("*.png")) if run else []

    def _film(self, project: Project) -> Path | None:
        """The film, once both are there."""
        run = self._held(project)["run"]
        film = project.folder / "walk" / (run or "none") / "walk.mp4"
        return film if film.is_file() and film.with_name("before.mp4").is_file() else None

    def _state(self, project: Project) -> list[Any]:
        """How far the walk is, its newest frames, the player once it is done, and the line."""
        job, done = self._job(project.name), self._frames(project)
        busy = job is not None and not job.over
        film = None if busy else self._film(project)
        ready = not busy and self._source(project) and project.look.styles
        return [
            self.said(project.name), gr.update(value=[(str(path), path.stem) for path in done[-NEWEST:]], visible=bool(done)),
            "" if film is None else films(film, film.with_name("before.mp4")),
            gr.update(visible=film is not None, value=film and str(film)), gr.update(interactive=bool(ready)), gr.update(visible=busy),
            self._line(project), gr.update(value=with_look(NOTHING, project), visible=not done),
        ]  # fmt: skip

    def _taken(self, name: str, path: str | None) -> list[Any]:
        """Keep the dropped walk."""
        from relook.present.studio.intake import take_walk

        project = self.shell.project(name)
        if path is not None:
            source = take_walk(path, project.part("walk"))
            self._hold(project, source=source.name, title=Path(path).name, capture=None, run="")
        return self.show(name)

    def _set(self, option: str, name: str, value: Any) -> str:
        """Keep an option when it is set, so that no reply shows another; the line for it."""
        project = self.shell.project(name)
        with project.lock:
            project.part("walk")
            self._hold(project, options=with_value(self._held(project)["options"], SCHEMA, option, value))
        return self._line(project)

    def _named(self, name: str, capture: str | None) -> list[Any]:
        """A capture of those beside the projects."""
        project = self.shell.project(name)
        root = (self.studio.projects.root / CAPTURES).resolve()
        if not capture or capture not in {path.name for path in root.glob("*") if path.is_dir()}:
            raise InputError(f"Expected a folder in {root}, got {capture!r}; choose one of the list.")
        project.part("walk")
        self._hold(project, source="", title="", capture=capture, run="")
        return self.show(name)

    def _begin(self, name: str, *values: Any) -> list[Any]:
        """Start, or go on where the same run stopped."""
        project = self.shell.project(name)
        source, look = self._source(project), project.look
        if source is None or not look.styles:
            raise InputError("Expected a walk and a look, got less; drop the walk here and the look in Picture.")
        self._hold(project, options=given(SCHEMA, values))
        config = replace(self._config(project), photo=replace(self._config(project).photo, device=self.studio.device))
        style = project.file(look.styles[0])
        asked = {"source": str(source), "style": str(style), "config": config.as_json()}
        held = self._held(project)
        if held["asked"] != asked or not held["run"]:
            self._hold(project, run=project.new_place("walk", "").removeprefix("walk/"), asked=asked)
        out = project.file(f"walk/{self._held(project)['run']}")

        def work(progress: Progress) -> Path:
            from relook.lift import restyle_views

            result = restyle_views(source, style, config, out=out, session=self.studio.session, progress=progress)
            write_before(source, out, config, len(result.frames), progress)
            return result.video

        self.studio.jobs.start(Job(project.name, WALK, work, pieces=lambda: len(self._frames(project))))
        return [*self.show(name), gr.Timer(active=True)]

    def _stop(self, name: str) -> list[Any]:
        self.studio.jobs.stop(name)
        return self.tick(name)

    def _config(self, project: Project) -> ViewsConfig:
        """The options of the walk with those of Picture, without what is of one picture alone."""
        own, look = self._held(project)["options"], project.look
        photo = Look(styles=look.styles, options=look.options).config(project.folder)
        plain: dict[str, Any] = {name: getattr(PhotoConfig, name) for name in ONE_PICTURE}
        photo = replace(photo, **plain | {name: tuple(own[name]) for name in OF_PHOTO if name in own})
        return ViewsConfig(photo=photo, **{name: value for name, value in own.items() if name in OF_VIEWS})

    def _line(self, project: Project) -> str:
        """The command line that does the same."""
        source, look, held = self._source(project), project.look, self._held(project)
        if source is None or not look.styles:
            return LINE
        out = project.folder / "walk" / (held["run"] or "new")
        return line("views", Views(source, project.file(look.styles[0]), out, self._config(project)))

    def _source(self, project: Project) -> Path | None:
        """What is restyled; None where there is none yet."""
        held = self._held(project)
        if held["capture"]:
            return Path(self.studio.projects.root / CAPTURES / held["capture"])
        return project.file(f"walk/{held['source']}") if held["source"] else None

    @staticmethod
    def _held(project: Project) -> dict[str, Any]:
        path = project.folder / "walk" / "walk.json"
        empty: dict[str, Any] = {"source": "", "title": "", "capture": None, "options": {}, "run": "", "asked": None}
        return empty | (read_json(path) if path.is_file() else {})

    def _hold(self, project: Project, **changes: Any) -> None:
        write_json(project.folder / "walk" / "walk.json", self._held(project) | changes)


def write_before(source: Path, out: Path, config: ViewsConfig, count: int, progress: Progress) -> None:
    """before.mp4: the frames as they were, at the speed of walk.mp4."""
    from relook.captures import read_capture
    from relook.io import open_video
    from relook.lift.source import SLOW

    capture = read_capture(source, workspace=out / "input", every=config.every, limit=config.limit)
    with (
        progress.stage("writing", count) as tick,
        open_video(out / "before.mp4", config.fps or capture.fps or SLOW) as video,
    ):
        for number in range(count):
            video.add(capture.view(number).image)
            tick(number + 1)
