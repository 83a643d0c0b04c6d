"""A scene of Gaussians in a project: drop it, look around in it, a film of it, the same in another format."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gradio as gr

from relook.captures import CameraPath
from relook.errors import InputError
from relook.io import read_gaussians, write_gaussians
from relook.io.splats import ENDINGS
from relook.lift.scene.film import film
from relook.lift.scene.orbit import orbit
from relook.present.scene_view import HOST, viewer
from relook.present.studio.jobs import Job
from relook.present.studio.shell import QUIET, Shell, polite
from relook.present.studio.shown import status
from relook.progress import Progress

FILM, SIZE, COUNT, FPS = "a film of the scene", (360, 640), 96, 16.0
"""The job's name, and the film's size (H, W), pictures, and pictures per second."""


class Scenes:
    """Components and what they do."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.studio = shell, shell.studio
        self._viewer = ExitStack()
        gr.Markdown("A room as 3D Gaussians: from a scanning app, or of `relook scene fit` and `relook scene restyle`.")
        self.drop = gr.File(
            label="A scene (.ply, .spz, .splat)", file_types=[".ply", ".spz", ".splat"], height=120, elem_id="scene"
        )
        with gr.Row():
            self.look = gr.Button("Look around", elem_id="scene-look")
            self.go = gr.Button("Make a film", variant="primary", elem_id="scene-film")
            self.ending = gr.Dropdown(list(ENDINGS), value=".spz", label="Format", elem_id="scene-format")
            self.export = gr.Button("Write in this format", elem_id="scene-export")
        self.status, self.link = gr.HTML(), gr.HTML(elem_id="scene-link")
        self.film = gr.Video(label="The film", elem_id="scene-video", interactive=False)
        self.written = gr.File(label="Written", interactive=False, elem_id="scene-written")

    @property
    def outputs(self) -> list[Any]:
        """What `show` fills."""
        return [self.status, self.film]

    def wire(self, *_: Any) -> None:
        """Connect what people do with what happens."""
        name = self.shell.name
        self.drop.upload(polite(self.take), [name, self.drop], self.outputs, **QUIET)
        self.look.click(polite(self.look_around), [name], [self.link], **QUIET)
        self.go.click(polite(self.begin), [name], [*self.outputs, self.shell.timer], **QUIET)
        self.export.click(polite(self.write), [name, self.ending], [self.written], **QUIET)
        self.shell.timer.tick(polite(self.show), [name], self.outputs, **QUIET)

    def show(self, name: str) -> list[Any]:
        """How far the film is, and the film if it is there."""
        job, film = self.studio.jobs.of(name), self._folder(name) / "film.mp4"
        said = status(job, self.studio.jobs) if job is not None and job.title == FILM else ""
        return [said, str(film) if film.is_file() else None]

    def take(self, name: str, path: str | None) -> list[Any]:
        """Keep the dropped scene in place of the one before. Raises SceneError for what is none."""
        if path is not None:
            ending = next((one for one in ENDINGS if path.lower().endswith(one)), Path(path).suffix.lower())
            read_gaussians(path)
            folder = self._folder(name)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            shutil.copyfile(path, folder / f"room{ending}")
        return self.show(name)

    def begin(self, name: str) -> list[Any]:
        """Start the film, along the way that is found."""
        scene, out = self._scene(name), self._folder(name) / "film.mp4"

        def work(progress: Progress) -> Path:
            gaussians = read_gaussians(scene)
            path = orbit(gaussians, COUNT, SIZE)
            film(gaussians, CameraPath(path.cameras, SIZE, FPS), out, progress=progress)
            return out

        self.studio.jobs.start(Job(self.shell.project(name).name, FILM, work, out))
        return [*self.show(name), gr.Timer(active=True)]

    def look_around(self, name: str) -> str:
        """Open the viewer of scenes, in place of the one before; a link to it, on this machine."""
        scenes = {"the scene": read_gaussians(self._scene(name))}
        self._viewer.close()
        server = self._viewer.enter_context(viewer(scenes))
        return f'<a href="http://{HOST}:{server.get_port()}" target="_blank">Open the scene in a tab of its own</a>'

    def write(self, name: str, ending: str) -> str:
        """The scene in another format, to take away."""
        if ending not in ENDINGS:
            raise InputError(f"Expected a format out of {', '.join(ENDINGS)}, got {ending!r}; choose one.")
        out = self._folder(name) / "written" / f"room{ending}"
        write_gaussians(out, read_gaussians(self._scene(name)))
        return str(out)

    def _folder(self, name: str) -> Path:
        return self.shell.project(name).folder / "scene"

    def _scene(self, name: str) -> Path:
        """The project's scene. Raises InputError where there is none."""
        found = [path for path in sorted(self._folder(name).glob("room*")) if path.is_file()]
        if not found:
            raise InputError("Expected a scene, got none; drop a .ply, .spz or .splat here first.")
        return found[0]
