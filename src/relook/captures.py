"""Captures: pictures of one room with their cameras, and sensor depth where there is some, read frame by frame.

A reader turns one format into a `Capture`; only paths and cameras are held, so a capture of any length takes little memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from relook.errors import GeometryError, InputError
from relook.files import PathLike, read_json
from relook.io import read_image
from relook.ops.align import nearest_rotation
from relook.types import Camera, View

CAPTURE_FILE = "capture.json"
"""The file that describes a capture in Relook's own format."""
UNITS = {"millimetres": 1e-3, "centimetres": 1e-2, "metres": 1.0}
"""Metres per step of a depth PNG, by the word that names the unit."""
LIMIT = 1e-3
"""How far from a rotation the nine numbers of a camera may be (largest entry of R R^T - 1)."""


@dataclass(frozen=True)
class Readings:
    """What a depth sensor measured; pixels without a reading are kept apart, never filled."""

    metres: Float[Tensor, "H W"]
    """Depth along the optical axis; 0 where there is none."""
    valid: Bool[Tensor, "H W"]
    """Where there is a reading."""

    def masked(self) -> Float[Tensor, "H W"]:
        """Depth with NaN where there is no reading."""
        return torch.where(self.valid, self.metres, torch.full_like(self.metres, math.nan))


@dataclass(frozen=True)
class CapturedView(View):
    """A view that may also carry a sensor's readings; `depth` stays empty, since readings have holes."""

    readings: Readings | None = None


@dataclass(frozen=True)
class Frame:
    """One picture of a capture: where its files are, and its camera."""

    image: Path
    depth: Path | None
    """16-bit PNG, 0 = no reading."""
    camera: Camera
    size: tuple[int, int]
    """(H, W) that the files must have."""
    step: float = UNITS["millimetres"]
    """Metres per step of the depth file."""

    def view(self) -> CapturedView:
        """Read the picture and the readings. Raises PictureError or GeometryError for files that are missing or do not fit."""
        image = read_image(self.image)
        _must_fit(self.image, (image.shape[1], image.shape[2]), self.size)
        return CapturedView(image, camera=self.camera, readings=self.readings())

    def readings(self) -> Readings | None:
        """Read what the depth sensor measured, if the capture has such a file."""
        return None if self.depth is None else read_readings(self.depth, self.size, self.step)


@dataclass(frozen=True)
class Capture(Sequence[Frame]):
    """The frames of one capture in their natural order; slices are captures too."""

    frames: tuple[Frame, ...]
    notes: Mapping[str, str]
    """What the file says of its origin and licence."""

    def __getitem__(self, index: Any) -> Any:
        chosen = self.frames[index]
        return replace(self, frames=chosen) if isinstance(index, slice) else chosen

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def measured(self) -> bool:
        """Whether every frame has a depth file."""
        return all(frame.depth is not None for frame in self.frames)

    def views(self) -> Iterator[CapturedView]:
        """The views one after the other; none is kept."""
        return (frame.view() for frame in self.frames)

    def spread(self, count: int) -> Capture:
        """`count` frames spread evenly over the capture, first and last included (all of them if it has no more)."""
        if count < 1:
            raise InputError(f"Expected at least 1 frame, got {count}; ask for more.")
        last = len(self.frames) - 1
        places = [round(i * last / max(count - 1, 1)) for i in range(min(count, len(self.frames)))]
        return replace(self, frames=tuple(self.frames[place] for place in places))


def read_capture(path: PathLike) -> Capture:
    """Read a capture: its folder, or the file that describes it.

    Raises InputError for something that is no capture, GeometryError for cameras that are none, missing files and wrong sizes.
    """
    path = Path(path)
    for name, read in READERS.items():
        file = path / name if path.is_dir() else path
        if file.name == name and file.is_file():
            return read(file)
    known = ", ".join(READERS)
    raise InputError(f"Expected a capture at {path} (a folder with {known}), got none; name its folder.")


def read_readings(path: PathLike, size: tuple[int, int] | None = None, step: float = UNITS["millimetres"]) -> Readings:
    """Read a 16-bit depth PNG of `size` (H, W), `step` metres per unit; 0 is kept as "no reading".

    Raises GeometryError for a file that is missing, broken, of another size, or has no reading at all.
    """
    import numpy as np

    try:
        with Image.open(path) as picture:
            mode, values = picture.mode, np.asarray(picture)
    except (OSError, ValueError, SyntaxError) as error:
        raise GeometryError(f"Expected a depth PNG at {path}, got none that can be read; check the capture.") from error
    if not mode.startswith("I"):
        raise GeometryError(f"Expected a 16-bit grey depth PNG at {path}, got mode {mode}; save millimetres.")
    if size is not None:
        _must_fit(Path(path), (values.shape[0], values.shape[1]), size)
    metres = torch.from_numpy(values.astype(np.float32)) * step
    if not bool((metres > 0).any()):
        raise GeometryError(f"Expected depth readings in {path}, got only 0 (none); leave the file out of the capture.")
    return Readings(metres.clamp_min(0), metres > 0)


def natural_order(name: str) -> list[tuple[int, str]]:
    """Key that sorts numbers by value: frame9 before frame10."""
    return [(int(part), "") if part.isdigit() else (-1, part.lower()) for part in re.split(r"(\d+)", name) if part]


def check_pose(matrix: Any, where: str) -> Float[Tensor, "4 4"]:
    """A rigid 4 x 4 transform out of nested numbers (float64, its rotation exact). Raises GeometryError, naming `where`, for others."""
    pose = _matrix(matrix, (4, 4), where)
    rotation, last = pose[:3, :3], pose[3] - torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=pose.dtype)
    error = float((rotation @ rotation.T - torch.eye(3, dtype=pose.dtype)).abs().max())
    if error > LIMIT or float(torch.linalg.det(rotation)) < 0 or float(last.abs().max()) > LIMIT:
        raise GeometryError(
            f"Expected a rotation and a shift (last row 0 0 0 1) in {where}, got another matrix; correct it."
        )
    pose[:3, :3], pose[3] = nearest_rotation(rotation), torch.tensor([0.0, 0.0, 0.0, 1.0])
    return pose


def check_intrinsics(matrix: Any, where: str) -> Float[Tensor, "3 3"]:
    """Pinhole intrinsics in pixels out of nested numbers. Raises GeometryError, naming `where`, for anything else."""
    K = _matrix(matrix, (3, 3), where)
    if not (K[0, 0] > 0 and K[1, 1] > 0 and K[1, 0] == K[2, 0] == K[2, 1] == 0 and K[2, 2] == 1):
        raise GeometryError(
            f"Expected intrinsics [[fx, s, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0 in {where}, got others; correct them."
        )
    return K


def _capture_json(file: Path) -> Capture:
    """Relook's own format: camera_to_world with OpenCV axes, one size, intrinsics for all frames or per frame."""
    data = read_json(file)
    try:
        size, entries = (int(data["height"]), int(data["width"])), list(data["frames"])
        names = [str(entry["image"]) for entry in entries]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"Expected width, height and frames with an image each in {file}, got something else ({error}); correct it."
        ) from error
    if not entries or min(size) < 1:
        raise InputError(f"Expected a capture with at least one frame in {file}, got none; add frames.")
    convention = str(data.get("convention", "camera_to_world"))
    if not convention.startswith("camera_to_world"):
        raise InputError(
            f"Expected cameras as camera_to_world with OpenCV axes in {file}, got {convention!r}; convert them."
        )
    step = next((value for word, value in UNITS.items() if word in str(data.get("depth", ""))), UNITS["millimetres"])
    frames = [_frame(file, data, entry, size, step) for entry in entries]
    ordered = sorted(zip(names, frames, strict=True), key=lambda pair: natural_order(pair[0]))
    notes = {key: str(data[key]) for key in ("source", "licence") if key in data}
    return Capture(tuple(frame for _, frame in ordered), notes)


def _frame(file: Path, data: Any, entry: Any, size: tuple[int, int], step: float) -> Frame:
    """One entry of capture.json, with its files found and its camera checked."""
    where = f"{file.name}, frame {entry['image']}"
    pose = check_pose(entry.get("camera_to_world"), where)
    K = check_intrinsics(entry.get("intrinsics", data.get("intrinsics")), where)
    depth = None if entry.get("depth") is None else _existing(file.parent / str(entry["depth"]), where)
    camera = Camera(K.float(), torch.linalg.inv(pose).float())
    return Frame(_existing(file.parent / str(entry["image"]), where), depth, camera, size, step)


def _existing(path: Path, where: str) -> Path:
    if not path.is_file():
        raise GeometryError(f"Expected the file {path} of {where}, got none; copy it there or leave the frame out.")
    return path


def _matrix(matrix: Any, shape: tuple[int, int], where: str) -> Float[Tensor, "R C"]:
    """Nested numbers as a tensor of the shape."""
    wanted = f"{shape[0]} x {shape[1]}"
    try:
        values = torch.tensor(matrix, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise GeometryError(f"Expected a {wanted} matrix in {where}, got none; write its numbers.") from error
    if values.shape != shape or not bool(torch.isfinite(values).all()):
        raise GeometryError(f"Expected a {wanted} matrix of finite numbers in {where}, got another; correct it.")
    return values


def _must_fit(path: Path, found: tuple[int, int], size: tuple[int, int]) -> None:
    if found != size:
        raise GeometryError(
            f"Expected {size[1]} x {size[0]} pixels in {path} as its capture says, got {found[1]} x {found[0]}; "
            "use the files that belong together."
        )


READERS: Mapping[str, Callable[[Path], Capture]] = {CAPTURE_FILE: _capture_json}
"""How each format is read, by the name of the file that describes it."""
