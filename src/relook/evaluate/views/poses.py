"""Pose agreement (ReStyle3D's Table 4): cameras that COLMAP finds in restyled frames against those that it finds in the originals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from relook.errors import GeometryError
from relook.evaluate.metrics.views import area_under_curve, camera_errors
from relook.evaluate.records import Record
from relook.evaluate.run import Outcome, Place, Results, Trial
from relook.evaluate.sections import Part, column
from relook.evaluate.views.setting import Score, numbers_of
from relook.evaluate.views.walks import EXACT, REFERENCE, Images, WalkSuite
from relook.ops.align import align_cameras
from relook.session import Session
from relook.types import Camera, View

PART, ORIGINAL = "poses", "original"
DEGREES = (5.0, 10.0, 15.0)
"""Limits of the rotation's area under the curve, as in the paper."""
PARTS = (0.01, 0.02, 0.05)
"""Limits of the translation's, in parts of the scene's size: the median depth of all frames, about 2 to 3 m."""
COLUMNS = {
    "placed": column("placed"),
    **{f"rotation {limit:g}": column("rotation_auc", f"{limit:g}°", f"rotation AUC {limit:g}°") for limit in DEGREES},
    **{f"translation {limit:g}": column("translation_auc", f"{limit:.0%}", f"translation AUC {limit:.0%}") for limit in PARTS},
}  # fmt: skip
"""What is measured of every way to restyle."""
Cameras = Mapping[int, Camera]
"""Cameras by the number of the frame; empty where COLMAP could put nothing together."""


@dataclass(frozen=True, kw_only=True)
class PoseSuite(WalkSuite):
    """The same walks, larger: a trial keeps the cameras that it found, and they are compared when all are there."""

    def trials(self) -> Sequence[Trial]:
        """The originals, every way, and the answer on every walk."""
        rows = (ORIGINAL, *self.ways, EXACT)
        return [Trial(PART, row, self.case(number)) for number in range(self.config.walks) for row in rows]

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """Cameras found in one walk's frames; of the originals also the truth."""
        walk = self.walk(trial.case, session)
        if trial.row != ORIGINAL:
            images = self.restyled(trial, place, session).images
            return Outcome([], packed(found_in(images, [room.camera for room in walk.old])))
        truth = {number: room.camera for number, room in enumerate(walk.old)}
        found = found_in([room.image for room in walk.old], list(truth.values()))
        size = float(torch.stack([room.depth for room in walk.old]).median())
        return Outcome([], packed(found) | packed(truth, "true ") | {"size": np.array(size)})

    def together(self, results: Results, session: Session) -> Sequence[Record]:
        """Every row's cameras against those of the originals, and those against the truth; none of walks that COLMAP cannot put together."""
        records = []
        for trial in results.done:
            if trial.part == PART:
                held = results.arrays(Trial(PART, ORIGINAL, trial.case))
                original, truth, size = unpacked(held), unpacked(held, "true "), float(held["size"])
                wanted = truth if trial.row == ORIGINAL else in_metres(original, truth)
                score = score_of(unpacked(results.arrays(trial)), wanted, size) if wanted else {}
                records += [Record(self.name, *trial, *number) for number in numbers_of(score, COLUMNS)]
        return records

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """One table."""
        originals = [results.arrays(trial) for trial in results.done if trial.part == PART and trial.row == ORIGINAL]
        lost = sum(len(unpacked(held)) < 3 for held in originals)
        one = self.config
        lead = (
            f"{one.walks} walks of {one.frames} frames, {one.size} pixels, intrinsics known. Cameras of the restyled frames against those "
            "of the originals, after a similarity; translation in parts of the median depth."
        )
        lead += f" Left out: {lost} of the walks, whose originals COLMAP could not put together." if lost else ""
        notes = {name: way.note for name, way in self.ways.items()} | {
            EXACT: "the answer's frames: how much is due to the new look alone",
            ORIGINAL: "the originals' cameras against the true ones: how much is due to COLMAP",
        }
        return [Part(PART, "Pose agreement", lead, list(COLUMNS.values()), notes, (EXACT, ORIGINAL), REFERENCE)]


def found_in(images: Images, known: Sequence[Camera]) -> Cameras:
    """Cameras from the pictures and their intrinsics alone. Raises MissingModelError without pycolmap."""
    from relook.perceive.geometry import colmap

    try:
        sparse = colmap.reconstruct([View(image, camera=camera) for image, camera in zip(images, known, strict=True)])
    except GeometryError:
        return {}
    return {number: found.camera for number, found in sorted(sparse.items())}


def score_of(found: Cameras, wanted: Cameras, size: float) -> Score:
    """Share of the wanted cameras that were placed, and the areas under the curves; what was not placed counts as wrong."""
    turns, shifts = camera_errors(found, wanted, size)
    return {
        "placed": 100 * len(set(found) & set(wanted)) / max(1, len(wanted)),
        **{f"rotation {limit:g}": area_under_curve(turns, limit) for limit in DEGREES},
        **{f"translation {limit:g}": area_under_curve(shifts, limit) for limit in PARTS},
    }


def in_metres(found: Cameras, truth: Cameras) -> Cameras:
    """The cameras brought to the true ones by a similarity; none where fewer than three were placed."""
    if len(found) < 3:
        return {}
    change = align_cameras(list(found.values()), [truth[number] for number in found])
    return {number: change.camera(camera) for number, camera in found.items()}


def packed(cameras: Cameras, prefix: str = "") -> dict[str, np.ndarray]:
    """Cameras as arrays."""
    return {
        f"{prefix}numbers": np.array(list(cameras), dtype=np.int64),
        f"{prefix}K": np.array([camera.K.numpy() for camera in cameras.values()]),
        f"{prefix}poses": np.array([camera.world_to_camera.numpy() for camera in cameras.values()]),
    }


def unpacked(arrays: Mapping[str, np.ndarray], prefix: str = "") -> Cameras:
    """Cameras from `packed`."""
    held = (torch.from_numpy(arrays[f"{prefix}{name}"]) for name in ("K", "poses"))
    return {int(n): Camera(K, pose) for n, K, pose in zip(arrays[f"{prefix}numbers"].tolist(), *held, strict=True)}
