"""What is seen, against exact truth: segments and depth of unseen dollhouse rooms; and overlays of photographs to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from relook.dollhouse import CLASSES, Rendering
from relook.engine import Engine
from relook.errors import InputError
from relook.evaluate.gallery import Gallery
from relook.evaluate.metrics.depth import abs_rel, delta1, median_scaled
from relook.evaluate.metrics.segments import (
    IGNORED,
    Panoptic,
    class_ious,
    confusion,
    mean_iou,
    panoptic_counts,
    panoptic_quality,
    pixel_accuracy,
)
from relook.evaluate.records import EVERY, WHOLE, Number, Record
from relook.evaluate.run import Outcome, Place, Results, Suite, Trial
from relook.evaluate.sections import Part
from relook.evaluate.sources.disk import photographs
from relook.evaluate.sources.dollhouse import unseen_room
from relook.evaluate.weights import revision
from relook.files import sha256
from relook.io import read_image, write_image
from relook.perceive.depth import ESTIMATORS, estimator
from relook.perceive.overlay import depth_picture, overlay
from relook.perceive.segment import SEGMENTERS, segmenter
from relook.perceive.segment.regions import ids_named
from relook.perceive.segment.vocabulary import canonical, countable
from relook.session import Session
from relook.types import Depth, Segments, View

THINGS = tuple(name for name in CLASSES if countable(name))
"""Classes whose objects are counted."""
SEGMENTS, DEPTH = "segments ", "depth "
"""Stand before the back end's name in a row's."""
PHOTOS = "photographs"
"""The part that is only looked at."""


@dataclass(frozen=True)
class Config:
    """Segments and depth of unseen rooms against exact truth; overlays of photographs on request."""

    out: Path = Path("runs/perception")
    """Folder of the results; a run that was stopped resumes there."""
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
    """Folder of photographs, read at any depth: overlays and depth of each go to cases/photographs/, all together on the page."""
    device: str = "cpu"
    """Where it runs: `cpu` or `cuda`."""
    engine: Engine = field(default_factory=Engine)


def suite(config: Config) -> Suite:
    """Every back end on every room and photograph. Raises InputError for impossible numbers or a folder without pictures."""
    if config.rooms < 0 or config.seed < 0 or (config.rooms == 0 and config.photos is None):
        raise InputError(f"Expected rooms or photographs, got {config.rooms} rooms; choose some.")
    if config.rooms and (not config.sizes or min(config.sizes) < 32):
        raise InputError(f"Expected sizes of at least 32 pixels, got {list(config.sizes)}; choose larger ones.")
    files = {file.stem: file for file in photographs(config.photos)}
    lead = f"{config.rooms} unseen rooms, seed {config.seed}, against exact segments and depth."
    return Perception("perception", config, config.device, lead, f"dollhouse {config.seed}", photos=files)


@dataclass(frozen=True, kw_only=True)
class Perception(Suite):
    """Back ends on rooms of several sizes, and on photographs."""

    photos: Mapping[str, Path]
    """By name."""

    def trials(self) -> Sequence[Trial]:
        """Every back end on every room of every size, then on the photographs."""
        rows = [
            *(SEGMENTS + name for name in self.config.segmenters),
            *(DEPTH + n for n in self.config.depth_estimators),
        ]
        rooms = [(f"{size} pixels", f"{n:03d}") for size in self.config.sizes for n in range(self.config.rooms)]
        photos = [(PHOTOS, name) for name in self.photos]
        return [Trial(part, row, case) for part, case in (*rooms, *photos) for row in rows]

    def learned(self, session: Session) -> Mapping[str, str]:
        """Revisions of the back ends."""
        found = {SEGMENTS + name: revision(SEGMENTERS, name) for name in self.config.segmenters}
        return found | {DEPTH + name: revision(ESTIMATORS, name) for name in self.config.depth_estimators}

    def depends(self, trial: Trial) -> Any:
        """The picture and the back end."""
        photo = sha256(self.photos[trial.case]) if trial.part == PHOTOS else ""
        return self.weights[trial.row], self.config.seed, self.config.device, photo

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """One back end on one picture."""
        if trial.part == PHOTOS:
            write_image(place.picture, _looked_at(trial.row, View(read_image(self.photos[trial.case])), session))
            return Outcome([], pictured=True)
        key = self.config.seed, int(trial.case), int(trial.part.split()[0])
        room = session.remembered("room", key, lambda: unseen_room(*key), 1)
        if trial.row.startswith(DEPTH):
            return Outcome(depth_numbers(estimator(trial.row.removeprefix(DEPTH), session)(View(room.image)), room))
        counts, objects = counted(segmenter(trial.row.removeprefix(SEGMENTS), session)(View(room.image)), room)
        return Outcome(
            [Number("pixel_accuracy", WHOLE, pixel_accuracy(counts))],
            {"counts": counts.numpy(), "objects": np.array(objects)},
        )

    def together(self, results: Results, session: Session) -> Sequence[Record]:
        """mIoU and panoptic quality: sums over all rooms of a size, in total and by class."""
        kept: dict[tuple[str, str], list[Mapping[str, np.ndarray]]] = {}
        for trial in results.done:
            if trial.part != PHOTOS and trial.row.startswith(SEGMENTS):
                kept.setdefault((trial.part, trial.row), []).append(results.arrays(trial))
        return [
            Record(self.name, part, row, EVERY, *number)
            for (part, row), held in kept.items()
            for number in segment_numbers(
                torch.from_numpy(np.sum([one["counts"] for one in held], axis=0)),
                [Panoptic(*sums) for sums in np.sum([one["objects"] for one in held], axis=0)],
            )
        ]  # fmt: skip

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """A table for every size; photographs are only looked at."""
        columns = ["miou", "pixel_accuracy", "pq", "abs_rel", "abs_rel_scaled", "delta1"]
        made = [Part(name, columns=columns) for name in dict.fromkeys(t.part for t in results.done) if name != PHOTOS]
        if not self.photos:
            return made
        gallery = Gallery(
            results.cases(PHOTOS), lambda case: {"photograph": self.photos[case]},
            lambda case, row: results.picture(Trial(PHOTOS, row, case)), results.rows(PHOTOS),
        )  # fmt: skip
        return [*made, Part(PHOTOS, notes=dict.fromkeys(results.rows(PHOTOS), ""), gallery=gallery)]


def class_map(segments: Segments) -> Int[Tensor, "H W"]:
    """Dollhouse class of every pixel; IGNORED for regions of other classes (synonyms count: couch is sofa)."""
    found = torch.full(segments.labels.shape, IGNORED, dtype=torch.int64)
    for id, region in segments.regions.items():
        name = canonical(region.name)
        if name in CLASSES:
            found[segments.labels == id] = CLASSES.index(name)
    return found


def counted(found: Segments, room: Rendering) -> tuple[Int[Tensor, "C D"], list[Panoptic]]:
    """Pixels by true and found class, and the objects of every class of THINGS."""
    objects = []
    for name in THINGS:
        ids = ids_named(found, name)
        seen = torch.where(torch.isin(found.labels, torch.tensor(ids, dtype=torch.int64)), found.labels, 0)
        true = torch.where(room.classes == CLASSES.index(name), room.instances + 1, 0)
        objects.append(panoptic_counts(seen, true))
    return confusion(class_map(found), room.classes, len(CLASSES)), objects


def segment_numbers(counts: Int[Tensor, "C D"], objects: Sequence[Panoptic]) -> list[Number]:
    """mIoU and panoptic quality of sums, in total and by class."""
    return [
        Number("miou", WHOLE, mean_iou(counts)), Number("pq", WHOLE, panoptic_quality(objects)),
        *(Number("miou", name, iou) for name, iou in zip(CLASSES, class_ious(counts), strict=True)),
        *(Number("pq", name, one.quality) for name, one in zip(THINGS, objects, strict=True)),
    ]  # fmt: skip


def depth_numbers(found: Depth, room: Rendering) -> list[Number]:
    """One room's depth against the truth; relative depth has no metres."""
    metric = found.kind == "metric"
    return [
        Number("abs_rel", WHOLE, abs_rel(found.values, room.depth) if metric else None),
        Number("abs_rel_scaled", WHOLE, abs_rel(median_scaled(found.values, room.depth), room.depth)),
        Number("delta1", WHOLE, delta1(found.values, room.depth) if metric else None),
    ]


def _looked_at(row: str, view: View, session: Session) -> Tensor:
    """What a back end sees in a photograph, as a picture of its size."""
    if row.startswith(DEPTH):
        return depth_picture(estimator(row.removeprefix(DEPTH), session)(view))
    return overlay(view.image, segmenter(row.removeprefix(SEGMENTS), session)(view))
