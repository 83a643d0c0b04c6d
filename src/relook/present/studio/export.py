"""What is written of a picture: its format, the mark that says it was restyled, layers, a signature; and the files to take away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from relook.config import PhotoConfig
from relook.errors import InputError
from relook.present.studio.forms import component, fields
from relook.present.studio.project import Project, Variant
from relook.present.studio.shell import ORDERED, QUIET, Shell, polite
from relook.present.studio.signature import keep_signature, signer

ENDINGS = ["png", "jpg", "tif", "webp"]
"""Formats of the full picture; the first holds kept pixels exactly."""
NAMES = ("label_edited", "layers", "quality")
"""Options that are asked for here."""
UNSIGNED = "<p>To sign pictures (C2PA content credentials), drop your chain of certificates and its private key, both in PEM. They stay in a folder beside the projects, for all of them.</p>"


class Export:
    """Components and what they do."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.root = shell, shell.studio.projects.root
        self.schema = fields(PhotoConfig, (), NAMES)
        with gr.Row():
            self.ending = gr.Dropdown(ENDINGS, value="png", label="Format", min_width=100, elem_id="format")
            self.download = gr.DownloadButton("Download", visible=False, elem_id="download", min_width=120)
        with gr.Accordion("Mark, layers, signature", open=False, elem_id="export"):
            with gr.Group():
                self.form = {name: component(name, one, "export") for name, one in self.schema.items()}
            self.signed = gr.Checkbox(
                label="Sign the picture", elem_id="signed", info="What Full picture writes from now on."
            )
            self.owner = gr.HTML(elem_id="signer")
            with gr.Row():
                self.certificate, self.key = (
                    gr.File(
                        label=words,
                        file_types=[".pem", ".crt", ".cer", ".key"],
                        height=140,
                        elem_id=name,
                        min_width=140,
                    )
                    for words, name in (("Certificates", "certificate"), ("Key", "private-key"))
                )
        self.files = gr.File(label="All files of this picture", file_count="multiple", interactive=False, visible=False, elem_id="files",
                             height=140)  # fmt: skip

    @property
    def outputs(self) -> list[Any]:
        """What `show` fills."""
        return [self.download, self.files, self.signed, self.owner]

    def show(self, project: Project, latest: Variant | None) -> list[Any]:
        """The files of the latest picture, and whether the next is signed."""
        owner = signer(self.root)
        files = [] if latest is None else files_of(project.file(latest.out))
        return [
            gr.update(visible=bool(files), value=files[0] if files else None),
            gr.update(visible=len(files) > 2, value=files or None),
            gr.update(value=project.look.signed, interactive=bool(owner)),
            f"<p>Signed by {owner}.</p>" if owner else UNSIGNED,
        ]

    def wire(self, refresh: Callable[[Project], list[Any]], outputs: list[Any]) -> None:
        """refresh: project -> what `outputs` show of a changed look."""
        name, dropped = self.shell.name, [self.certificate, self.key]

        def sign(name: str, signed: bool) -> list[Any]:
            project = self.shell.project(name)
            if signed and not signer(self.root):
                raise InputError("Expected a certificate and its key to sign with, got none; drop both.")
            project.decide(replace(project.look, signed=signed))
            return refresh(project)

        def take(name: str, *paths: str | None) -> list[Any]:
            certificate, key = paths
            if certificate is None or key is None:
                return [gr.skip()] * (len(outputs) + len(dropped))
            keep_signature(self.root, Path(certificate), Path(key))
            return [*refresh(self.shell.project(name)), None, None]

        self.signed.input(polite(sign), [name, self.signed], outputs, **ORDERED)
        for one in dropped:
            one.upload(polite(take), [name, *dropped], [*outputs, *dropped], **QUIET)


def files_of(out: Path) -> list[str]:
    """A picture and what was written with it: its record, the sheet of before and after, layers."""
    found = (out, out.with_suffix(".json"), out.with_name(f"{out.stem}.before-after.jpg"), out.with_suffix(".psd"))
    return [str(path) for path in found if path.is_file()]
