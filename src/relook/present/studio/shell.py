"""What all parts of the page share: the project of this tab, and handlers that say errors in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr

from relook.errors import RelookError
from relook.present.studio.project import Project
from relook.present.studio.work import Studio

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 4}
"""How events run: a handler is quick, heavy work is a job."""
LATEST: dict[str, Any] = QUIET | {"trigger_mode": "always_last"}
"""The same for choices: one that is made before the reply to the one before is asked after it, not lost."""
ORDERED: dict[str, Any] = QUIET | {"concurrency_id": "look", "concurrency_limit": 1}
"""The same, one after the other: of two pictures that are dropped at once neither is lost, and an older reply never comes last."""
POLL = 0.2
"""Seconds from what a page has heard of a running job until it asks again."""


class Shell:
    """The project of a tab. Every handler gets its name and asks for it here."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.name = gr.Textbox(label="Project", elem_id="project", max_lines=1, scale=2, info="Enter renames it")
        self.redrawn: dict[str, Any] = ORDERED
        """How events run whose reply is a new preview; what shows it says meanwhile that it is at work."""
        self.timer = gr.Timer(POLL, active=False)

    def project(self, name: str) -> Project:
        """The project that a tab shows. Raises InputError where it is gone."""
        return self.studio.projects.get(name)


class Steps:
    """Undo and Redo, where somebody works: a step of the project, whatever part it was made in."""

    def __init__(self, shell: Shell, part: str) -> None:
        self.shell = shell
        self.undo = gr.Button("Undo", elem_id=f"{part}-undo", min_width=80)
        self.redo = gr.Button("Redo", elem_id=f"{part}-redo", min_width=80)

    @property
    def buttons(self) -> list[Any]:
        """What `show` fills."""
        return [self.undo, self.redo]

    def show(self, project: Project) -> list[Any]:
        """Each can be pressed where there is something to undo, or to do again."""
        return [gr.update(interactive=project.undoable), gr.update(interactive=project.redoable)]

    def wire(self, inputs: list[Any], outputs: list[Any], shown: Callable[..., list[Any]]) -> None:
        """shown: inputs, the first of which is the project's name -> what `outputs` show."""
        for button, by in ((self.undo, -1), (self.redo, 1)):
            button.click(polite(self._stepping(by, shown)), inputs, outputs, trigger_mode="multiple", **ORDERED)

    def _stepping(self, by: int, shown: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
        def step(name: str, *values: Any) -> list[Any]:
            project = self.shell.project(name)
            project.step(by)
            self.shell.studio.refresh(project)
            return shown(name, *values)

        return step


def polite(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler, whose errors for the user are said on the page."""

    @wraps(handler)
    def careful(*values: Any, **named: Any) -> Any:
        try:
            return handler(*values, **named)
        except RelookError as error:
            raise gr.Error(str(error), duration=20, print_exception=False) from error

    return careful
