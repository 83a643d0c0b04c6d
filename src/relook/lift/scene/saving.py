"""A fitted scene as files: the Gaussians in 3D Gaussian Splatting's PLY, and a JSON beside them that says how they were made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from relook.captures import CameraPath, as_transforms, path_in
from relook.files import PathLike, write_json
from relook.io import write_gaussians
from relook.lift.scene.fit import Fit
from relook.types import Camera


def write_scene(path: PathLike, found: Fit) -> None:
    """Write PATH, whole or not at all, and the record with the views' cameras beside it (PATH with .json). Raises InputError for a place that cannot be written."""
    write_gaussians(path, found.gaussians)
    write_json(record_of(path), with_cameras(found.record, found.cameras, found.size))


def with_cameras(record: dict[str, Any], cameras: Sequence[Camera], size: tuple[int, int]) -> dict[str, Any]:
    """A scene's record with the cameras of the views that it is from, for pictures of `size` (H, W), where `own_cameras` looks for them."""
    return record | {"cameras": as_transforms(CameraPath(tuple(cameras), size))}


def record_of(path: PathLike) -> Path:
    """Where the record of a fitted scene is."""
    return Path(path).with_suffix(".json")


def own_cameras(path: PathLike) -> CameraPath | None:
    """The cameras of the views that a scene was fitted to, from the record beside it; None where there is none."""
    file = record_of(path)
    return path_in(file) if file.is_file() else None
