"""Cameras alone, without their pictures: those of any capture, of a transforms.json or a fitted scene's record, nerfstudio's camera path."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from relook.captures.nerfstudio import cameras_of, flipped, is_transforms
from relook.errors import GeometryError, InputError
from relook.files import read_json
from relook.types import Camera


@dataclass(frozen=True)
class CameraPath:
    """Cameras in their order, all for pictures of one size."""

    cameras: tuple[Camera, ...]
    size: tuple[int, int]
    """(H, W) of the pictures that they take."""
    fps: float | None = None
    """Pictures per second; None where nothing says."""

    def fitted(self, size: tuple[int, int]) -> CameraPath:
        """The same for pictures of another size (H, W): what was seen fills them, cut at two sides where the shape differs."""
        scale = max(size[0] / self.size[0], size[1] / self.size[1])
        zoom = torch.diag(torch.tensor([scale, scale, 1.0]))
        zoom[0, 2], zoom[1, 2] = (
            (new - scale * old) / 2 for new, old in ((size[1], self.size[1]), (size[0], self.size[0]))
        )
        return CameraPath(tuple(Camera(zoom @ one.K, one.world_to_camera) for one in self.cameras), size, self.fps)


def path_in(file: Path) -> CameraPath | None:
    """The cameras of a nerfstudio camera path, a transforms.json with w and h, or a scene's record; None for other files."""
    if file.suffix.lower() == ".json" and file.is_file():
        data = read_json(file)
        if isinstance(data, dict) and isinstance(data.get("camera_path"), list):
            return _nerfstudio_path(data, file.name)
        if isinstance(data, dict) and is_transforms(data.get("cameras")):
            data = data["cameras"]
        if is_transforms(data) and all("w" in data | frame and "h" in data | frame for frame in data["frames"]):
            return cameras_of_one_size(cameras_of(data, file.name), file.name)
    return None


def as_transforms(path: CameraPath) -> dict[str, Any]:
    """Cameras in the layout of transforms.json, which `read_path` reads."""
    flip = torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64)
    frames = []
    for one in path.cameras:
        K, pose = one.K, torch.linalg.inv(one.world_to_camera.double()) * flip
        numbers = {"fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]}
        frames.append({name: float(value) for name, value in numbers.items()} | {"transform_matrix": pose.tolist()})
    return {"h": path.size[0], "w": path.size[1], "frames": frames}


def camera_for(size: tuple[int, int], fov: float, world_to_camera: Float[Tensor, "4 4"] | None = None) -> Camera:
    """The camera for a picture of a size (H, W) that sees `fov` degrees from top to bottom; at the origin unless said."""
    focal = size[0] / 2 / math.tan(math.radians(fov) / 2)
    K = torch.tensor([[focal, 0.0, size[1] / 2], [0.0, focal, size[0] / 2], [0.0, 0.0, 1.0]])
    return Camera(K, torch.eye(4) if world_to_camera is None else world_to_camera)


def _nerfstudio_path(data: dict[str, Any], where: str) -> CameraPath:
    """nerfstudio's camera path: camera_to_world as 16 numbers row by row (OpenGL axes), fov from top to bottom in degrees."""
    kind = str(data.get("camera_type", "perspective"))
    if kind != "perspective":
        raise GeometryError(
            f"Expected a camera path of perspective cameras in {where}, got {kind}; choose such cameras."
        )
    try:
        size = int(data["render_height"]), int(data["render_width"])
        cameras = []
        for number, entry in enumerate(data["camera_path"]):
            rows = torch.tensor(entry["camera_to_world"], dtype=torch.float64).reshape(4, 4).tolist()
            fov, place = float(entry.get("fov", 50.0)), f"{where}, camera {number}"
            if not 0 < fov < 180:
                raise InputError(f"Expected a fov between 0 and 180 degrees in {place}, got {fov}; correct it.")
            cameras.append(camera_for(size, fov, flipped(rows, place)))
        fps = float(data["fps"]) if data.get("fps") else None
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"Expected render_height, render_width and a camera_to_world of 16 numbers for every camera in {where}, got something else "
            f"({error}); correct it."
        ) from error
    return cameras_of_one_size([(one, size) for one in cameras], where, fps)


def cameras_of_one_size(
    found: list[tuple[Camera, tuple[int, int]]], where: str, fps: float | None = None
) -> CameraPath:
    """Cameras with their pictures' sizes (H, W) as a path. Raises InputError for none, GeometryError for several sizes."""
    sizes = sorted({size for _, size in found})
    if not sizes or min(sizes[0]) < 1:
        raise InputError(
            f"Expected at least one camera for a picture of at least one pixel in {where}, got none; add one."
        )
    if len(sizes) > 1:
        raise GeometryError(
            f"Expected cameras for pictures of one size in {where}, got {sizes[0]} and {sizes[1]}; split them."
        )
    return CameraPath(tuple(one for one, _ in found), sizes[0], fps)
