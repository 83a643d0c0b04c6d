"""What is kept: full pictures side by side as variants, and swatches of materials for all projects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import gradio as gr

from relook.errors import InputError
from relook.files import replacing
from relook.present.studio.first import first
from relook.present.studio.project import MATERIALS, Project, take_picture
from relook.present.studio.shell import ORDERED, QUIET, Shell, polite
from relook.present.studio.shown import displayed

NO_VARIANTS = first(
    ("pair", "every full picture that you make"), result=("variants", "kept here, side by side"),
    said="Choose one to see what was decided for it, go back to its look, or take all of them away as a zip.",
)  # fmt: skip
NO_MATERIALS = first(
    ("swatch", "flat pictures of materials, as from a shop's page"), ("lines", "a floor, rug, ceiling or wall in Picture"),
    result=("pair", "your room with that material, at its true size"),
    said="Swatches are kept for all your projects. In Picture, choose a thing, then <em>a material</em>, its width in metres and its turn.",
)  # fmt: skip


class Variants:
    """Every full picture of the project; one can be gone back to, or forgotten."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.chosen = shell, gr.State(None)
        self.nothing = gr.HTML(NO_VARIANTS)
        self.gallery = gr.Gallery(
            label="Variants",
            columns=3,
            object_fit="contain",
            height="auto",
            elem_id="variants",
            buttons=["fullscreen"],
            visible=False,
        )
        self.line = gr.HTML(elem_id="variant")
        with gr.Row(visible=False) as self.buttons:
            self.back = gr.Button("Go back to this look", interactive=False, elem_id="back")
            self.forget = gr.Button("Forget this one", interactive=False)
            self.all = gr.DownloadButton("All as a zip", elem_id="zip")

    @property
    def outputs(self) -> list[Any]:
        """What `show` fills."""
        return [self.gallery, self.chosen, self.line, self.back, self.forget, self.all, self.nothing, self.buttons]

    def wire(self, refresh: Callable[[Project], list[Any]], outputs: list[Any]) -> None:
        """refresh: project -> what `outputs` show of a changed look."""
        name = self.shell.name
        self.gallery.select(polite(self._choose), [name], [self.chosen, self.line, self.back, self.forget], **QUIET)
        self.back.click(
            polite(lambda name, number: refresh(self._back(name, number))), [name, self.chosen], outputs, **ORDERED
        )
        self.forget.click(polite(self._forget), [name, self.chosen], self.outputs, **QUIET)

    def show(self, name: str) -> list[Any]:
        """The pictures; none is chosen."""
        project = self.shell.project(name)
        pictures = [
            (displayed(project, one.out), one.title) for one in project.variants if project.file(one.out).is_file()
        ]
        off = gr.update(interactive=False)
        pack = packed(project) if pictures else None
        return [
            gr.update(value=pictures, selected_index=None, visible=bool(pictures)),
            None,
            "",
            off,
            off,
            gr.update(value=pack, interactive=bool(pictures)),
            gr.update(visible=not pictures),
            gr.update(visible=bool(pictures)),
        ]

    def _choose(self, name: str, event: gr.SelectData) -> list[Any]:
        """A click on a picture: which, and what differs from the defaults."""
        look = self.shell.project(name).variants[event.index].look
        said = [f"{name} {value}" for name, value in look.options.items()]
        said += [
            f"{thing}: {choice.taking} {choice.value.split('/')[-1]}".strip() for thing, choice in look.things.items()
        ]
        on = gr.update(interactive=True)
        return [event.index, gr.update(value=f"<p>{'; '.join(said) or 'all as by default'}</p>"), on, on]

    def _back(self, name: str, number: int | None) -> Project:
        project = self.shell.project(name)
        if number is not None and number < len(project.variants):
            project.decide(project.variants[number].look)
        return project

    def _forget(self, name: str, number: int | None) -> list[Any]:
        project = self.shell.project(name)
        if number is not None and number < len(project.variants):
            project.drop(number)
        return self.show(name)


def packed(project: Project, place: str = "") -> str:
    """All results, or those of a folder of them, with their records in one file."""
    root = project.folder / "results" / place
    pack = project.folder / "shown" / f"{'-'.join(filter(None, (project.name, place)))}.zip"
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    if not pack.is_file() or any(path.stat().st_mtime > pack.stat().st_mtime for path in files):
        with replacing(pack) as temporary, ZipFile(temporary, "w", ZIP_STORED) as archive:
            for path in files:
                archive.write(path, path.relative_to(root))
    return str(pack)


class Materials:
    """Flat pictures of materials, which things can take in every project."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.more = gr.File(label="Swatches: flat pictures, as in shops", file_count="multiple", elem_id="swatches",
                            file_types=["image"], height=150)  # fmt: skip
        self.nothing = gr.HTML(NO_MATERIALS)
        self.gallery = gr.Gallery(
            label="Your materials",
            columns=6,
            height="auto",
            object_fit="contain",
            elem_id="materials",
            buttons=[],
            visible=False,
        )
        self.how = gr.Markdown(
            "In Picture, choose a thing (floor, rug, ceiling or wall), then *a material*, its width in metres and its turn.",
            visible=False,
        )

    @property
    def outputs(self) -> list[Any]:
        """What `show` fills."""
        return [self.gallery, self.nothing, self.how]

    def wire(self, *_: Any) -> None:
        """Connect what people do with what happens."""
        self.more.upload(polite(self._added), [self.shell.name, self.more], [*self.outputs, self.more], **QUIET)

    def show(self, name: str) -> list[Any]:
        """All swatches, the same in all projects."""
        found = [(str(path), title) for title, path in self.shell.studio.projects.materials.items()]
        there = gr.update(visible=bool(found))
        return [gr.update(value=found, visible=bool(found)), gr.update(visible=not found), there]

    def _added(self, name: str, paths: list[str] | None) -> list[Any]:
        if not paths:
            raise InputError("Expected pictures of materials, got none; drop some.")
        for path in paths:
            take_picture(path, self.shell.studio.projects.root, MATERIALS)
        return [*self.show(name), None]
