"""`relook scene fit | restyle | render | view | info | convert`: rooms as 3D Gaussians on the command line.

A command is a dataclass of its options and a function from it to an exit code, entered in COMMANDS and SHORT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from relook.config import FILES
from relook.files import check_writable
from relook.options import EXISTING, POSITIONAL
from relook.present.arguments import one_of, parse
from relook.present.scene_fit import FitScene, fit_scene
from relook.present.scene_render import RenderScene, render_scene
from relook.present.scene_restyle import RestyleScene, restyle
from relook.present.scene_view import ViewScene, view_scene
from relook.present.terminal import OUT

SHORT = """usage: relook scene fit CAPTURE --out SCENE.ply | restyle SCENE --style PICTURE --out OUT | render SCENE --out OUT | view SCENE | info SCENE | convert SCENE --out OUT

  fit       a capture as a scene of Gaussians
  restyle   a scene, or a capture, in the look of a picture
  render    a video, pictures or one picture of it: on a way that is found, the capture's, or a file's
  view      look at it in the browser, in one look or two
  info      what a scene of Gaussians holds
  convert   write it in another format: .ply, .compressed.ply, .spz, .splat

relook scene COMMAND --help lists a command's options."""


@dataclass(frozen=True)
class Info:
    """What a scene of Gaussians holds: their number, extent, sizes, and how their colours depend on where one looks from."""

    scene: Annotated[Path, EXISTING, POSITIONAL, FILES]
    """A scene: .ply, .compressed.ply, .spz, .splat."""


@dataclass(frozen=True)
class Convert:
    """Write a scene of Gaussians in another format, which the ending of its name says."""

    scene: Annotated[Path, EXISTING, POSITIONAL, FILES]
    """A scene: .ply, .compressed.ply, .spz, .splat."""
    out: Annotated[Path, FILES]
    """File to write: .ply loses nothing; .compressed.ply and .spz are a fifth to a tenth as large; .splat has one colour per Gaussian."""
    bake: bool = False
    """Keep one colour per Gaussian, the same from everywhere (spherical harmonics of degree 0)."""


def main(words: Sequence[str]) -> int:
    """Run one command of `relook scene`. Raises RelookError for the user to mend."""
    if not words or words[0] in ("-h", "--help"):
        OUT.print(SHORT, markup=False)
        return 0
    options, run = COMMANDS[one_of(COMMANDS, words[0], "command of relook scene")]
    return run(parse(options, f"relook scene {words[0]}", words[1:]))


def info(options: Info) -> int:
    """relook scene info."""
    from relook.io import read_gaussians

    scene = read_gaussians(options.scene)
    extent = " x ".join(f"{side:.4g}" for side in (scene.means.amax(0) - scene.means.amin(0)).tolist())
    OUT.print(
        f"{options.scene}: {len(scene)} Gaussians within {extent} units, half of them smaller than {float(scene.scales.amax(1).median()):.3g}, "
        f"spherical harmonics of degree {scene.degree}",
        markup=False,
    )
    return 0


def convert(options: Convert) -> int:
    """relook scene convert."""
    check_writable(options.out)
    from relook.io import read_gaussians, write_gaussians

    scene = read_gaussians(options.scene)
    write_gaussians(options.out, scene.coloured(scene.colours) if options.bake else scene)
    OUT.print(f"{options.out}: {len(scene)} Gaussians, {options.out.stat().st_size / 1e6:.1f} MB", markup=False)
    return 0


COMMANDS: Mapping[str, tuple[type, Callable[[Any], int]]] = {
    "fit": (FitScene, fit_scene), "restyle": (RestyleScene, restyle), "render": (RenderScene, render_scene), "view": (ViewScene, view_scene),
    "info": (Info, info), "convert": (Convert, convert),
}  # fmt: skip
"""Options and function of each command."""
