"""`relook scene restyle`: a scene of Gaussians, or a capture, in the look of a picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from relook.config import FILES, RestyleConfig
from relook.errors import InputError
from relook.files import check_there
from relook.options import EXISTING, POSITIONAL, REPEATED
from relook.present.terminal import OUT, drawn


@dataclass(frozen=True)
class RestyleScene:
    """Give a scene of Gaussians the look of a picture: writes the scene with the same geometry in new colours, and OUT.json, how it was made."""

    scene: Annotated[Path, POSITIONAL, FILES]
    """A scene (.ply, .compressed.ply, .spz, .splat), or a capture that is fitted first: a folder of frames, a video, capture.json, ..."""
    out: Annotated[Path, FILES]
    """Scene to write: .ply loses nothing; .compressed.ply, .spz, .splat."""
    style: Annotated[tuple[Path, ...], EXISTING, REPEATED, FILES] = ()
    """The picture that gives the look. Name more: what the first has no counterpart for takes from the next."""
    config: RestyleConfig = field(default_factory=RestyleConfig)


def restyle(options: RestyleScene) -> int:
    """relook scene restyle."""
    if not options.style:
        raise InputError("Expected --style with the picture that gives the look, got none; name one.")
    check_there(options.scene)
    for path in options.style:
        check_there(path)
    from relook.lift.restyled.task import restyle_scene

    with drawn() as progress:
        record = restyle_scene(options.scene, options.style, options.out, options.config, progress=progress)
    OUT.print(
        f"{options.out}: {record['gaussians']} Gaussians by {record['method']} in {sum(record['timings'].values()):.0f} s, "
        f"{record['views']} key views, things: {', '.join(record['things'])}",
        markup=False,
    )
    return 0
