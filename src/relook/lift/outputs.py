"""What a finished run over a walk writes beside its frames: the video, the coloured points, the report, the record."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from relook.files import write_json
from relook.io.points import open_points
from relook.io.video import open_video
from relook.lift.geometry import MatchedViews
from relook.lift.report import write_report
from relook.lift.store import WalkStore
from relook.ops.geometry import unproject


@dataclass(frozen=True)
class ViewsResult:
    """Where a restyled walk lies, and what is known of how it was made."""

    folder: Path
    frames: tuple[Path, ...]
    """One picture per frame, in the order of the walk."""
    video: Path
    points: Path | None
    """Coloured points in the world of the cameras (PLY); None where the geometry is not known."""
    report: Path
    record: dict[str, Any]


def write_outputs(
    store: WalkStore, views: MatchedViews, fps: float, record: dict[str, Any], *, points: bool = True
) -> ViewsResult:
    """Write walk.mp4, points.ply, report.html and views.json of a finished walk; only one frame is in memory at a time."""
    folder, numbers = store.folder, range(len(views))
    notes = [store.notes(number) or {} for number in numbers]
    with open_video(folder / "walk.mp4", fps) as video:
        for number in numbers:
            video.add(store.image(number))
    cloud = _write_points(store, views) if points else None
    weights = {name: revision for note in notes for name, revision in note.pop("weights", {}).items()}
    name = None if cloud is None else cloud.name
    record = record | {"weights": weights | record["weights"], "frames": notes, "points": name}
    report = write_report(store, views, notes, record)
    write_json(folder / "views.json", record)
    frames = tuple(store.path(number) for number in numbers)
    return ViewsResult(folder, frames, folder / "walk.mp4", cloud, report, record)


def _write_points(store: WalkStore, views: MatchedViews) -> Path | None:
    """points.ply: every pixel that was painted in its own frame, where its depth is known; None where none is."""
    view = views.view(0)
    if view.camera is None or view.metric_depth is None:
        return None
    parts = (_points(store, views, number) for number in range(len(views)))
    known = (part for part in parts if len(part[0]))
    first = next(known, None)
    if first is None:
        return None
    path = store.folder / "points.ply"
    with open_points(path) as cloud:
        for positions, colours in chain([first], known):
            cloud.add(positions, colours)
    return path


def _points(store: WalkStore, views: MatchedViews, number: int) -> tuple[Float[Tensor, "N 3"], Float[Tensor, "N 3"]]:
    """World points and colours of what a frame painted, where its depth is known."""
    frame = store.frame(number, views.view)
    depth, camera = frame.view.metric_depth, frame.view.camera
    if depth is None or camera is None:
        return torch.zeros(0, 3), torch.zeros(0, 3)
    world = unproject(depth, camera)
    known = frame.look.fresh & torch.isfinite(world).all(-1)
    return world[known], frame.look.image.permute(1, 2, 0)[known]
