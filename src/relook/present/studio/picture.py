"""The first part of the page: two pictures in, a preview, the full picture, what each thing takes, options, the command line."""

from __future__ import annotations

import re
from abc import ABCMeta
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import gradio as gr

from relook.errors import RelookError
from relook.present.studio.choices import Choices
from relook.present.studio.export import NAMES, Export
from relook.present.studio.first import first
from relook.present.studio.forms import ELSEWHERE, changed, fields, filled, form, values_of
from relook.present.studio.jobs import Job
from relook.present.studio.look import Look
from relook.present.studio.project import Project
from relook.present.studio.shell import ORDERED, Shell, polite
from relook.present.studio.shown import command, displayed, status
from relook.present.studio.work import LINE

DROP: dict[str, Any] = {
    "type": "filepath", "image_mode": None, "sources": ["upload", "clipboard"], "height": 220, "buttons": ["fullscreen"],
}  # fmt: skip
"""Drop zones keep the file as it is."""
PATH: dict[str, Any] = {"preprocess": lambda _, dropped: None if dropped is None else dropped.path}
Zone: Any = ABCMeta.__new__(type(gr.Image), "Image", (gr.Image,), {"__module__": __name__, **PATH})
"""A drop zone that says where a file is, whatever it is; `take` says of what is no picture that it is none, Gradio which of its functions failed. Made past
Gradio's metaclass, which would write a stub beside this file."""
ROLES = ("structure", "style")
"""What they are for, in the order in which replies hold them."""
NO_ROOM: dict[str, Any] = {"structure": "", "segments": "", "layout": "", "things": {}}
"""A look without a room, and without what was said of it."""
NO_LOOK: dict[str, Any] = {"style_segments": "", "style_layout": ""}
"""Without what was said of the style picture."""

NOTHING = first(
    ("room", "a picture of your room"), ("look", "a picture whose look you like"), result=("pair", "your room in that look, and what is yours stays"),
    said="Drop both where it says so, or paste them. A preview comes in seconds, then the full picture; each thing takes the look of its counterpart, and you decide which. Nothing leaves this machine.",
)  # fmt: skip
"""Until both pictures are there."""


class Picture:
    """Components and what they do. `show` says everything that depends on the project."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        with gr.Row(elem_id="work"):
            with gr.Column(scale=2, min_width=320, elem_id="asked"):
                self._inputs()
                self.choices = Choices(shell)
                with gr.Accordion("Options", open=False, elem_id="options"):
                    asked = fields(elsewhere=(*ELSEWHERE, *NAMES))
                    found = form(asked, "option")
            with gr.Column(scale=3, min_width=320, elem_id="results"):
                self._results()
        self.schema, self.form = {**asked, **self.export.schema}, {**found, **self.export.form}

    def _inputs(self) -> None:
        with gr.Row():
            self.structure = Zone(label="Your room", elem_id="structure", min_width=150, **DROP)
            self.style = Zone(label="The look", elem_id="style", min_width=150, **DROP)
        with gr.Accordion("More pictures of the look", open=False, elem_id="more"):
            self.more = gr.File(label="Further ones", file_count="multiple", file_types=["image", ".heic"], height=140)
        with gr.Row():
            self.go = gr.Button("Full picture", variant="primary", elem_id="go", min_width=120)
            self.stop = gr.Button("Cancel", variant="stop", visible=False, elem_id="cancel", min_width=120)
            self.undo = gr.Button("Undo", elem_id="undo", min_width=80)
            self.redo = gr.Button("Redo", elem_id="redo", min_width=80)

    def _results(self) -> None:
        self.status = gr.HTML(elem_id="status")
        self.nothing = gr.HTML(NOTHING, elem_id="nothing")
        self.example = gr.Button("Try it with an example", elem_id="example")
        self.slider = gr.ImageSlider(
            label="Before and after", type="filepath", interactive=False, elem_id="slider", max_height=700, buttons=["fullscreen", "download"], visible=False
        )  # fmt: skip
        self.shell.redrawn = ORDERED | {"show_progress": "minimal", "show_progress_on": self.slider}
        self.choices.drawing()
        self.export = Export(self.shell)
        self.line = command("command", LINE)

    @property
    def outputs(self) -> list[Any]:
        """What `show` fills."""
        names = ("structure", "style", "slider", "status", "nothing", "example", "go", "stop", "undo", "redo", "line")
        return [
            *(getattr(self, name) for name in names),
            *self.export.outputs,
            self.shell.timer,
            *self.choices.outputs,
            *self.form.values(),
        ]

    def wire(self) -> None:
        """Connect what people do with what happens."""
        name, redrawn = self.shell.name, self.shell.redrawn
        for role, zone in zip(ROLES, (self.structure, self.style), strict=True):
            zone.upload(polite(self._taken(role)), [name, zone], self.outputs, **ORDERED)
            zone.clear(polite(self._cleared(role)), [name], self.outputs, **ORDERED)
        self.example.click(polite(self._exemplified), [name], self.outputs, **ORDERED)
        self.more.change(polite(self._more), [name, self.more], self.outputs, **ORDERED)
        self.go.click(polite(self._begin), [name, self.export.ending], self.outputs, **ORDERED)
        self.stop.click(polite(self._stop), [name], self.outputs, **ORDERED)
        self.undo.click(
            polite(lambda name: self._step(name, -1)), [name], self.outputs, trigger_mode="multiple", **redrawn
        )
        self.redo.click(
            polite(lambda name: self._step(name, 1)), [name], self.outputs, trigger_mode="multiple", **redrawn
        )
        for option, one in self.form.items():
            changed(one)(polite(self._chosen(option)), [name, one], self.outputs, trigger_mode="always_last", **redrawn)

        for part in (self.choices, self.export):
            part.wire(lambda project: self.show(project, whole=False), self.outputs)

    def show(self, project: Project, *, whole: bool = True) -> list[Any]:
        """Every output as the project has it; not `whole`: what a running job changes."""
        job, look = self.studio.jobs.of(project.name), project.look
        busy = job is not None and not job.over
        latest = self.studio.latest(project)
        images = [displayed(project, one) if one else None for one in (look.structure, *look.styles[:1])]
        images += [None] * (2 - len(images))
        found = [
            *(images if whole else [gr.skip()] * 2), self._pair(project, job), status(job, self.studio.jobs, ready=look.ready),
            gr.update(visible=not look.ready), gr.update(visible=not look.structure and not look.styles), gr.update(interactive=look.ready), gr.update(visible=busy),
            gr.update(interactive=project.undoable), gr.update(interactive=project.redoable),
            self.studio.line(project), *self.export.show(project, latest), gr.Timer(active=busy), *([gr.skip()] * len(self.choices.outputs) if busy else self.choices.show(project)),
        ]  # fmt: skip
        return [*found, *(filled(self.schema, look.options) if whole else [gr.skip()] * len(self.form))]

    def _pair(self, project: Project, job: Job | None) -> Any:
        """What the slider shows: the full picture, else a preview, else nothing."""
        look = project.look
        if (latest := self.studio.latest(project)) is not None:
            return gr.update(
                value=(displayed(project, look.structure), displayed(project, latest.out)),
                label="Before and after, full size",
                visible=True,
            )
        if not look.ready:
            return gr.update(value=None, visible=False)
        if project.live is not None and project.live[0] == look:
            after: Any = project.live[1]
        elif (path := self.studio.preview_file(project)) is not None:
            after = str(path)
        else:
            room = displayed(project, look.structure)
            return gr.update(value=(room, room), label="Your room; its new look follows", visible=True)
        return gr.update(
            value=(self.studio.seeing.before(project), after), label="Before and after, preview", visible=True
        )

    def _taken(self, role: str) -> Any:
        """A handler that takes a dropped picture."""

        def take(name: str, path: str | None) -> list[Any]:
            project = self.shell.project(name)
            if path is None:
                return self.show(project, whole=False)
            look = project.look
            try:
                place = project.take_in(path)
            except RelookError as error:
                said = re.sub(r" \([^)]*/[^)]*\)", "", str(error).replace(path, Path(path).name))
                gr.Warning(said, duration=20)  # without places of the machine
                reply, before = (
                    self.show(project, whole=False),
                    (look.structure, *look.styles[:1], "")[ROLES.index(role)],
                )
                reply[ROLES.index(role)] = displayed(project, before) if before else None
                return reply
            changed = NO_ROOM | {"structure": place} if role == "structure" else {
                "styles": (place, *look.styles[1:]), **NO_LOOK}  # fmt: skip
            project.decide(replace(look, **changed))
            if project.look.ready:
                self.studio.full(project)
            else:
                self.studio.foresee(project)
            reply = self.show(project, whole=False)  # the other zone may be about to change
            reply[ROLES.index(role)] = displayed(project, place)
            return reply

        return take

    def _cleared(self, role: str) -> Any:
        """A handler that takes a picture away."""

        def clear(name: str) -> list[Any]:
            project = self.shell.project(name)
            changed = NO_ROOM if role == "structure" else {"styles": (), **NO_LOOK}
            project.decide(replace(project.look, **changed))
            return self.show(project, whole=False)

        return clear

    def _exemplified(self, name: str) -> list[Any]:
        """The pictures that Relook ships."""
        project, folder = self.shell.project(name), files("relook.present") / "photographs"
        places = [project.take_in(str(folder / f"{role}.jpg"), f"example-{role}") for role in ROLES]
        project.decide(Look(places[0], (places[1],)))
        self.studio.full(project)
        return self.show(project)

    def _more(self, name: str, paths: list[str] | None) -> list[Any]:
        project = self.shell.project(name)
        look = project.look
        if look.styles:
            project.decide(replace(look, styles=(look.styles[0], *(project.take_in(path) for path in paths or ()))))
            if project.look.ready and project.look != look:
                self.studio.full(project)
        return self.show(project)

    def _begin(self, name: str, ending: str) -> list[Any]:
        project = self.shell.project(name)
        self.studio.full(project, f".{ending}")
        return self.show(project)

    def _stop(self, name: str) -> list[Any]:
        self.studio.jobs.stop(name)
        return self.show(self.shell.project(name))

    def _step(self, name: str, by: int) -> list[Any]:
        project = self.shell.project(name)
        project.step(by)
        self.studio.refresh(project)
        return self.show(project)

    def _chosen(self, option: str) -> Any:
        """A handler that takes the value of one option; what the page holds of others may be older than what was decided."""

        def choose(name: str, value: Any) -> list[Any]:
            project = self.shell.project(name)
            new = values_of({option: self.schema[option]}, [value])
            project.decide(project.look.with_options({**project.look.options, **new}))
            self.studio.refresh(project)
            return self.show(project, whole=False)

        return choose

    def said(self, name: str) -> str:
        """How far the job is."""
        return status(self.studio.jobs.of(name), self.studio.jobs, ready=self.shell.project(name).look.ready)

    def tick(self, name: str) -> list[Any]:
        """What something that has come of a job changes; the timer stops with the job."""
        return self.show(self.shell.project(name), whole=False)
