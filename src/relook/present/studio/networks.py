"""The models: which are here, what for, licence, size; and getting one, as `relook models` does."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from relook.models import pulling, store
from relook.models.catalogue import CATALOGUE, Checkpoint, readable
from relook.present.studio.jobs import Job
from relook.present.studio.shell import QUIET, Shell, polite
from relook.present.studio.shown import command, status

HEAD = ["Name", "Task", "For", "Licence", "Size", "Here, or what your picture would gain"]


class Networks:
    """Components and what they do."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        with gr.Row():
            self.name = gr.Dropdown(
                ["photo", *sorted(CATALOGUE)],
                value="photo",
                label="Model",
                info="photo: all that photographs need",
                elem_id="model",
            )
            self.agreed = gr.Checkbox(
                label="I have read its licence", info="Asked for where it does not allow commercial use."
            )
            self.pull = gr.Button("Get it", elem_id="pull")
        self.status = gr.HTML()
        self.table = gr.HTML(elem_id="models", apply_default_css=False)
        self.line = command("models-command", line_of("photo", False))

    @property
    def outputs(self) -> list[Any]:
        """What `show` fills."""
        return [self.status, self.table, self.line]

    def wire(self, *_: Any) -> None:
        """Connect what people do with what happens."""
        name = self.shell.name
        for one in (self.name.input, self.agreed.input):
            one(line_of, [self.name, self.agreed], [self.line], **QUIET)
        self.pull.click(polite(self._pull), [name, self.name, self.agreed], [*self.outputs, self.shell.timer], **QUIET)

    def show(self, name: str) -> list[Any]:
        """What can be had; what is here comes first."""
        project = self.shell.project(name)
        gains = self.shell.studio.seeing.gains(project) if project.look.ready else {}
        found = sorted(((one, store.is_here(one.name)) for one in CATALOGUE.values()), key=lambda pair: not pair[1])
        now = [(one, "here" if here else gains.get(one.name, "")) for one, here in found]
        first = [pair for pair in now if pair[1] and not pair[1].startswith("Nothing")]
        others = [pair for pair in now if pair not in first]
        table = tabled(first)
        if others:
            words = f"{len(others)} others" if first else f"{len(others)} that can be had"
            table += f"<details{'' if first else ' open'}><summary>{words}</summary>{tabled(others)}</details>"
        return [self.said(name), table, line_of("photo", False)]

    def tick(self, name: str) -> list[Any]:
        """What changes when a model has come."""
        return [*self.show(name)[:2], gr.skip()]

    def said(self, name: str) -> str:
        """How far the job is."""
        job = self.shell.studio.jobs.of(name)
        return status(job, self.shell.studio.jobs) if job is not None and job.title.startswith("model ") else ""

    def _pull(self, name: str, model: str, agreed: bool) -> list[Any]:
        project = self.shell.project(name)
        job = Job(
            project.name,
            f"model {model}",
            lambda progress: pulling.pull([model], accept_licence=agreed, progress=progress),
        )
        self.shell.studio.jobs.start(job)
        return [*self.show(name), gr.Timer(active=True)]


def tabled(found: Sequence[tuple[Checkpoint, str]]) -> str:
    """Models as a table, with what is said of each; nothing for none."""
    rows = [
        (one.name, one.task, one.purpose, one.licence.replace("LicenseRef-", "") + ("" if one.commercial else " (not for commercial use)"), readable(one.size), said)
        for one, said in found
    ]  # fmt: skip
    lines = [
        "".join(f'<td data-head="{head}">{escape(cell)}</td>' for head, cell in zip(HEAD, row, strict=True))
        for row in rows
    ]
    heads = "".join(f'<th scope="col">{head}</th>' for head in HEAD)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>" if rows else ""


def line_of(model: str, agreed: bool) -> str:
    """The command line that gets a model."""
    return shlex.join(["relook", "models", "pull", model, *(["--accept-licence"] if agreed else [])])
