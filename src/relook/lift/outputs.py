"""What a finished run over a walk writes beside its frames: the video, the coloured points, the report, the record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from relook.files import write_json
from relook.io.points import open_points
from relook.io.video import open_video
from relook.lift.book import Book
from relook.lift.geometry import Located
from relook.lift.report import write_report
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


def written(
    book: Book,
    place: Located,
    count: int,
    fps: float,
    record: dict[str, Any],
    *,
    points: bool = True,
) -> ViewsResult:
    """Write walk.mp4, points.ply, report.html and views.json of a walk of `count` frames; only one frame is in memory at a time."""
    folder, notes = book.folder, [book.notes(number) or {} for number in range(count)]
    with open_video(folder / "walk.mp4", fps) as video:
        for number in range(count):
            video.add(book.image(number))
    cloud = _points(book, place, count) if points else None
    weights = {name: revision for note in notes for name, revision in note.pop("weights", {}).items()}
    record |= {
        "weights": weights | record["weights"],
        "frames": notes,
        "points": None if cloud is None else cloud.name,
    }
    report = write_report(folder, book, place, notes, record)
    write_json(folder / "views.json", record)
    return ViewsResult(
        folder,
        tuple(book.frame(i) for i in range(count)),
        folder / "walk.mp4",
        cloud,
        report,
        record,
    )


def _points(book: Book, place: Located, count: int) -> Path | None:
    """points.ply: every pixel that was painted in its own frame, where its place is known; None where none is."""
    path, first = book.folder / "points.ply", place.view(0)
    if first.camera is None or first.metric_depth is None:
        return None
    try:
        with open_points(path) as cloud:
            for number in range(count):
                view = place.view(number)
                depth = view.metric_depth
                if depth is None or view.camera is None:
                    continue
                world = unproject(depth, view.camera)
                known = book.fresh(number) & torch.isfinite(world).all(-1)
                cloud.add(world[known], book.image(number).permute(1, 2, 0)[known])
            if cloud.count == 0:
                raise _NoPointsError
    except _NoPointsError:
        return None
    return path


class _NoPointsError(Exception):
    """Leaves the block that writes points without a file."""
