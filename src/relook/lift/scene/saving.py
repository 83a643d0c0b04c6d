"""A fitted scene as files: the Gaussians in 3D Gaussian Splatting's PLY, and a JSON beside them that says how they were made."""

from __future__ import annotations

from pathlib import Path

from relook.files import PathLike, write_json
from relook.io import write_gaussians
from relook.lift.scene.fit import Fit


def write_scene(path: PathLike, found: Fit) -> None:
    """Write PATH, whole or not at all, and the record beside it (PATH with .json). Raises InputError for a place that cannot be written."""
    write_gaussians(path, found.gaussians)
    write_json(Path(path).with_suffix(".json"), found.record)
