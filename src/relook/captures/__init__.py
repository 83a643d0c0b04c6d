"""Captures: pictures of one room with their cameras, and sensor depth where there is some, read frame by frame.

A reader turns one format into a `Capture`; only paths and cameras are held, so a capture of any length takes little memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from relook.captures.checks import LIMIT, check_intrinsics, check_pose
from relook.captures.colmap import model_folders, read_project
from relook.captures.frames import UNITS, Capture, Frame, Kind, natural_order, of_one_size, read_sensor_depth
from relook.captures.lens import Lens
from relook.captures.nerfstudio import TRANSFORMS, is_transforms, read_transforms
from relook.captures.own import CAPTURE_FILE, read_own
from relook.captures.path import CameraPath, as_transforms, camera_for, cameras_of_one_size, path_in
from relook.captures.pictures import pictures_in, read_pictures
from relook.captures.video import read_unpacked
from relook.errors import GeometryError, InputError
from relook.files import VIDEOS, PathLike, read_json

__all__ = [
    "CAPTURE_FILE", "LIMIT", "TRANSFORMS", "UNITS", "VIDEOS", "CameraPath", "Capture", "Frame", "Kind", "Lens", "as_transforms",
    "camera_for", "check_intrinsics", "check_pose", "natural_order", "path_in", "read_capture", "read_path", "read_sensor_depth",
]  # fmt: skip


def read_capture(
    path: PathLike, *, workspace: PathLike | None = None, every: int = 1, limit: int | None = None
) -> Capture:
    """Read a capture, every `every`-th frame of it, `limit` at most.

    path: a folder of frames, a video, a COLMAP project, a nerfstudio transforms.json or capture.json (or the folder of either).
    workspace: the folder that a video is unpacked into; other captures need none.

    Raises InputError for something that is no capture, PictureError for a video or a picture that cannot be read, GeometryError for cameras
    that are none, missing files and mixed sizes.
    """
    path = Path(path)
    if path.is_file() and path.suffix.lower() in VIDEOS:
        if workspace is None:
            raise InputError(f"Expected a workspace to unpack the video {path} into, got none; name a folder.")
        return of_one_size(read_unpacked(path, Path(workspace), every, limit))
    return of_one_size(_reader(path)().thinned(every, limit))


def read_path(path: PathLike) -> CameraPath:
    """The cameras of a nerfstudio camera path, a transforms.json (its pictures need not be there), a scene's record, or any capture that has some.

    Raises InputError for another file, GeometryError for captures without cameras, for cameras that are none, and pictures of several sizes.
    """
    path = Path(path)
    file = next((path / name for name in TRANSFORMS if (path / name).is_file()), path)
    if file.suffix.lower() == ".json" and file.is_file() and (found := path_in(file)) is not None:
        return found
    if path.suffix.lower() in VIDEOS:
        raise GeometryError(
            f"Expected a capture with cameras at {path}, got a video, which has none; name another one."
        )
    capture = read_capture(path)
    cameras = [(frame.camera, frame.size) for frame in capture if frame.camera is not None]
    if len(cameras) < len(capture):
        raise GeometryError(f"Expected a capture with cameras at {path}, got pictures without; name another one.")
    return cameras_of_one_size(cameras, str(path), capture.fps)


def _reader(path: Path) -> Callable[[], Capture]:
    """What reads a file or folder; in a folder, cameras go before plain pictures."""
    if path.is_file() and path.suffix.lower() == ".json":
        return partial(read_transforms if is_transforms(read_json(path)) else read_own, path)
    for name, read in {CAPTURE_FILE: read_own, **dict.fromkeys(TRANSFORMS, read_transforms)}.items():
        if (path / name).is_file():
            return partial(read, path / name)
    if model_folders(path):
        return partial(read_project, path)
    if path.is_dir() and pictures_in(path):
        return partial(read_pictures, path)
    videos = sorted(file.name for file in path.glob("*") if file.suffix.lower() in VIDEOS)
    advice = f"name the video itself, {path / videos[0]}" if videos else "name another folder or file"
    raise InputError(
        f"Expected a capture at {path} (a folder of frames, a video, {CAPTURE_FILE}, {TRANSFORMS[0]} or a COLMAP project with "
        f"sparse/ and images/), got none; {advice}."
    )
