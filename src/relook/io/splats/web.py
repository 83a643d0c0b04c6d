""".splat, the plain format of browser viewers: 32 bytes a Gaussian, colours of degree 0 (antimatter15/splat)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from relook.errors import SceneError
from relook.gaussians import SH_ZERO, Gaussians
from relook.io.splats.parts import Filling, Rows, in_parts, rows

ROW = np.dtype([("means", "<f4", 3), ("scales", "<f4", 3), ("colours", "u1", 4), ("quats", "u1", 4)])
"""One Gaussian as it lies in the file; the fourth colour is opacity, quaternions are (w, x, y, z) x 128 + 128."""


def read(path: Path) -> Gaussians:
    """The Gaussians of a .splat file. Raises SceneError for a size that is no multiple of 32 bytes."""
    size = path.stat().st_size
    if size % ROW.itemsize:
        raise SceneError(
            f"Expected a multiple of {ROW.itemsize} bytes in {path.name}, got {size}: the file is truncated; copy it again."
        )
    filling = Filling(path, size // ROW.itemsize, 1)
    with path.open("rb") as file:
        for first, last in in_parts(size // ROW.itemsize):
            part = np.fromfile(file, ROW, last - first)
            colours = part["colours"].astype(np.float32) / 255
            opacity = colours[:, 3].clip(1 / 1020, 1 - 1 / 1020)
            with np.errstate(divide="ignore", invalid="ignore"):
                logs = np.log(part["scales"])
            quats = part["quats"].astype(np.float32) / 128 - 1
            sh = ((colours[:, :3] - 0.5) / SH_ZERO)[:, None]
            filling.add(Rows(part["means"], quats, logs, np.log(opacity / (1 - opacity)), sh))
    return filling.finish()


def write(path: Path, gaussians: Gaussians) -> None:
    """Write what has degree 0 of Gaussians; colours outside [0, 1] are clipped."""
    with path.open("wb") as file:
        for first, last in in_parts(len(gaussians)):
            one, part = rows(gaussians, first, last), np.empty(last - first, ROW)
            opacity = 1 / (1 + np.exp(-one.logits[:, None]))
            colours = np.concatenate([0.5 + SH_ZERO * one.sh[:, 0], opacity], 1)
            quats = one.quats / np.linalg.norm(one.quats, axis=1, keepdims=True).clip(1e-12)
            part["means"], part["scales"] = one.means, np.exp(one.logs)
            part["colours"] = (colours.clip(0, 1) * 255).round().astype(np.uint8)
            part["quats"] = (quats * 128 + 128).round().clip(0, 255).astype(np.uint8)
            file.write(part.tobytes())
