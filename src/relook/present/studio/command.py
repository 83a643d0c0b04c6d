"""relook studio: its options, and where it begins. Everything heavy is imported when it runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from annotated_types import Interval

from relook.config import FILES, MACHINE
from relook.errors import InputError
from relook.files import check_writable
from relook.present.arguments import parse
from relook.present.loading import loading
from relook.present.terminal import OUT

EXAMPLE = "example: relook studio, then open http://127.0.0.1:7860/"


@dataclass(frozen=True)
class StudioConfig:
    """Restyle rooms in a browser, on this machine: what relook photo, perceive and views do, with the pictures before your eyes."""

    projects: Annotated[Path | None, FILES] = None
    """Folder of the projects. Default: Relook in your home folder."""
    port: Annotated[int, Interval(ge=1, le=65535)] = 7860
    """Where the page is: http://127.0.0.1:PORT/."""
    host: str = "127.0.0.1"
    """Address to listen at. Others than 127.0.0.1 let other machines in: those who know the token that is printed."""
    browser: bool = True
    """Open the page in the browser."""
    device: Annotated[str, MACHINE] = "auto"
    """Where networks run: `cpu`, `cuda`, `mps`; `auto`: the first of cuda, mps and cpu that is here."""


def studio(words: Sequence[str]) -> int:
    """relook studio."""
    options = parse(StudioConfig, "relook studio", words, EXAMPLE)
    projects = options.projects or Path.home() / "Relook"
    check_writable(projects, folder=True)
    if find_spec("gradio") is None:
        raise InputError('Expected the studio\'s parts, got none; install them with pip install "relook[studio]".')
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("GRADIO_TEMP_DIR", str(projects / ".uploads"))
    logging.getLogger("httpx").setLevel(logging.WARNING)
    from relook.present.studio.stubs import without_stubs

    with loading(), without_stubs():
        from relook.present.studio.server import Server
        from relook.present.studio.work import Studio

    with Server(Studio(projects, options.device, eager=True), options.host, options.port) as server:
        OUT.print(f"{server.url} (projects in {projects}; Ctrl-C stops)", markup=False)
        if options.browser:
            import webbrowser

            webbrowser.open(server.url)
        server.wait()
    return 0
