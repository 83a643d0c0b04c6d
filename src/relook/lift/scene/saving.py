"""A fitted scene as files: the Gaussians in 3D Gaussian Splatting's PLY, and a JSON beside them that says how they were made."""

from __future__ import annotations

from pathlib import Path

from relook.files import PathLike, replacing, write_json
from relook.lift.scene.fit import Fit


def write_scene(path: PathLike, found: Fit) -> None:
    """Write PATH, whole or not at all, and the record beside it (PATH with .json). Raises InputError for a place that cannot be written."""
    from gsply import plywrite

    one, path = found.gaussians, Path(path)
    opacities = one.opacities.clamp(1e-6, 1 - 1e-6)
    columns = one.means, one.scales.log(), one.quats, opacities.logit(), one.sh[:, 0], one.sh[:, 1:]
    means, logs, quats, logits, first, higher = (column.float().cpu().contiguous().numpy() for column in columns)
    with replacing(path) as temporary:
        plywrite(temporary, means, logs, quats, logits, first, higher if higher.shape[1] else None)
    write_json(path.with_suffix(".json"), found.record)
