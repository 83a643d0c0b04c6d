"""The page: the project's name on top, below it the parts of the work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr

from relook.errors import RelookError
from relook.present.studio.flat import Flat
from relook.present.studio.measure import Measure
from relook.present.studio.networks import Networks
from relook.present.studio.picture import Picture
from relook.present.studio.project import Project
from relook.present.studio.regions import Regions
from relook.present.studio.rooms import Rooms
from relook.present.studio.scenes import Scenes
from relook.present.studio.shelf import Materials, Variants
from relook.present.studio.shell import ORDERED, QUIET, Shell, polite
from relook.present.studio.walks import Walks
from relook.present.studio.work import Studio

FOLDER = Path(__file__).parent
THEME = gr.themes.Default(
    primary_hue="teal", neutral_hue="stone", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
).set(
    body_text_color_subdued="*neutral_600", block_info_text_color="*neutral_600", button_primary_background_fill="*primary_700",
    button_primary_background_fill_dark="*primary_700", button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_hover_dark="*primary_800",
)  # fmt: skip
"""The fonts of the user's own machine; colours that stand out by 4.5 to 1."""
PARTS: dict[str, Any] = {
    "Regions": Regions, "Layout": Rooms, "Variants": Variants, "Materials": Materials, "Flat": Flat, "Walk": Walks, "Scene": Scenes, "Models": Networks, "Measure": Measure,
}  # fmt: skip
"""The tabs after the first. A part has `outputs`, `show(name)`, which fills them, and `wire(refresh, outputs)`: what others show of a changed look.
One that has jobs has `status` and `said(name)`, which says how far its job is, and `tick(name)`: `outputs` when something has come of a job."""
ADDRESS = "(name) => { const at = new URL(location); at.searchParams.set('project', name); history.replaceState(null, '', at); return name; }"
"""The address names the project, so that a reloaded or copied page shows it again."""
LIVES = 10.0
"""Seconds after which the server notices that a page is gone."""
LOOKS, AGAIN = 1.0, 0.05
"""Seconds after which a page hears how far its job is, where nothing has come of it before; and those between two looks for that."""
UNHEARD: dict[str, Any] = QUIET | {"concurrency_limit": None}
"""How events run that wait: they keep no other waiting."""


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
            self.tab, self.come = gr.State("Picture"), gr.State("")
            self.parts: dict[str, Any] = {}
            self.tabs: dict[str, Any] = {}
            with gr.Tabs():
                with gr.Tab("Picture") as self.first:
                    self.picture = Picture(self.shell)
                for title, part in PARTS.items():
                    with gr.Tab(title) as self.tabs[title]:
                        self.parts[title] = part(self.shell)
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
        self.blocks.load(stay_open, [], [], **UNHEARD)
        load = self.blocks.load(self._load, [self.last], self.outputs, **ORDERED)
        opened = self.known.input(
            polite(lambda name: self.show(self.shell.project(name))), [self.known], self.outputs, **ORDERED
        )
        new = self.new.click(polite(lambda: self.show(self.studio.projects.new())), [], self.outputs, **ORDERED)
        named = name.submit(polite(self._renamed), [self.last, name], self.outputs, **ORDERED)
        shown = [self.tab, *(one for part in self.parts.values() for one in part.outputs)]
        for event in (load, opened, new, named):
            event.then(None, [name], [name], js=ADDRESS, api_visibility="private")
            event.then(polite(self._opened), [name, self.tab], shown, **QUIET)
        self.first.select(lambda: "Picture", [], [self.tab], **QUIET)
        for title, part in self.parts.items():
            self.tabs[title].select(self._selected(title), [name], [self.tab, *part.outputs], **QUIET)
        said = [one.status for one in self._with_jobs.values()]
        self.shell.timer.tick(self._looked, [name, self.tab, self.come], [self.come, *said], **UNHEARD)
        come = self.come.change(polite(self.picture.tick), [name], self.picture.outputs, **ORDERED)
        come.then(polite(self._ticked), [name, self.tab], shown, **QUIET)
        self.picture.wire()
        for part in self.parts.values():
            part.wire(self.picture.show, self.picture.outputs)

    def _selected(self, title: str) -> Any:
        """A handler that shows the part behind a tab; a page without a project yet shows it when that is there."""
        part = self.parts[title]
        return polite(lambda name: [title, *(part.show(name) if name else [gr.skip()] * len(part.outputs))])

    def _opened(self, name: str, tab: str) -> list[Any]:
        """The tab, and what all parts but the first show of a project: only that of the tab changes."""
        found: list[Any] = [tab]
        for title, part in self.parts.items():
            found += part.show(name) if name and title == tab else [gr.skip()] * len(part.outputs)
        return found

    @property
    def _with_jobs(self) -> dict[str, Any]:
        """The parts that have jobs."""
        return {"Picture": self.picture, **{title: part for title, part in self.parts.items() if hasattr(part, "said")}}

    async def _looked(self, name: str, tab: str, known: str) -> list[Any]:
        """How far the running job is, where the tab says that, and what has come of it (`Job.come`), as soon as that is not what is `known`.

        Every reply costs, and every output of it: Gradio makes its component anew, and the browser goes through all others. So the rest is
        shown when something has come.
        """
        job, end = self.studio.jobs.of(name), time.monotonic() + LOOKS
        while job is not None and job.come == known and time.monotonic() < end:
            await asyncio.sleep(AGAIN)
        said = {title: polite(part.said) for title, part in self._with_jobs.items()}
        return ["" if job is None else job.come, *(say(name) if at == tab else gr.skip() for at, say in said.items())]

    def _ticked(self, name: str, tab: str) -> list[Any]:
        """What parts with jobs show of what has come."""
        found: list[Any] = [gr.skip()]
        for title, part in self.parts.items():
            live = title == tab and hasattr(part, "tick")
            found += part.tick(name) if live else [gr.skip()] * len(part.outputs)
        return found

    def _load(self, last: str, request: gr.Request) -> list[Any]:
        """The project that the address names, else the last one of this browser, else a new one."""
        self.studio.arrived()
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


async def stay_open() -> AsyncIterator[None]:
    """An event that lasts as long as its page, and with it the one stream on which a page hears all replies.

    Gradio closes the stream when no event is left, and the page opens another with the next. An event that is sent while it closes was never
    answered, and a clock that waited for that answer never asked again: the page stood still at "about 1 s left". A browser keeps at most six
    streams to one address: with two each, three pages of a browser waited for one another.
    """
    while True:
        await asyncio.sleep(LIVES)
        yield None
