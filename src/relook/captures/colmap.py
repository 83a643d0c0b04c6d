"""COLMAP projects: a sparse model (binary or text) in sparse/ or sparse/0, and the pictures in images/.

COLMAP's pixel (0.5, 0.5) is the centre of the top left pixel, as here ("Camera Models" in its documentation), so nothing is shifted.
It reads pictures as they are stored, without the turn that EXIF may ask for (seen with pycolmap 4.2.1), so they are read so here, too.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from relook.captures.checks import check_intrinsics, existing
from relook.captures.frames import Capture, Frame, in_order
from relook.captures.lens import Lens, lens
from relook.errors import GeometryError, MissingModelError
from relook.files import reason
from relook.types import Camera, Sparse

RADIAL = {
    "SIMPLE_RADIAL": ("k1",), "RADIAL": ("k1", "k2"), "OPENCV": ("k1", "k2"),
    "FULL_OPENCV": ("k1", "k2", "k3", "k4", "k5", "k6"),
}  # fmt: skip
"""Radial coefficients that each camera model has; those that are not here have none or are not read."""
PINHOLES = frozenset({"SIMPLE_PINHOLE", "PINHOLE"})


def model_folders(project: Path) -> list[Path]:
    """The folders of a project that hold a sparse model, in the order of their numbers."""
    sparse = project / "sparse"
    numbered = [folder for folder in sparse.glob("*") if folder.name.isdecimal()]
    folders = [*sorted(numbered, key=lambda folder: int(folder.name)), sparse]
    return [folder for folder in folders if _whole(folder, "bin") or _whole(folder, "txt")]


def _whole(folder: Path, ending: str) -> bool:
    """Whether the three files of a sparse model are there."""
    return all((folder / f"{part}.{ending}").is_file() for part in ("cameras", "images", "points3D"))


def read_project(project: Path) -> Capture:
    """The capture that a COLMAP project describes; of several models, the one with most pictures.

    Raises MissingModelError without pycolmap, GeometryError for a model that cannot be read, has no picture with a pose, or has a
    fisheye camera, and for missing pictures.
    """
    models = [_model(folder) for folder in model_folders(project)]
    model = max(models, key=lambda model: model.num_reg_images(), default=None)
    images = [] if model is None else [image for image in model.images.values() if image.has_pose]
    if model is None or not images:
        raise GeometryError(f"Expected pictures with a pose in {project / 'sparse'}, got none; run COLMAP's mapper.")
    lenses = {number: _camera(camera, f"{project.name}, camera {number}") for number, camera in model.cameras.items()}
    frames = tuple(_frame(project, model, image, *lenses[image.camera_id]) for image in images)
    return in_order(Capture(frames, {}, "colmap"), [image.name for image in images])


def pycolmap() -> Any:
    """The package pycolmap. Raises MissingModelError where it is not installed."""
    try:
        return import_module("pycolmap")
    except ImportError as error:
        raise MissingModelError(
            "Expected the package pycolmap (25 MB, BSD-3-Clause), got none; install it with `pip install relook[views]`."
        ) from error


def pose_and_points(model: Any, image: Any) -> tuple[Float[Tensor, "4 4"], Float[Tensor, "N 2"], Float[Tensor, "N 3"]]:
    """World-to-camera pose of a registered picture, the pixels at which it shows points, and the points; float64."""
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3] = torch.from_numpy(image.cam_from_world().matrix())
    seen = [(point.xy, model.points3D[point.point3D_id].xyz) for point in image.points2D if point.has_point3D()]
    pixels, points = (
        torch.tensor([pair[i].tolist() for pair in seen], dtype=torch.float64).reshape(-1, 2 + i) for i in range(2)
    )
    return pose, pixels, points


def _model(folder: Path) -> Any:
    """A sparse model of COLMAP's."""
    try:
        return pycolmap().Reconstruction(str(folder))
    except (RuntimeError, ValueError, IndexError, OSError) as error:
        raise GeometryError(
            f"Expected a sparse model of COLMAP in {folder}, got none ({reason(error)}); export it again."
        ) from error


def _camera(camera: Any, where: str) -> tuple[Float[Tensor, "3 3"], Lens | None]:
    """K of the straight picture, and the lens if it bends."""
    model, (height, width) = camera.model.name, (camera.height, camera.width)
    if model not in RADIAL and model not in PINHOLES:
        raise GeometryError(
            f"Expected a pinhole, radial or OpenCV camera in {where}, got {model}; undistort the pictures with COLMAP's image_undistorter first."
        )
    K = check_intrinsics(camera.calibration_matrix().tolist(), where)
    values = dict(zip((part.strip() for part in camera.params_info.split(",")), camera.params.tolist(), strict=True))
    values |= {"k1": values["k"]} if "k" in values else {}
    radial = [values[name] for name in RADIAL.get(model, ())]
    tangential = [values[name] for name in ("p1", "p2") if name in values]
    bent = lens((float(K[0, 0]), float(K[1, 1])), (float(K[0, 2]), float(K[1, 2])), radial, tangential)
    return (K if bent is None else bent.pinhole((height, width))).float(), bent


def _frame(project: Path, model: Any, image: Any, K: Float[Tensor, "3 3"], bent: Lens | None) -> Frame:
    """One picture with its pose and the points that it shows."""
    recorded = model.cameras[image.camera_id]
    file = existing(project / "images" / image.name, f"the COLMAP project {project.name}")
    size, points = (recorded.height, recorded.width), _sparse(model, image, recorded, K, bent)
    return Frame(file, None, points.camera, size, lens=bent, upright=False, points=points)


def _sparse(model: Any, image: Any, recorded: Any, K: Float[Tensor, "3 3"], bent: Lens | None) -> Sparse:
    """The points that a picture shows, where its straight picture shows them."""
    pose, pixels, points = pose_and_points(model, image)
    camera = Camera(K, pose.float())
    if bent is not None and len(pixels):
        rays = torch.tensor([recorded.cam_from_img(pixel).tolist() for pixel in pixels.numpy()], dtype=torch.float64)
        pixels = rays * K.double()[[0, 1], [0, 1]] + K.double()[:2, 2]
    inside = ((pixels >= 0) & (pixels <= torch.tensor([recorded.width, recorded.height]))).all(-1)
    found = Sparse(camera, pixels[inside].float(), points[inside].float())
    before = found.depth > 0
    return Sparse(camera, found.pixels[before], found.points[before])
