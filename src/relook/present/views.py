"""`relook views`: a walk through a room in the look of one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from relook.config import FILES, ViewsConfig
from relook.files import check_there, check_writable
from relook.options import EXISTING, POSITIONAL
from relook.present.arguments import parse
from relook.present.loading import loading
from relook.present.terminal import OUT, drawn

EXAMPLE = "example: relook views walk.mp4 --style look.jpg --out restyled --every 5 --keep window"


@dataclass(frozen=True)
class Views:
    """Restyle a walk through a room: writes frames, a video, coloured points and a report; a stopped run goes on."""

    walk: Annotated[Path, POSITIONAL, FILES]
    """A folder of frames, a video, a COLMAP project, a nerfstudio transforms.json, or a capture.json."""
    style: Annotated[Path, EXISTING, FILES]
    """The picture that gives the look."""
    out: Annotated[Path, FILES]
    """Folder to write to: frames/, walk.mp4, points.ply, report.html, views.json."""
    config: ViewsConfig = field(default_factory=ViewsConfig)


def views(words: Sequence[str]) -> int:
    """relook views."""
    options = parse(Views, "relook views", words, EXAMPLE)
    check_there(options.walk)
    check_writable(options.out, folder=True)
    with loading():
        from relook.lift import restyle_views

    with drawn() as progress:
        result = restyle_views(options.walk, options.style, options.config, out=options.out, progress=progress)
    seconds = sum(result.record["timings"].values())
    OUT.print(
        f"{result.report}: {len(result.frames)} frames in {seconds:.1f} s, geometry {result.record['geometry']}",
        markup=False,
    )
    return 0
