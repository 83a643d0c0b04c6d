"""A scene of Gaussians along a path of cameras, picture by picture, into a video, a folder or one picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from relook.captures import CameraPath
from relook.errors import SceneError
from relook.files import VIDEOS, PathLike, picture_format, replacing, together
from relook.gaussians import Gaussians
from relook.io import open_video, write_image
from relook.ops.splats import shown
from relook.progress import SILENT, Progress

FPS = 24.0
"""Pictures per second where nothing says."""


def film(
    gaussians: Gaussians,
    path: CameraPath,
    out: PathLike,
    *,
    background: Float[Tensor, " 3"] | None = None,
    progress: Progress = SILENT,
) -> float:
    """Write what the cameras of a path see: OUT.mp4, the first alone (OUT.png, .jpg, ...), or a folder of 00000.png and so on.

    Written whole or not at all; one picture is in memory at a time. background: RGB behind the scene, black unless said. Returns the
    share of the pixels that the scene covers. Raises SceneError where no camera sees any of it.
    """
    cameras = path.cameras[:1] if is_picture(out) else path.cameras
    seen = 0.0
    with _opened(Path(out), path.fps or FPS) as add, progress.stage("rendering", len(cameras)) as tick:
        for number, camera in enumerate(cameras):
            image, coverage = shown(gaussians, camera, path.size)
            if background is not None:
                image = image + (1 - coverage) * background.to(image)[:, None, None]
            add(image.clamp(0, 1))
            seen += float(coverage.mean()) / len(cameras)
            tick(number + 1)
        if not seen:
            raise SceneError(
                f"Expected cameras that see the scene, got {len(cameras)} that see none of it; use cameras of the scene's own world."
            )
    return seen


def is_picture(out: PathLike) -> bool:
    """Whether a name is that of a single picture. Raises PictureError for a name with an ending that is neither picture nor video."""
    if Path(out).suffix == "" or Path(out).is_dir() or Path(out).suffix.lower() in VIDEOS:
        return False
    return bool(picture_format(out))


@contextmanager
def _opened(out: Path, fps: float) -> Iterator[Callable[[Tensor], None]]:
    """What takes the pictures, one by one."""
    if is_picture(out):
        with replacing(out) as part:
            yield lambda image: write_image(part, image)
    elif out.suffix and not out.is_dir():
        with open_video(out, fps) as video:
            yield video.add
    else:
        numbers = count()
        with together(out) as folder:
            yield lambda image: write_image(folder / f"{next(numbers):05d}.png", image)
