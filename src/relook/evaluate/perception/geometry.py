"""Cameras and points from plain pictures, scored on walks through unseen rooms (exact) and on a capture (sensor depth and poses)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from relook.captures import read_capture
from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.errors import GeometryError, InputError
from relook.evaluate.metrics.views import pose_auc
from relook.evaluate.process import held
from relook.evaluate.sources.dollhouse import HELD_OUT
from relook.evaluate.suite import Report
from relook.files import write_json
from relook.ops.align import align_cameras, centre, rotation_angle
from relook.perceive.depth import estimator
from relook.perceive.geometry import colmap, densified, exact, geometry
from relook.types import Camera, Pointmaps, View

if TYPE_CHECKING:
    from rich.table import Table

STRICT, LOOSE = 5.0, 20.0
"""Thresholds in degrees of the area under the curve of pose errors."""
COLUMNS = ("placed", "rotation", "position", "auc5", "auc20", "points", "confident", "seconds")
"""What is measured of every scene; see `score`."""


@dataclass(frozen=True)
class Config:
    """Share of views placed, pose errors and point errors of geometry from plain pictures: writes summary.json."""

    out: Path = Path("runs/geometry")
    """Folder of the results."""
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


@dataclass(frozen=True)
class Scene:
    """Views with the truth about them."""

    name: str
    views: tuple[View, ...]
    truth: Pointmaps

    def plain(self) -> list[View]:
        """The pictures with their intrinsics; poses and depth are withheld."""
        return [
            View(v.image, camera=Camera(c.K, torch.eye(4))) for v, c in zip(self.views, self.truth.cameras, strict=True)
        ]


def run(config: Config, report: Report) -> Table:
    """Score every back end on every scene; returns the table of means. Raises InputError for a number that cannot be."""
    from rich.table import Table

    if config.frames < 2 or config.walks < 0 or config.windows < 1 or config.size < 64:
        raise InputError(
            f"Expected at least 2 frames, 1 window and 64 pixels, got {config.frames}, {config.windows}, {config.size}; "
            "choose more."
        )
    count = (config.walks + (config.windows if config.capture else 0)) * len(config.back_ends)
    scores: dict[str, dict[str, dict[str, float | None]]] = {}
    done = 0
    for scene in scenes(config):
        for name in config.back_ends:
            scores.setdefault(name, {})[scene.name] = score(scene, name, config.depth)
            done += 1
            report(done, count)
    kinds = sorted({name.rsplit(" ", 1)[0] for found in scores.values() for name in found})
    means = {f"{name}, {kind}": _mean(found, kind) for name, found in scores.items() for kind in kinds}
    write_json(config.out / "summary.json", {"mean": means, "scenes": scores})
    table = Table(
        "geometry",
        *COLUMNS,
        title=f"geometry: {config.frames} views in a row; degrees, parts of the path, parts of the depth",
    )
    for name, mean in means.items():
        table.add_row(name, *("-" if mean[column] is None else f"{mean[column]:.3g}" for column in COLUMNS))
    return table


def scenes(config: Config) -> Iterator[Scene]:
    """Walks through unseen rooms, then stretches of the capture."""
    for number in range(config.walks):
        layout, style = sample_layout(HELD_OUT + number), sample_style(HELD_OUT + number)
        poses = walk(layout, config.frames, stride=0.1 * config.frames)
        views = tuple(render(layout, style, (config.size, config.size), pose).view() for pose in poses)
        yield Scene(f"walk {number}", views, exact(views))
    if config.capture is not None:
        capture = read_capture(config.capture)
        last = len(capture) - config.frames
        if last < 0 or not capture.measured:
            raise InputError(
                f"Expected a capture of at least {config.frames} frames with depth, got {len(capture)} frames; choose fewer."
            )
        for number in range(config.windows):
            start = round(number * last / max(1, config.windows - 1))
            views = tuple(capture[start : start + config.frames].views())
            yield Scene(f"capture {start}", views, exact(views))


def score(scene: Scene, name: str, depth: str = "auto") -> dict[str, float | None]:
    """One back end on one scene.

    placed: share of the views; rotation (degrees) and position (part of the path's length): means after the similarity of
    `align_cameras`; auc5, auc20: `pose_auc` of all pairs, those of views not placed failed; points, confident: median distance of
    world points, as a part of their true depth, of all pixels and of those with confidence above 1/2; seconds: CPU time.
    """
    start = time.process_time()
    placed, found = _found(scene.plain(), name, depth)
    seconds = time.process_time() - start
    empty: dict[str, float | None] = dict.fromkeys(COLUMNS)
    if found is None:
        return empty | {"placed": 0.0, "auc5": 0.0, "auc20": 0.0, "seconds": seconds}
    truth = [scene.truth.cameras[number] for number in placed]
    change = align_cameras(list(found.cameras), truth)
    ours = [change.camera(camera) for camera in found.cameras]
    angles = [_turn(a, b) for a, b in zip(ours, truth, strict=True)]
    shifts = [float((centre(a) - centre(b)).norm()) for a, b in zip(ours, truth, strict=True)]
    path = sum(float((centre(a) - centre(b)).norm()) for a, b in pairwise(truth))
    errors, sure = [], []
    for points, confidence, number in zip(found.points, found.confidence, placed, strict=True):
        exact_points, camera = scene.truth.points[number], scene.truth.cameras[number]
        far = (exact_points - centre(camera)) @ camera.world_to_camera[2, :3]
        error = (change.points(points) - exact_points).norm(dim=-1) / far
        known = torch.isfinite(error)
        errors.append(error[known])
        sure.append(error[known & (confidence > 0.5)])
    pairs = pose_errors(ours, truth)
    lost = len(scene.views) * (len(scene.views) - 1) // 2 - len(pairs)
    return {
        "placed": len(placed) / len(scene.views),
        "rotation": sum(angles) / len(angles),
        "position": sum(shifts) / len(shifts) / max(path, 1e-9),
        "auc5": pose_auc([*pairs, *[180.0] * lost], STRICT),
        "auc20": pose_auc([*pairs, *[180.0] * lost], LOOSE),
        "points": _median(torch.cat(errors)),
        "confident": _median(torch.cat(sure)),
        "seconds": seconds,
    }


def pose_errors(found: Sequence[Camera], exact: Sequence[Camera]) -> list[float]:
    """For every pair of views the larger of two angles in degrees: between the rotations, and between the directions of the step."""
    errors = []
    for i, j in combinations(range(len(found)), 2):
        ours, truth = (
            cameras[j].world_to_camera.double() @ torch.linalg.inv(cameras[i].world_to_camera.double())
            for cameras in (found, exact)
        )
        turn = rotation_angle(ours[:3, :3] @ truth[:3, :3].T)
        steps = ours[:3, 3], truth[:3, 3]
        cosine = torch.nn.functional.cosine_similarity(*steps, dim=0).clamp(-1, 1)
        errors.append(max(turn, float(torch.rad2deg(torch.arccos(cosine)))))
    return errors


def _found(views: list[View], name: str, depth: str) -> tuple[list[int], Pointmaps | None]:
    """Which views were placed, and what is known from them; COLMAP may place some of them only."""
    try:
        if name != "colmap":
            return list(range(len(views))), geometry(name, held(), depth=depth)(views)
        seen = colmap.reconstruct([view.image for view in views], colmap.known_intrinsics(views))
        placed, estimate = sorted(seen), estimator(depth, held())
        chosen = [views[number] for number in placed]
        return placed, densified(chosen, [seen[number] for number in placed], [estimate(view) for view in chosen], name)
    except GeometryError:
        return [], None


def _turn(first: Camera, second: Camera) -> float:
    return rotation_angle(first.world_to_camera[:3, :3] @ second.world_to_camera[:3, :3].T)


def _median(values: torch.Tensor) -> float | None:
    return float(values.median()) if len(values) else None


def _mean(found: dict[str, dict[str, float | None]], kind: str) -> dict[str, float | None]:
    """Mean of every number over the scenes of one kind where it could be told."""
    chosen = [values for name, values in found.items() if name.rsplit(" ", 1)[0] == kind]
    means: dict[str, float | None] = {}
    for column in COLUMNS:
        known = [value for value in (values[column] for values in chosen) if value is not None]
        means[column] = round(sum(known) / len(known), 4) if known else None
    return means
