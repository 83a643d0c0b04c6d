"""Plain frames of a walk with cameras that COLMAP finds and estimated depth, as far as it can place them; what it found is kept for the next run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from relook import cache
from relook.errors import GeometryError
from relook.files import replacing
from relook.ops.geometry import known_depth, to_camera
from relook.perceive.depth import estimator
from relook.perceive.geometry import colmap, densified
from relook.perceive.geometry.neighbours import beside
from relook.perceive.match.keypoints import keypoint_matches
from relook.session import Session
from relook.types import Camera, Depth, Sparse, View

MOST = 160
"""Frames that are placed at once."""
FEWEST, SHARE = 12, 0.5
"""Points that a frame must show to have a place, and the share of the frames that must have one."""
WALKS = 32
"""Walks whose cameras are kept."""
SURE = 0.3
"""Points of less confidence are no points."""


def placed(views: Sequence[View], depth: str, session: Session, kept: Path | None = None) -> list[View]:
    """The views with cameras and depth in one world; those that COLMAP cannot place are placed by those beside
    them (`relook.perceive.geometry.neighbours`), and what these do not know either has no camera and no depth.

    depth: the estimator's name. kept: a folder that holds what COLMAP found, or will. Raises GeometryError where too few have a place.
    """
    found = {number: sparse for number, sparse in _found(views, kept).items() if len(sparse.points) >= FEWEST}
    if len(found) < max(2, SHARE * len(views)):
        raise GeometryError(
            f"Expected a walk of which COLMAP can place half of the frames, got {len(found)} of {len(views)}; take more pictures with smaller "
            "steps, or choose another way of carrying."
        )
    estimate = estimator(depth, session)
    plain = [View(view.image) for view in views]
    depths = [estimate(view) for view in plain]
    found = beside(plain, depths, found, partial(keypoint_matches, name="auto", session=session))
    numbers = sorted(found)
    some, seen = [plain[number] for number in numbers], [found[number] for number in numbers]
    points = densified(some, seen, [depths[number] for number in numbers], "colmap")
    result = [View(view.image, view.segments) for view in views]
    for number, cloud, camera, sure in zip(numbers, points.points, points.cameras, points.confidence, strict=True):
        z = to_camera(cloud, camera)[..., 2]
        valid = known_depth(z) & (sure > SURE)
        known = Depth(torch.where(valid, z, 0.0), "metric", valid)
        result[number] = View(views[number].image, views[number].segments, known, camera)
    return result


def _found(views: Sequence[View], kept: Path | None) -> Mapping[int, Sparse]:
    """What COLMAP finds, or found in the same pictures before, in another look perhaps."""
    if kept is None:
        return colmap.reconstruct(views, in_order=True)
    key = cache.key(*(view.image for view in views), modules=("perceive/geometry/colmap.py",))
    file = kept / f"{key}.safetensors"
    if (known := _read(file)) is not None:
        return known
    found = colmap.reconstruct(views, in_order=True)
    with suppress(OSError):  # a folder that nobody may write to
        kept.mkdir(parents=True, exist_ok=True)
        parts = {
            f"{number}.{name}": value.contiguous()
            for number, one in found.items()
            for name, value in (
                ("K", one.camera.K),
                ("pose", one.camera.world_to_camera),
                ("pixels", one.pixels),
                ("points", one.points),
            )
        }
        with replacing(file) as part:
            save_file(parts, part)
        for other in sorted(kept.glob("*.safetensors"), key=lambda path: path.stat().st_mtime)[:-WALKS]:
            other.unlink(missing_ok=True)
    return found


def _read(file: Path) -> Mapping[int, Sparse] | None:
    """What a file holds; None where it is none, or broken."""
    try:
        parts = load_file(file)
    except (OSError, SafetensorError):
        return None
    numbers = sorted(int(name.split(".")[0]) for name in parts if name.endswith(".pose"))
    return {
        n: Sparse(Camera(parts[f"{n}.K"], parts[f"{n}.pose"]), parts[f"{n}.pixels"], parts[f"{n}.points"])
        for n in numbers
    }
