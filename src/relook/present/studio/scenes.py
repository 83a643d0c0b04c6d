"""A scene of Gaussians in a project: drop it, restyle it, before and after, look around in it, a film of it, the same in another format."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from relook.config import PhotoConfig, RestyleConfig
from relook.config.restyle import NO_USE
from relook.errors import InputError
from relook.files import SCENES, read_json, write_json
from relook.options import options
from relook.present.line import line
from relook.present.scene import Convert
from relook.present.scene_render import RenderScene, rendered
from relook.present.scene_restyle import RestyleScene
from relook.present.scene_view import HOST, viewer
from relook.present.studio.first import LOOK, first, here, missing, with_look
from relook.present.studio.forms import changed, fields, filled, form, given, with_value
from relook.present.studio.jobs import Job
from relook.present.studio.look import Look
from relook.present.studio.player import SCRIPT, STYLE, films
from relook.present.studio.project import Project
from relook.present.studio.shell import LATEST, QUIET, Shell, polite
from relook.present.studio.shown import command, status
from relook.progress import Progress

FILM, RESTYLE = "a film of the scene", "a scene in a new look"
"""Names of jobs."""
SIZE, SECONDS, FPS = "640x360", 6.0, 16.0
"""Of films."""
BEFORE, AFTER = "the scene", "its new look"
OF_PHOTO = fields(PhotoConfig, (), ("keep", "match", "strength"))
OF_SCENE = fields(RestyleConfig, ("photo", "fit", "cameras"))
SCHEMA = {**OF_SCENE, **OF_PHOTO}
"""What the form asks for."""
LINE = "relook scene restyle SCENE --style STYLE --out OUT.ply"
"""The command line until something is chosen."""
NOTHING = first(
    ("scene", "a room as 3D Gaussians"), ("look", "the look in Picture"), result=("scene", "the same room in that look"),
    said="Drop a scene where it says so: .ply, .spz or .splat, from a scanning app or of <code>relook scene fit</code>. Here you then see it before and after, "
    "look around in it, film it, and write it in another format.",
)  # fmt: skip
"""Until there is a scene."""


class Scenes:
    """Components and what they do. What was chosen is in scene/scene.json of the project; new looks are scene/1.ply, scene/2.ply, ..."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        self._viewer = ExitStack()
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                self.drop = gr.File(label="A scene (.ply, .spz, .splat)", file_types=[".ply", ".spz", ".splat"], height=150, elem_id="scene")  # fmt: skip
                with gr.Row():
                    self.restyle = gr.Button("Restyle the scene", variant="primary", elem_id="scene-restyle", min_width=140)  # fmt: skip
                    self.stop = gr.Button("Cancel", variant="stop", visible=False, elem_id="scene-stop", min_width=100)
                self.form = form(SCHEMA, "scene-option")
            with gr.Column(scale=3, min_width=320):
                self._results()

    def _results(self) -> None:
        self.status = gr.HTML(elem_id="scene-status")
        self.nothing = gr.HTML(NOTHING, elem_id="scene-nothing")
        self.pair = gr.ImageSlider(label="Before and after", type="filepath", interactive=False, elem_id="scene-pair", max_height=500,
                                   buttons=["fullscreen"], visible=False)  # fmt: skip
        with gr.Row(visible=False) as self.views:
            self.look = gr.Button("Look around", elem_id="scene-look", min_width=120)
            self.go = gr.Button("Make a film", elem_id="scene-film", min_width=120)
        self.link = gr.HTML(elem_id="scene-link")
        self.film = gr.HTML(elem_id="scene-video", css_template=STYLE, js_on_load=SCRIPT)
        with gr.Row(visible=False) as self.exports:
            self.which = gr.Radio([BEFORE, AFTER], value=BEFORE, label="Write", elem_id="scene-which")
            self.ending = gr.Dropdown(list(SCENES), value=".spz", label="Format", elem_id="scene-format", min_width=120)
            self.export = gr.Button("Write it", elem_id="scene-export", min_width=120)
        self.written = gr.File(label="Written", interactive=False, elem_id="scene-written", height=90, visible=False)
        self.line = command("scene-command", LINE)

    @property
    def outputs(self) -> list[Any]:
        """What `show` fills."""
        results = [self.status, self.pair, self.film, self.restyle, self.stop, self.line, self.which]
        return [*results, self.nothing, self.views, self.exports, *self.form.values()]

    def wire(self, *_: Any) -> None:
        """Connect what people do with what happens."""
        name, held = self.shell.name, [*self.form.values()]
        self.drop.upload(polite(self.take), [name, self.drop], self.outputs, **QUIET)
        self.restyle.click(polite(self.begin), [name, *held], [*self.outputs, self.shell.timer], **QUIET)
        self.stop.click(polite(self._stop), [name], self.outputs, **QUIET)
        self.look.click(polite(self.look_around), [name], [self.link], **QUIET)
        self.go.click(polite(self.begin_film), [name], [*self.outputs, self.shell.timer], **QUIET)
        self.export.click(polite(self.write), [name, self.which, self.ending], [self.written, self.line], **QUIET)
        for option, one in self.form.items():
            changed(one)(polite(partial(self._set, option)), [name, one], [self.line], **LATEST)

    def show(self, name: str) -> list[Any]:
        """How far the work is, what is there, and the options."""
        project = self.shell.project(name)
        return [*self._state(project), *filled(SCHEMA, self._held(project)["options"])]

    def tick(self, name: str) -> list[Any]:
        """What changes when something has come of a job of this part."""
        if self._job(name) is None:
            return [gr.skip()] * len(self.outputs)
        return [*self._state(self.shell.project(name)), *[gr.skip()] * len(self.form)]

    def said(self, name: str) -> str:
        """How far the work is, and what is there."""
        project, job = self.shell.project(name), self._job(name)
        scene, styles = self._rooms(project), project.look.styles
        said = "" if job is None else status(job, self.studio.jobs)
        said += here("The scene", [self._held(project)["title"] or scene[0].name] if scene else [])
        return said + (missing({"a scene": scene, LOOK: styles}) if scene or styles else "")

    def _job(self, name: str) -> Job | None:
        """The job of this part."""
        job = self.studio.jobs.of(name)
        return job if job is not None and job.title in (FILM, RESTYLE) else None

    def _state(self, project: Project) -> list[Any]:
        """All outputs but the form."""
        job, new = self._job(project.name), self._new(project)
        busy = job is not None and not job.over
        scene, styles = self._rooms(project), project.look.styles
        pair = [project.folder / "scene" / f"{name}.png" for name in ("before", "after")]
        there = new is not None and all(path.is_file() for path in pair)
        return [
            self.said(project.name), gr.update(value=tuple(map(str, pair)) if there else None, visible=there), self._films(project),
            gr.update(interactive=bool(scene and styles and not busy)), gr.update(visible=busy),
            "\n".join(self.lines(project)), gr.update(interactive=new is not None, value=BEFORE if new is None else AFTER),
            gr.update(value=with_look(NOTHING, project), visible=not scene), gr.update(visible=bool(scene)), gr.update(visible=bool(scene)),
        ]  # fmt: skip

    def _films(self, project: Project) -> str:
        folder = project.folder / "scene"
        old, new = (path if path.is_file() else None for path in (folder / "film.mp4", folder / "film-new.mp4"))
        return "" if old is None else films(old) if new is None else films(new, old)

    def take(self, name: str, path: str | None) -> list[Any]:
        """Keep the dropped scene in place of the one before. Raises SceneError for what is none."""
        from relook.io import read_gaussians

        project = self.shell.project(name)
        if path is not None:
            ending = next((one for one in SCENES if path.lower().endswith(one)), Path(path).suffix.lower())
            read_gaussians(path)
            options = self._held(project)["options"]
            shutil.rmtree(project.part("scene"))
            shutil.copyfile(path, project.part("scene") / f"room{ending}")
            self._hold(project, options=options, title=Path(path).name)
        return self.show(name)

    def _set(self, option: str, name: str, value: Any) -> str:
        """Keep an option when it is set; the lines for it."""
        project = self.shell.project(name)
        with project.lock:
            self._hold(project, options=with_value(self._held(project)["options"], SCHEMA, option, value))
        return "\n".join(self.lines(project))

    def begin(self, name: str, *values: Any) -> list[Any]:
        """Start the new look, or go on where the same one stopped."""
        project = self.shell.project(name)
        scene, look = self._scene(project), project.look
        if not look.styles:
            raise InputError("Expected a look, got none; drop its picture in Picture.")
        self._hold(project, options=given(SCHEMA, values) if values else self._held(project)["options"])
        plan = self._plan(project)
        config = replace(plan.config, photo=replace(plan.config.photo, device=self.studio.device))
        asked = {"scene": str(scene), "styles": [str(one) for one in plan.style], "config": config.as_json()}
        if self._held(project)["asked"] != asked:
            new = project.new_place("scene", ".ply").removeprefix("scene/")
            self._hold(project, run=new, asked=asked)
        out = project.folder / "scene" / self._held(project)["run"]

        def work(progress: Progress) -> Path:
            from relook.lift.restyled import restyle_scene

            restyle_scene(scene, plan.style, out, config, session=self.studio.session, progress=progress)
            (project.folder / "scene" / "film-new.mp4").unlink(missing_ok=True)
            for path, picture in ((scene, "before"), (out, "after")):
                shot = RenderScene(path, project.folder / "scene" / f"{picture}.png", cameras=out.with_suffix(".json"))
                rendered(shot, progress)
            return out

        self.studio.jobs.start(Job(project.name, RESTYLE, work))
        return [*self.show(name), gr.Timer(active=True)]

    def begin_film(self, name: str) -> list[Any]:
        """Start the film along the way that is found, of both looks where there are two."""
        project = self.shell.project(name)
        plans = self._film_plans(project)

        def work(progress: Progress) -> Path:
            for plan in plans:
                plan.out.unlink(missing_ok=True)
                rendered(plan, progress)
            return plans[0].out

        self.studio.jobs.start(Job(project.name, FILM, work))
        return [*self.show(name), gr.Timer(active=True)]

    def look_around(self, name: str) -> str:
        """Open the viewer of scenes, in place of the one before; a link to it, on this machine."""
        from relook.io import read_gaussians

        project = self.shell.project(name)
        scenes, new = {BEFORE: read_gaussians(self._scene(project))}, self._new(project)
        if new is not None:
            scenes[AFTER] = read_gaussians(new)
        self._viewer.close()
        server = self._viewer.enter_context(viewer(scenes))
        return f'<a href="http://{HOST}:{server.get_port()}" target="_blank">Open the scene in a tab of its own</a>'

    def write(self, name: str, which: str, ending: str) -> list[Any]:
        """One of both in another format, to take away, and the line for it."""
        from relook.io import read_gaussians, write_gaussians

        project = self.shell.project(name)
        if ending not in SCENES:
            raise InputError(f"Expected a format out of {', '.join(SCENES)}, got {ending!r}; choose one.")
        scene = self._new(project) if which == AFTER else self._scene(project)
        if scene is None:
            raise InputError("Expected a new look, got none; restyle the scene first.")
        out = project.folder / "scene" / "written" / f"{'new' if which == AFTER else 'room'}{ending}"
        write_gaussians(out, read_gaussians(scene))
        return [
            gr.update(value=str(out), visible=True),
            "\n".join([*self.lines(project), line("scene convert", Convert(scene, out))]),
        ]

    def lines(self, project: Project) -> list[str]:
        """The command lines that do the same: the new look, then the films that are there."""
        if not self._rooms(project) or not project.look.styles:
            return [LINE]
        films = [line("scene render", plan) for plan in self._film_plans(project) if plan.out.is_file()]
        return [line("scene restyle", self._plan(project)), *films]

    def _stop(self, name: str) -> list[Any]:
        self.studio.jobs.stop(name)
        return self.tick(name)

    def _plan(self, project: Project) -> RestyleScene:
        """What `relook scene restyle` would be asked."""
        held, look = self._held(project), project.look
        own, photo = held["options"], Look(styles=look.styles, options=look.options).config(project.folder)
        plain: dict[str, Any] = {name: getattr(PhotoConfig, name) for name in NO_USE}
        known = {option.name: option for option in options(PhotoConfig)}
        said = {name: known[name].tidied(own[name]) for name in OF_PHOTO if name in own}
        config = RestyleConfig(
            photo=replace(photo, **plain | said), **{n: value for n, value in own.items() if n in OF_SCENE}
        )
        styles = tuple(project.file(one) for one in look.styles)
        return RestyleScene(self._scene(project), project.folder / "scene" / (held["run"] or "1.ply"), styles, config)

    def _film_plans(self, project: Project) -> list[RenderScene]:
        """What `relook scene render` would be asked: both looks from the same places."""
        scene, new, folder = self._scene(project), self._new(project), project.folder / "scene"
        how: dict[str, Any] = {
            "size": SIZE,
            "seconds": SECONDS,
            "fps": FPS,
            "cameras": None if new is None else new.with_suffix(".json"),
        }
        first = RenderScene(scene, folder / "film.mp4", **how)
        return [first] if new is None else [first, RenderScene(new, folder / "film-new.mp4", **how)]

    @staticmethod
    def _rooms(project: Project) -> list[Path]:
        return [path for path in sorted((project.folder / "scene").glob("room*")) if path.is_file()]

    def _scene(self, project: Project) -> Path:
        """The project's scene. Raises InputError where there is none."""
        found = self._rooms(project)
        if not found:
            raise InputError("Expected a scene, got none; drop a .ply, .spz or .splat here first.")
        return found[0]

    def _new(self, project: Project) -> Path | None:
        """The latest new look, once it is there."""
        path = project.folder / "scene" / (self._held(project)["run"] or "none")
        return path if path.is_file() and path.with_suffix(".json").is_file() else None

    @staticmethod
    def _held(project: Project) -> dict[str, Any]:
        path = project.folder / "scene" / "scene.json"
        empty: dict[str, Any] = {"options": {}, "title": "", "run": "", "asked": None}
        return empty | (read_json(path) if path.is_file() else {})

    def _hold(self, project: Project, **changes: Any) -> None:
        write_json(project.part("scene") / "scene.json", self._held(project) | changes)
