"""What is seen, against exact truth: segments and depth of unseen dollhouse rooms; and overlays of photographs to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Int
from torch import Tensor

from relook.dollhouse import CLASSES, Rendering, render, sample_layout, sample_style
from relook.errors import InputError, MissingModelError
from relook.evaluate.metrics import METRICS
from relook.evaluate.metrics.depth import abs_rel, delta1, median_scaled
from relook.evaluate.metrics.segments import (
    IGNORED,
    Panoptic,
    class_ious,
    confusion,
    mean_iou,
    mean_of,
    panoptic_counts,
    pixel_accuracy,
)
from relook.evaluate.perception.photo_sheet import thumbnail, write_photo_sheet
from relook.evaluate.process import held
from relook.evaluate.sources.dollhouse import HELD_OUT
from relook.evaluate.suite import Report
from relook.files import write_bytes, write_json
from relook.io import read_image, write_image
from relook.perceive.depth import estimator
from relook.perceive.overlay import depth_picture, overlay
from relook.perceive.segment import segmenter
from relook.perceive.segment.vocabulary import canonical, countable
from relook.types import Depth, Segments, View

if TYPE_CHECKING:
    from rich.table import Table

READABLE = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
THINGS = tuple(name for name in CLASSES if countable(name))
"""Classes whose objects are counted."""
DEPTHS = ("abs_rel", "abs_rel_scaled", "delta1")
HEADS = {name: METRICS[name] for name in ("miou", "pixel_accuracy", "pq", *DEPTHS)}
"""The metrics of the table."""


@dataclass(frozen=True)
class Config:
    """Segments and depth of unseen rooms against exact truth: writes summary.json, table.md; overlays of photographs on request."""

    out: Path = Path("runs/perception")
    """Folder of the results."""
    rooms: int = 64
    """Number of unseen rooms; with 0 only the photographs are looked at."""
    seed: int = 0
    """Draws the rooms; none was ever trained on."""
    sizes: tuple[int, ...] = (256, 128)
    """Sides of the pictures in pixels."""
    segmenters: tuple[str, ...] = ("embedded", "ade20k")
    """Segmenters by name, hub id or folder; those whose checkpoint is not here are left out."""
    depth_estimators: tuple[str, ...] = ("embedded", "fastdepth", "pydnet")
    """Depth estimators by name, hub id or folder."""
    photos: Path | None = None
    """Folder of photographs, read at any depth: overlays and depth of each go to photos/, all together to photos.png."""


@dataclass
class Score:
    """Sums of one back end over the rooms of one size."""

    counts: Tensor = field(default_factory=lambda: torch.zeros(len(CLASSES), len(CLASSES) + 1, dtype=torch.int64))
    objects: dict[str, Panoptic] = field(default_factory=lambda: {name: Panoptic() for name in THINGS})
    depths: list[dict[str, float | None]] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """The numbers, None where nothing can be said."""
        seen = bool(self.counts.any())
        return {
            "miou": mean_iou(self.counts) if seen else None,
            "pixel_accuracy": pixel_accuracy(self.counts),
            "pq": mean_of([found.quality for found in self.objects.values()]) if seen else None,
            **{name: mean_of([depth[name] for depth in self.depths]) for name in DEPTHS},
            "iou": dict(zip(CLASSES, class_ious(self.counts), strict=True)) if seen else None,
            "pq_of": {name: found.quality for name, found in self.objects.items()} if seen else None,
        }


def run(config: Config, report: Report) -> Table:
    """Score every back end on every room; returns the table.

    Raises InputError for impossible numbers or a folder without pictures, MissingModelError if no back end is on this machine.
    """
    _check(config)
    files = photographs(config.photos)
    looking, measuring, missing = _available(config)
    total = len(config.sizes) * config.rooms + len(files)
    rows: dict[str, dict[str, Any]] = {}
    for number, size in enumerate(config.sizes if config.rooms else ()):
        scores: dict[tuple[str, str], Score] = {}
        for index, room in enumerate(unseen_rooms(config.seed, config.rooms, size)):
            for name in looking:
                _add_segments(
                    scores.setdefault(("segments", name), Score()), segmenter(name, held())(View(room.image)), room
                )
            for name in measuring:
                _add_depth(scores.setdefault(("depth", name), Score()), estimator(name, held())(View(room.image)), room)
            report(number * config.rooms + index + 1, total)
        rows |= {f"{kind} {name} {size}": score.row() for (kind, name), score in scores.items()}
    if rows:
        write_json(config.out / "summary.json", {"rooms": config.rooms, "seed": config.seed, "rows": rows})
        write_bytes(config.out / "table.md", markdown(rows).encode())
    if files:
        look_at(config, files, looking, measuring, lambda done: report(total - len(files) + done, total))
    return _table(config, rows, missing)


def unseen_rooms(seed: int, count: int, size: int) -> Iterator[Rendering]:
    """Rooms that no training has seen, in styles that none has seen."""
    for index in range(count):
        number = HELD_OUT + seed * 1_000_000 + index
        yield render(sample_layout(number), sample_style(number), (size, size))


def class_map(segments: Segments) -> Int[Tensor, "H W"]:
    """Dollhouse class of every pixel; IGNORED for regions of other classes (synonyms count: couch is sofa)."""
    found = torch.full(segments.labels.shape, IGNORED, dtype=torch.int64)
    for id, region in segments.regions.items():
        name = canonical(region.name)
        if name in CLASSES:
            found[segments.labels == id] = CLASSES.index(name)
    return found


def photographs(folder: Path | None) -> list[Path]:
    """Pictures under a folder. Raises InputError if there are none."""
    if folder is None:
        return []
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in READABLE)
    if not files:
        raise InputError(f"Expected pictures ({', '.join(READABLE)}) under {folder}, got none; name their folder.")
    return files


def look_at(
    config: Config,
    files: Sequence[Path],
    looking: Sequence[str],
    measuring: Sequence[str],
    report: Callable[[int], None],
) -> None:
    """photos/NAME.BACKEND.png at full size, and photos.png with one line per photograph: itself, regions, depth."""
    columns = [*(f"segments {name}" for name in looking), *(f"depth {name}" for name in measuring)]
    lines = []
    for number, file in enumerate(files):
        view = View(read_image(file))
        made = [overlay(view.image, segmenter(name, held())(view)) for name in looking]
        made += [depth_picture(estimator(name, held())(view)) for name in measuring]
        for name, picture in zip(columns, made, strict=True):
            stem = f"{file.stem}.{name.replace(' ', '-').replace('/', '-')}"
            write_image(config.out / "photos" / f"{stem}.png", picture)
        lines.append((file.stem, [thumbnail(picture) for picture in (view.image, *made)]))
        report(number + 1)
    write_photo_sheet(config.out / "photos.png", lines, ["photograph", *columns])


def _check(config: Config) -> None:
    """Raise unless there is something to do."""
    if config.rooms < 0 or config.seed < 0 or (config.rooms == 0 and config.photos is None):
        raise InputError(f"Expected rooms or photographs, got {config.rooms} rooms; choose some.")
    if config.rooms and (not config.sizes or min(config.sizes) < 32):
        raise InputError(f"Expected sizes of at least 32 pixels, got {list(config.sizes)}; choose larger ones.")


def _available(config: Config) -> tuple[list[str], list[str], list[str]]:
    """Back ends that are on this machine, and what is left out, in sentences; each is tried on a grey picture."""
    grey, missing = View(torch.full((3, 64, 64), 0.5)), []
    kept: dict[str, list[str]] = {"segments": [], "depth": []}
    for kind, names in (("segments", config.segmenters), ("depth", config.depth_estimators)):
        for name in names:
            try:
                _ = segmenter(name, held())(grey) if kind == "segments" else estimator(name, held())(grey)
                kept[kind].append(name)
            except MissingModelError as error:
                missing.append(f"Left out {kind} {name}: {error}")
    if not kept["segments"] and not kept["depth"]:
        raise MissingModelError(
            missing[0] if missing else "Expected a segmenter or a depth estimator, got none; name one."
        )
    return kept["segments"], kept["depth"], missing


def _add_segments(score: Score, found: Segments, room: Rendering) -> None:
    """Count one room's classes and objects."""
    score.counts += confusion(class_map(found), room.classes, len(CLASSES))
    for name in THINGS:
        ids = [id for id, region in found.regions.items() if canonical(region.name) == name]
        ours = torch.where(torch.isin(found.labels, torch.tensor(ids, dtype=torch.int64)), found.labels, 0)
        theirs = torch.where(room.classes == CLASSES.index(name), room.instances + 1, 0)
        score.objects[name] += panoptic_counts(ours, theirs)


def _add_depth(score: Score, found: Depth, room: Rendering) -> None:
    """Measure one room's depth; relative depth has no metres."""
    metric = found.kind == "metric"
    score.depths.append(
        {
            "abs_rel": abs_rel(found.values, room.depth) if metric else None,
            "abs_rel_scaled": abs_rel(median_scaled(found.values, room.depth), room.depth),
            "delta1": delta1(found.values, room.depth) if metric else None,
        }
    )


def markdown(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The numbers and the IoU of every class as Markdown tables."""
    arrows = {"higher": "↑", "lower": "↓"}
    heads = [f"{metric.title} {arrows[metric.better]}" for metric in HEADS.values()]
    lines = ["| row | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    lines += [f"| {name} | " + " | ".join(_text(row[key]) for key in HEADS) + " |" for name, row in rows.items()]
    seen = {name: row for name, row in rows.items() if row["iou"] is not None}
    if seen:
        lines += ["", "| class, IoU | " + " | ".join(seen) + " |", "|---|" + "---:|" * len(seen)]
        lines += [f"| {c} | " + " | ".join(_text(row["iou"][c]) for row in seen.values()) + " |" for c in CLASSES]
    return "\n".join(lines) + "\n"


def _table(config: Config, rows: Mapping[str, Mapping[str, Any]], missing: Sequence[str]) -> Table:
    """The numbers for a terminal."""
    from rich.table import Table

    arrows = {"higher": "↑", "lower": "↓"}
    made = Table(title=f"perception: {config.rooms} unseen rooms, seed {config.seed}", title_justify="left")
    made.add_column("row")
    for metric in HEADS.values():
        made.add_column(f"{metric.title} {arrows[metric.better]}", justify="right")
    for name, row in rows.items():
        made.add_row(name, *(_text(row[key]) for key in HEADS))
    made.caption = "\n".join(missing) or None
    return made


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
