"""The page: the project's name on top, below it the parts of the work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from relook.errors import RelookError
from relook.present.studio.flat import Flat
from relook.present.studio.networks import Networks
from relook.present.studio.picture import Picture
from relook.present.studio.project import Project
from relook.present.studio.regions import Regions
from relook.present.studio.scenes import Scenes
from relook.present.studio.shelf import Materials, Variants
from relook.present.studio.shell import QUIET, Shell, polite
from relook.present.studio.work import Studio

FOLDER = Path(__file__).parent
THEME = gr.themes.Default(
    primary_hue="teal", neutral_hue="stone", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
)
"""The fonts of the user's own machine."""
ADDRESS = "(name) => { const at = new URL(location); at.searchParams.set('project', name); history.replaceState(null, '', at); return name; }"
"""The address names the project, so that a reloaded or copied page shows it again."""


class Page:
    """All parts, wired."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        with gr.Blocks(
            title="Relook studio", analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400)
        ) as self.blocks:
            self.last = gr.BrowserState("", storage_key="relook-project", secret="relook")  # a name, no secret
            with gr.Row(elem_id="head"):
                gr.HTML("<h1>Relook</h1>", elem_id="title", min_width=100)
                self.shell = Shell(studio)
                self.known = gr.Dropdown(
                    label="Open a project", elem_id="open", scale=2, choices=[""], value="", info="or begin a new one"
                )
                self.new = gr.Button("New project", elem_id="new", min_width=120)
            with gr.Tabs():
                with gr.Tab("Picture"):
                    self.picture = Picture(self.shell)
                with gr.Tab("Regions") as self.seen:
                    self.regions = Regions(self.shell)
                with gr.Tab("Variants") as self.kept:
                    self.variants = Variants(self.shell)
                with gr.Tab("Materials") as self.swatches:
                    self.materials = Materials(self.shell)
                with gr.Tab("Flat") as self.rooms:
                    self.flat = Flat(self.shell)
                with gr.Tab("Scene") as self.spaces:
                    self.scenes = Scenes(self.shell)
                with gr.Tab("Models") as self.models:
                    self.networks = Networks(self.shell)
            self._wire()

    @property
    def outputs(self) -> list[Any]:
        """What depends on the project, in all parts."""
        return [self.shell.name, self.known, self.last, *self.picture.outputs]

    def show(self, project: Project) -> list[Any]:
        """All parts as the project has them."""
        names = list(dict.fromkeys((project.name, *self.studio.projects.names())))
        return [project.name, gr.update(choices=names, value=project.name), project.name, *self.picture.show(project)]

    def _wire(self) -> None:
        name = self.shell.name
        load = self.blocks.load(self._load, [self.last], self.outputs, **QUIET)
        opened = self.known.input(
            polite(lambda name: self.show(self.shell.project(name))), [self.known], self.outputs, **QUIET
        )
        new = self.new.click(polite(lambda: self.show(self.studio.projects.new())), [], self.outputs, **QUIET)
        named = name.submit(polite(self._renamed), [self.last, name], self.outputs, **QUIET)
        for event in (load, opened, new, named):
            event.then(None, [name], [name], js=ADDRESS, api_visibility="private")
        self.picture.wire()
        for part in (self.regions, self.variants):
            part.wire(lambda project: self.picture.show(project), self.picture.outputs)
        for whole in (self.materials, self.flat, self.scenes, self.networks):
            whole.wire()
        tabs: tuple[tuple[Any, Any], ...] = (
            (self.kept, self.variants), (self.rooms, self.flat), (self.spaces, self.scenes), (self.models, self.networks),
        )  # fmt: skip
        for tab, other in tabs:
            tab.select(polite(other.show), [name], other.outputs, **QUIET)
        self.swatches.select(polite(self.materials.show), [], [self.materials.gallery], **QUIET)
        self.seen.select(polite(self.regions.show), [name, self.regions.which], self.regions.outputs, **QUIET)

    def _load(self, last: str, request: gr.Request) -> list[Any]:
        """The project that the address names, else the last one of this browser, else a new one."""
        for name in (request.query_params.get("project"), last):
            try:
                return self.show(self.shell.project(str(name or "")))
            except RelookError:
                continue
        return self.show(self.studio.projects.new())

    def _renamed(self, before: str, after: str) -> list[Any]:
        """The project under another name, unless it is at work."""
        project = self.shell.project(before)
        job = self.studio.jobs.of(before)
        if after != before and (job is None or job.over):
            project = self.studio.projects.rename(project, after)
        return self.show(project)
