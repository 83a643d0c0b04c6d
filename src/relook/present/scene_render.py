"""`relook scene render`: a video of a scene of Gaussians, along a way that is found, the capture's, or a file's."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt, Interval

from relook.config import FILES, USED
from relook.errors import InputError
from relook.files import check_writable
from relook.options import EXISTING, POSITIONAL
from relook.present.terminal import OUT, drawn
from relook.progress import Progress

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from relook.captures import CameraPath
    from relook.gaussians import Gaussians

LONGER, SECONDS = 960, 8.0
"""Pixels on the longer side of pictures, and seconds of a film, unless said."""
SHAPE = (9, 16)
"""Height and width of pictures, where no capture has another shape."""
LARGEST = 8192
"""Pixels on a side."""


@dataclass(frozen=True)
class RenderScene:
    """Render a scene of Gaussians: a video, a folder of pictures, or one picture."""

    scene: Annotated[Path, EXISTING, POSITIONAL, FILES]
    """A scene: .ply, .compressed.ply, .spz, .splat."""
    out: Annotated[Path, FILES]
    """A video to write (.mp4), one picture (.png, .jpg, ...: the path's first), or a folder of pictures."""
    path: Annotated[str, USED] = "orbit"
    """`orbit`: a closed way that is found from the scene, inside where it is a room; `around`: from outside, as around a thing; `walk`: smoothly
    past the capture's cameras; or a file with a camera for every picture: nerfstudio's camera path, transforms.json."""
    cameras: Annotated[Path | None, FILES] = None
    """The capture that the scene is from, for `walk`, and for which way is up. Default: the cameras in the record beside the scene."""
    size: Annotated[str | None, USED] = None
    """Longer side in pixels, or width x height, e.g. `1280x720`. Default: 960, a file's own."""
    seconds: Annotated[float | None, Gt(0), USED] = None
    """Length of the film; 8 unless said. A file has its own."""
    fps: Annotated[float | None, Interval(gt=0, le=240), USED] = None
    """Pictures per second. Default: the file's, else 24."""
    background: Annotated[str, USED] = "black"
    """Colour behind the scene: a name, or `#rrggbb`."""


def render_scene(options: RenderScene) -> int:
    """relook scene render."""
    with drawn() as progress:
        path, covered = rendered(options, progress)
    from relook.lift.scene.film import is_picture

    number = 1 if is_picture(options.out) else len(path.cameras)
    OUT.print(
        f"{options.out}: {number} picture{'s' if number > 1 else ''} of {path.size[1]} x {path.size[0]}, "
        f"{covered:.0%} of the pixels show the scene",
        markup=False,
    )
    return 0


def rendered(options: RenderScene, progress: Progress) -> tuple[CameraPath, float]:
    """Write what was asked for; gives the cameras, and the share of the pixels that show the scene. Raises an error of relook.errors."""
    single = options.out.suffix != "" and not options.out.is_dir()
    check_writable(options.out, folder=not single)
    if not single and options.out.is_dir() and any(options.out.iterdir()):
        raise InputError(f"Expected an empty or a new folder to write pictures to, got {options.out}; choose another.")
    from relook.io import read_gaussians
    from relook.lift.scene.film import film, is_picture

    is_picture(options.out)
    background = colour(options.background)
    side = sized(options.size)
    scene = read_gaussians(options.scene)
    path = path_of(options, scene, side)
    return path, film(scene, path, options.out, background=background, progress=progress)


def path_of(options: RenderScene, scene: Gaussians, side: tuple[int, int] | int | None) -> CameraPath:
    """The cameras that a user asks for. Raises an error of relook.errors for files without cameras, or cameras that lead nowhere."""
    from relook.captures import read_path
    from relook.lift.scene.film import FPS
    from relook.lift.scene.orbit import orbit
    from relook.lift.scene.saving import own_cameras
    from relook.ops.poses import apart, through

    if options.path not in ("orbit", "around", "walk"):
        if options.seconds is not None:
            raise InputError(
                f"Expected no --seconds beside a file of cameras, got {options.seconds:g}; use --path walk --cameras FILE."
            )
        found = _file(options.path)
        path = found if side is None else found.fitted(_size(side, found.size))
        return replace(path, fps=options.fps or path.fps)
    fps = options.fps or FPS
    count = max(1, round((options.seconds or SECONDS) * fps))
    known = own_cameras(options.scene) if options.cameras is None else read_path(options.cameras)
    if options.path != "walk":
        cameras = () if known is None else known.cameras
        found = orbit(scene, count, _size(side or LONGER, SHAPE), cameras=cameras, around=options.path == "around")
        return replace(found, fps=fps)
    if known is None:
        raise InputError(
            f"Expected the cameras of the capture for a walk through {options.scene}, got none; name it by --cameras."
        )
    if not apart(known.cameras):
        raise InputError(
            f"Expected cameras at several places for a walk, got {len(known.cameras)} at one; use --path orbit."
        )
    known = known.fitted(_size(side or LONGER, known.size))
    return replace(known, cameras=tuple(through(known.cameras, count)), fps=fps)


def colour(word: str) -> Float[Tensor, " 3"]:
    """RGB of a colour's name or #rrggbb. Raises InputError for another word."""
    import torch
    from PIL import ImageColor

    try:
        return torch.tensor(ImageColor.getrgb(word)[:3]) / 255
    except ValueError as error:
        raise InputError(
            f"Expected a colour's name or #rrggbb as background, got {word!r}; choose such a one."
        ) from error


def sized(word: str | None) -> tuple[int, int] | int | None:
    """(H, W), or the longer side, as a user writes it. Raises InputError for another word, and for no or too many pixels."""
    if word is None:
        return None
    found = re.fullmatch(r"(\d+)(?:x(\d+))?", word.strip().lower())
    sides = [int(side) for side in found.groups() if side] if found else []
    if not sides or not all(16 <= side <= LARGEST for side in sides):
        raise InputError(
            f"Expected a size such as 960 or 1280x720, from 16 to {LARGEST} pixels a side, got {word!r}; choose such a one."
        )
    return sides[0] if len(sides) == 1 else (sides[1], sides[0])


def _size(side: tuple[int, int] | int, shape: tuple[int, int]) -> tuple[int, int]:
    """(H, W): as stated, or with this longer side in the shape of another size."""
    from relook.ops.resize import scaled

    return side if isinstance(side, tuple) else scaled(shape, side / max(shape))


def _file(word: str) -> CameraPath:
    """The cameras of a file. Raises InputError for a word that is none of the paths and no file."""
    from relook.captures import read_path
    from relook.options import like

    if not Path(word).exists():
        near = like(word, ("orbit", "around", "walk")) or "check the name"
        raise InputError(f"Expected orbit, around, walk or a file of cameras as path, got {word!r}; {near}.")
    return read_path(word)
