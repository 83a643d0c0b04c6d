"""nerfstudio's transforms.json, which Blender sets, instant-ngp and many apps write, too.

Poses are camera_to_world with OpenGL axes (x right, y up, z backward): the camera's y and z axes change sign. `applied_transform` only
says how the world was turned before it was saved; it stays as it is. Intrinsics are taken as they are: pixel centres lie at
half-integers there, too (nerfstudio's Cameras.get_image_coords adds 0.5 to the index of a pixel before it makes rays, and its
converters hand on COLMAP's centre unchanged). Pictures are read as they are stored, without the turn that EXIF may ask for, since
nerfstudio reads them so.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from relook.captures.checks import check_intrinsics, check_pose, existing
from relook.captures.frames import UNITS, Capture, Frame, in_order
from relook.captures.lens import Lens, lens
from relook.errors import GeometryError, InputError
from relook.files import read_json
from relook.io import read_size
from relook.types import Camera

TRANSFORMS = ("transforms.json", "transforms_train.json")
"""Names of the file in a folder; the second one in Blender sets."""
MODELS = frozenset({"", "PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE"})
"""Camera models that a pinhole camera with `relook.captures.lens` covers."""
COEFFICIENTS = (("k", (1, 2, 3)), ("p", (1, 2)))
"""Radial and tangential distortion as the file calls them."""
MISSING_ENDINGS = (".png", ".jpg", ".jpeg", ".JPG", ".webp")
"""What is tried for a file_path that has no ending, as in Blender sets."""


def is_transforms(data: Any) -> bool:
    """Whether JSON holds frames of nerfstudio's kind."""
    frames = data.get("frames") if isinstance(data, dict) else None
    return isinstance(frames, list) and any(isinstance(frame, dict) and "transform_matrix" in frame for frame in frames)


def read_transforms(file: Path) -> Capture:
    """The capture that a transforms.json describes. Raises InputError for another file, GeometryError for cameras and files that do not fit."""
    data = read_json(file)
    if not is_transforms(data):
        raise InputError(f"Expected frames with a transform_matrix each in {file}, got something else; correct it.")
    try:
        names = [str(entry["file_path"]) for entry in data["frames"]]
        frames = tuple(_frame(file, data | entry) for entry in data["frames"])
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"Expected a file_path, a transform_matrix and numbers for the camera of every frame in {file}, got something else "
            f"({error}); correct it."
        ) from error
    notes = {key: str(data[key]) for key in ("source", "licence") if key in data}
    return in_order(Capture(frames, notes, "nerfstudio"), names)


def _frame(file: Path, entry: dict[str, Any]) -> Frame:
    """One frame, with what holds for all frames where it does not say otherwise."""
    where = f"{file.name}, frame {entry['file_path']}"
    model = str(entry.get("camera_model", "")).upper()
    if model not in MODELS or entry.get("is_fisheye") or float(entry.get("k4", 0)):
        raise GeometryError(
            f"Expected a perspective camera in {where}, got {model or 'a fisheye'}; undistort its pictures first."
        )
    image = _picture(file.parent / str(entry["file_path"]), where)
    size = _size(entry) or read_size(image, upright=False)
    camera, bent = _camera(entry, size, where)
    step = float(entry.get("depth_unit_scale_factor", UNITS["millimetres"]))
    depth = entry.get("depth_file_path")
    depth = None if depth is None else existing(file.parent / str(depth), where)
    return Frame(image, depth, camera, size, step, lens=bent, upright=False)


def cameras_of(data: dict[str, Any], where: str) -> list[tuple[Camera, tuple[int, int]]]:
    """The cameras (as if without distortion) of a transforms.json's content, each with its picture's size (H, W); no picture need be there.

    Raises InputError where w and h are missing, GeometryError for cameras that are none.
    """
    found = []
    for number, frame in enumerate(data["frames"]):
        entry, place = data | frame, f"{where}, frame {number}"
        size = _size(entry)
        if size is None:
            raise InputError(f"Expected w and h in {place}, got none; add the width and height of its picture.")
        try:
            found.append((_camera(entry, size, place)[0], size))
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"Expected numbers for the camera of {place}, got {error}; correct it.") from error
    return found


def flipped(camera_to_world: Any, where: str) -> Float[Tensor, "4 4"]:
    """world_to_camera (OpenCV) of a camera_to_world in OpenGL axes, 3 or 4 rows. Raises GeometryError for what is no rigid transform."""
    rows = list(camera_to_world)
    pose = check_pose(rows if len(rows) != 3 else [*rows, [0, 0, 0, 1]], where)
    pose[:3, 1:3] *= -1
    return torch.linalg.inv(pose).float()


def _size(entry: dict[str, Any]) -> tuple[int, int] | None:
    """(H, W) as a frame says it."""
    return (int(entry["h"]), int(entry["w"])) if "h" in entry and "w" in entry else None


def _camera(entry: dict[str, Any], size: tuple[int, int], where: str) -> tuple[Camera, Lens | None]:
    """A frame's camera for a picture of a size (H, W) without distortion, and its lens where there is some."""
    fx, fy = _focal(entry, size, where)
    cx, cy = float(entry.get("cx", size[1] / 2)), float(entry.get("cy", size[0] / 2))
    K = check_intrinsics([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], where)
    radial, tangential = ([float(entry.get(f"{kind}{n}", 0)) for n in numbers] for kind, numbers in COEFFICIENTS)
    bent = lens((fx, fy), (cx, cy), radial, tangential)
    K = (K if bent is None else bent.pinhole(size)).float()
    return Camera(K, flipped(entry["transform_matrix"], where)), bent


def _focal(entry: dict[str, Any], size: tuple[int, int], where: str) -> tuple[float, float]:
    """(fx, fy) in pixels: as written, or out of the angles of view."""
    across = entry.get("fl_x", _from_angle(entry.get("camera_angle_x"), size[1]))
    down = entry.get("fl_y", _from_angle(entry.get("camera_angle_y"), size[0]))
    known = [float(value) for value in (across, down) if value is not None]
    if not known:
        raise GeometryError(f"Expected fl_x or camera_angle_x in {where}, got neither; add the focal length.")
    return (known[0] if across is None else float(across)), known[-1]


def _from_angle(angle: Any, side: int) -> float | None:
    """Focal length in pixels of a camera that sees `angle` radians along a side."""
    return None if angle is None else side / 2 / math.tan(float(angle) / 2)


def _picture(path: Path, where: str) -> Path:
    """The picture, also where its name lacks the ending."""
    tries = [path, *(path.with_name(path.name + ending) for ending in MISSING_ENDINGS)]
    return next((file for file in tries if file.is_file()), None) or existing(path, where)
