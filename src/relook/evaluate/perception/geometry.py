"""Cameras and points from plain pictures, scored on walks through unseen rooms (exact) and on a capture (sensor depth and poses)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import torch

from relook.captures import read_capture
from relook.captures.frames import spread
from relook.engine import Engine
from relook.errors import GeometryError, InputError
from relook.evaluate.metrics.views import area_under_curve
from relook.evaluate.records import WHOLE, Number
from relook.evaluate.run import Outcome, Place, Results, Suite, Trial
from relook.evaluate.sections import Column, Part, column
from relook.evaluate.sources.dollhouse import unseen_walk
from relook.evaluate.weights import revision
from relook.ops.align import align_cameras, centre, rotation_angle
from relook.perceive.depth import ESTIMATORS, estimator
from relook.perceive.geometry import colmap, densified, exact, geometry
from relook.session import Session
from relook.types import Camera, Pointmaps, View

DEGREES = (5.0, 20.0)
"""Limits of the area under the curve of pose errors."""
COLUMNS = (
    Column("share_placed", title="placed", better="higher", source="share of the views that were placed"),
    Column("rotation", title="rotation °", better="lower", source="mean angle to the true camera, after a similarity"),
    Column("position", title="position", better="lower", digits=4, source="mean distance to the true camera in parts of the path"),
    *(column("pose_auc", f"{limit:g}°", f"pose AUC {limit:g}°") for limit in DEGREES),
    Column("point_error", title="point error", better="lower", digits=4, source="median distance of a world point in parts of its depth"),
    Column("point_error", "confident", "point error, confident", "lower", 4, "the same where confidence is above a half"),
    Column("seconds", title="CPU seconds", better="lower", digits=1, source="processor time of one scene"),
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    """Share of views placed, pose errors and point errors of geometry from plain pictures."""

    out: Path = Path("runs/geometry")
    """Folder of the results; a run that was stopped resumes there."""
    back_ends: tuple[str, ...] = ("colmap", "matches")
    """Which geometry to score, by name."""
    walks: int = 3
    """Number of walks through unseen dollhouse rooms."""
    capture: Path | None = None
    """A capture with depth and poses; none is scored without it."""
    windows: int = 4
    """Stretches of the capture, spread over it."""
    frames: int = 12
    """Views in a row of every walk and stretch."""
    size: int = 256
    """Side of the rooms' pictures in pixels."""
    depth: str = "auto"
    """Depth estimator that the back ends lean on."""
    device: str = "cpu"
    """Where it runs: `cpu` or `cuda`."""
    engine: Engine = field(default_factory=Engine)


@dataclass(frozen=True)
class Scene:
    """Views with the truth about them."""

    views: tuple[View, ...]
    truth: Pointmaps

    def plain(self) -> list[View]:
        """The pictures with their intrinsics; poses and depth are withheld."""
        return [
            View(v.image, camera=Camera(c.K, torch.eye(4))) for v, c in zip(self.views, self.truth.cameras, strict=True)
        ]


def suite(config: Config) -> Suite:
    """Every back end on every scene. Raises InputError for a number that cannot be, or a capture that is too short or has no depth."""
    if config.frames < 2 or config.walks < 0 or config.windows < 1 or config.size < 64:
        raise InputError(
            f"Expected at least 2 frames, 1 window and 64 pixels, got {config.frames}, {config.windows}, {config.size}; choose more."
        )
    lead = f"Geometry from {config.frames} plain pictures in a row with their intrinsics."
    if config.capture is None:
        return Geometry("geometry", config, config.device, lead, starts=())
    capture = read_capture(config.capture)
    if len(capture) < config.frames or not capture.measured:
        raise InputError(
            f"Expected a capture of at least {config.frames} frames with depth, got {len(capture)} frames; choose fewer."
        )
    starts = spread(len(capture) - config.frames + 1, config.windows)
    return Geometry("geometry", config, config.device, lead, starts=tuple(starts))


@dataclass(frozen=True, kw_only=True)
class Geometry(Suite):
    """Back ends on walks and on stretches of a capture."""

    starts: tuple[int, ...]
    """First frames of the stretches."""

    def trials(self) -> Sequence[Trial]:
        """Every back end on every walk, then on every stretch."""
        scenes = [("walks", f"walk {n}") for n in range(self.config.walks)]
        scenes += [("capture", f"capture {start}") for start in self.starts]
        return [Trial(part, name, case) for part, case in scenes for name in self.config.back_ends]

    def learned(self, session: Session) -> Mapping[str, str]:
        """Of the depth estimator."""
        return {"depth": revision(ESTIMATORS, self.config.depth)}

    def depends(self, trial: Trial) -> Any:
        """Everything that draws or reads a scene, and the estimator."""
        one = self.config
        return (
            str(one.capture and one.capture.resolve()),
            one.frames,
            one.size,
            one.depth,
            one.device,
            dict(self.weights),
        )

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """One back end on one scene."""
        scene = session.remembered("scene", (self.config, trial.case), lambda: self.scene(trial.case), 1)
        return Outcome(score(scene, trial.row, self.config.depth, session))

    def scene(self, case: str) -> Scene:
        """A walk, or a stretch of the capture."""
        kind, number = case.split()
        frames = self.config.frames
        if kind == "walk":
            rooms = unseen_walk(int(number), frames, self.config.size, stride=0.1 * frames)
            views = tuple(room.view() for room in rooms)
            return Scene(views, exact(views))
        views = tuple(read_capture(self.config.capture)[int(number) : int(number) + frames].views())
        return Scene(views, exact(views))

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """Walks and the capture."""
        return [Part(name, columns=COLUMNS) for name in ("walks", "capture") if results.rows(name)]


def score(scene: Scene, name: str, depth: str, session: Session) -> list[Number]:
    """One back end on one scene, as COLUMNS has it; views that were not placed count as failed, and have no point."""
    start = time.process_time()
    placed, found = _found(scene.plain(), name, depth, session)
    seconds = Number("seconds", WHOLE, time.process_time() - start)
    if found is None:
        lost = {c.key: 0.0 if c.metric in ("share_placed", "pose_auc") else None for c in COLUMNS[:-1]}
        return [*(Number(*key, value) for key, value in lost.items()), seconds]
    truth = [scene.truth.cameras[number] for number in placed]
    change = align_cameras(list(found.cameras), truth)
    pairs = [(change.camera(camera), true) for camera, true in zip(found.cameras, truth, strict=True)]
    angles = [rotation_angle(a.world_to_camera[:3, :3] @ b.world_to_camera[:3, :3].T) for a, b in pairs]
    shifts = [float((centre(a) - centre(b)).norm()) for a, b in pairs]
    path = sum(float((centre(a) - centre(b)).norm()) for a, b in pairwise(truth))
    errors, sure = [], []
    for points, confidence, number in zip(found.points, found.confidence, placed, strict=True):
        exact_points, camera = scene.truth.points[number], scene.truth.cameras[number]
        far = (exact_points - centre(camera)) @ camera.world_to_camera[2, :3]
        error = (change.points(points) - exact_points).norm(dim=-1) / far
        known = torch.isfinite(error)
        errors.append(error[known])
        sure.append(error[known & (confidence > 0.5)])
    off = pose_errors([a for a, _ in pairs], truth)
    off += [180.0] * (len(scene.views) * (len(scene.views) - 1) // 2 - len(off))
    return [
        Number("share_placed", WHOLE, len(placed) / len(scene.views)), Number("rotation", WHOLE, sum(angles) / len(angles)),
        Number("position", WHOLE, sum(shifts) / len(shifts) / max(path, 1e-9)),
        *(Number("pose_auc", f"{limit:g}°", area_under_curve(off, limit)) for limit in DEGREES),
        Number("point_error", WHOLE, _median(torch.cat(errors))), Number("point_error", "confident", _median(torch.cat(sure))), seconds,
    ]  # fmt: skip


def pose_errors(found: Sequence[Camera], exact: Sequence[Camera]) -> list[float]:
    """For every pair of views the larger of two angles in degrees: between the rotations, and between the directions of the step."""
    errors = []
    for i, j in combinations(range(len(found)), 2):
        step, true = (
            cameras[j].world_to_camera.double() @ torch.linalg.inv(cameras[i].world_to_camera.double())
            for cameras in (found, exact)
        )
        turn = rotation_angle(step[:3, :3] @ true[:3, :3].T)
        cosine = torch.nn.functional.cosine_similarity(step[:3, 3], true[:3, 3], dim=0).clamp(-1, 1)
        errors.append(max(turn, float(torch.rad2deg(torch.arccos(cosine)))))
    return errors


def _found(views: list[View], name: str, depth: str, session: Session) -> tuple[list[int], Pointmaps | None]:
    """Which views were placed, and what is known from them; COLMAP may place some of them only."""
    try:
        if name != "colmap":
            return list(range(len(views))), geometry(name, session, depth=depth)(views)
        seen = colmap.reconstruct(views)
        placed, estimate = sorted(seen), estimator(depth, session)
        chosen = [views[number] for number in placed]
        return placed, densified(chosen, [seen[number] for number in placed], [estimate(view) for view in chosen], name)
    except GeometryError:
        return [], None


def _median(values: torch.Tensor) -> float | None:
    return float(values.median()) if len(values) else None
