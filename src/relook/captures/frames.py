"""What a capture is: frames that hold paths and numbers only, and give their view when they are asked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, Literal

import torch
from PIL import Image

from relook.captures.lens import Lens
from relook.errors import GeometryError
from relook.files import PathLike
from relook.io import read_image
from relook.io.video import check_thinning
from relook.types import Camera, Depth, Sparse, View

UNITS = {"millimetres": 1e-3, "centimetres": 1e-2, "metres": 1.0}
"""Metres per step of a depth PNG, by the word that names the unit."""

Kind = Literal["capture", "nerfstudio", "colmap", "pictures", "video"]
"""Where a capture comes from: Relook's own format, nerfstudio's, COLMAP's, a folder of pictures, a video."""


@dataclass(frozen=True)
class Frame:
    """One picture of a capture: where its files are, and its camera."""

    image: Path
    depth: Path | None
    """16-bit PNG, 0 = no reading."""
    camera: Camera | None
    """A pinhole camera for the picture that `view` gives; None for plain pictures and videos."""
    size: tuple[int, int]
    """(H, W) that the files must have."""
    step: float = UNITS["millimetres"]
    """Metres per step of the depth file."""
    name: str = ""
    """Unlike any other frame's: the picture's file name without its ending, where that is enough."""
    lens: Lens | None = None
    """Where the camera bends straight lines: `view` makes them straight."""
    points: Sparse | None = None
    """Reconstructed points that the picture shows, at the pixels of the picture that `view` gives."""
    upright: bool = True
    """Turn the picture as EXIF says; not where its camera was found for the pixels as they are stored."""

    def view(self) -> View:
        """Read the picture and its depth. Raises PictureError or GeometryError for files that are missing or do not fit."""
        image = read_image(self.image, upright=self.upright)
        must_fit(self.image, (image.shape[1], image.shape[2]), self.size)
        if self.lens is not None and self.camera is not None:
            image = self.lens.straight(image, self.camera.K)
        return View(image, depth=self.sensor_depth(), camera=self.camera, points=self.points)

    def sensor_depth(self) -> Depth | None:
        """Read what the depth sensor measured, if the capture has such a file."""
        if self.depth is None:
            return None
        read = read_sensor_depth(self.depth, self.size, self.step)
        if self.lens is None or self.camera is None:
            return read
        metres = self.lens.straight(read.values[None], self.camera.K, nearest=True)[0]
        return Depth(metres, "metric", metres > 0)


@dataclass(frozen=True)
class Capture(Sequence[Frame]):
    """The frames of one capture in their natural order; slices are captures too."""

    frames: tuple[Frame, ...]
    notes: Mapping[str, str]
    """What the file says of its origin and licence."""
    kind: Kind = "capture"
    fps: float | None = None
    """Frames per second; None where they are not known, or the frames no more evenly spaced."""

    def __getitem__(self, index: Any) -> Any:
        chosen = self.frames[index]
        if not isinstance(index, slice):
            return chosen
        step = abs(index.step or 1)
        return replace(self, frames=chosen, fps=None if self.fps is None else self.fps / step)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def measured(self) -> bool:
        """Whether every frame has a depth file."""
        return all(frame.depth is not None for frame in self.frames)

    def view(self, number: int) -> View:
        """Read a view by its number, from 0."""
        return self.frames[number].view()

    def views(self) -> Iterator[View]:
        """The views one after the other; none is kept."""
        return (frame.view() for frame in self.frames)

    def thinned(self, every: int = 1, limit: int | None = None) -> Capture:
        """Every `every`-th frame from the first on, `limit` of them at most."""
        check_thinning(every, limit)
        thin: Capture = self[::every]
        return replace(thin, frames=thin.frames[:limit])


def read_sensor_depth(path: PathLike, size: tuple[int, int] | None = None, step: float = UNITS["millimetres"]) -> Depth:
    """Read a 16-bit depth PNG of `size` (H, W), `step` metres per unit; 0 is kept as "no reading", never filled.

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
        must_fit(Path(path), (values.shape[0], values.shape[1]), size)
    metres = torch.from_numpy(values.astype(np.float32)) * step
    if not bool((metres > 0).any()):
        raise GeometryError(f"Expected depth readings in {path}, got only 0 (none); leave the file out of the capture.")
    return Depth(metres.clamp_min(0), "metric", metres > 0)


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the numbers below `count`, evenly spread from the first to the last."""
    most = min(count, most)
    return [round(i * (count - 1) / max(1, most - 1)) for i in range(most)]


def natural_order(name: str) -> list[tuple[int, str]]:
    """Key that sorts numbers by value: frame9 before frame10."""
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in re.split(r"(\d+)", name) if part]


def in_order(capture: Capture, files: Sequence[str]) -> Capture:
    """The capture with its frames in the natural order of their files' names, and named after them."""
    names = distinct_names(files)
    frames = [replace(frame, name=name) for frame, name in zip(capture.frames, names, strict=True)]
    ordered = sorted(zip(files, frames, strict=True), key=lambda pair: (natural_order(pair[0]), pair[0]))
    return replace(capture, frames=tuple(frame for _, frame in ordered))


def distinct_names(files: Sequence[str]) -> list[str]:
    """A name for every file: its stem; with its folders where stems repeat; with its ending too, or a number, where that is not enough."""
    paths = [PurePath(file.replace("\\", "/")) for file in files]
    parts = [[part for part in path.parts if part not in ("/", ".", "..")] for path in paths]
    choices = (
        [path.stem for path in paths],
        ["_".join([*part[:-1], path.stem]) for part, path in zip(parts, paths, strict=True)],
        ["_".join(part) for part in parts],
    )
    return next((names for names in choices if len(set(names)) == len(names)), [f"{n:06d}" for n in range(len(files))])


def of_one_size(capture: Capture) -> Capture:
    """The capture itself. Raises GeometryError naming the first frame that differs from the size that most of them have."""
    counts = Counter(frame.size for frame in capture.frames)
    if len(counts) > 1:
        usual, number = counts.most_common(1)[0]
        other = next(frame for frame in capture.frames if frame.size != usual)
        raise GeometryError(
            f"Expected pictures of one size, got {number} of {usual[1]} x {usual[0]} pixels and {len(capture) - number} of another, first "
            f"{other.image} with {other.size[1]} x {other.size[0]}; scale or leave those out."
        )
    return capture


def must_fit(path: Path, found: tuple[int, int], size: tuple[int, int]) -> None:
    """Raise GeometryError unless a file has the size (H, W) that its capture says."""
    if found != size:
        raise GeometryError(
            f"Expected {size[1]} x {size[0]} pixels in {path} as its capture says, got {found[1]} x {found[0]}; "
            "use the files that belong together."
        )
