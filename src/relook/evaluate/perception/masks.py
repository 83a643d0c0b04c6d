"""Masks of surfaces of photographs against polygons drawn by hand, and names of points, as a segmenter sees them and refined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from relook.engine import Engine
from relook.evaluate.gallery import Gallery
from relook.evaluate.metrics.masks import boundary_f, mask_iou, named, unseen_border
from relook.evaluate.records import EVERY, WHOLE, Number, Record
from relook.evaluate.run import Outcome, Place, Results, Suite, Trial
from relook.evaluate.sections import Column, Part
from relook.evaluate.sources.polygons import Drawn, drawn_surfaces
from relook.evaluate.weights import revision
from relook.files import sha256
from relook.io import read_image, write_image
from relook.ops.resize import at_most, resized
from relook.perceive.overlay import overlay
from relook.perceive.perception import Perception
from relook.perceive.segment import SEGMENTERS
from relook.perceive.segment.regions import ids_named
from relook.perceive.segment.superpixels import SIDE
from relook.perceive.segment.vocabulary import ROOM, canonical
from relook.session import Session
from relook.types import Segments, View

REFINED = ", refined"
"""What stands behind a segmenter's name in the second of its rows."""
CUT = ", refined, of a part"
"""And in its third, of a part of every picture: photographs that constants were chosen on, framed as nobody saw them."""
PART = (0.6, 0.85)
"""Share of a picture's sides that a part has."""
TOLERANCE = 6 / 1280
"""How far, in parts of the longer side, a border may be from the true one."""


@dataclass(frozen=True)
class Config:
    """Masks of floors, walls, ceilings and things in photographs, before and after their borders are refined."""

    polygons: Path = Path("tests/data/polygons")
    """Folder of surfaces drawn by hand, one JSON file per picture."""
    photos: Path = Path("../shared/photos")
    """Folder of their pictures."""
    out: Path = Path("runs/masks")
    """Folder of the results; a run that was stopped resumes there."""
    segmenters: tuple[str, ...] = ("ade20k",)
    """Segmenters by name, hub id or folder."""
    seed: int = 0
    """Of the parts that are cut out of the pictures."""
    device: str = "cpu"
    """Where they run: `cpu` or `cuda`."""
    engine: Engine = field(default_factory=Engine)


def suite(config: Config) -> Suite:
    """Every segmenter on every picture, before and after. Raises InputError for polygons or pictures that are not there."""
    drawn = drawn_surfaces(config.polygons, config.photos)
    count = sum(len(one.surfaces) for one in drawn.values())
    lead = (
        f"{count} surfaces of {len(drawn)} photographs against polygons drawn by hand; borders within 6 pixels at 1280. "
        f"Names at {sum(len(one.points) for one in drawn.values())} points named by hand; borders of things that the picture does not show."
    )
    return Masks("masks", config, config.device, lead, ",".join(drawn), drawn=drawn)


@dataclass(frozen=True, kw_only=True)
class Masks(Suite):
    """Masks before and after."""

    drawn: Mapping[str, Drawn]
    """By the picture's name."""

    def trials(self) -> Sequence[Trial]:
        """The rows of every segmenter on every picture."""
        rows = [name + tail for name in self.config.segmenters for tail in ("", REFINED, CUT)]
        return [Trial(self.name, row, case) for case in self.drawn for row in rows]

    def learned(self, session: Session) -> Mapping[str, str]:
        """Revisions of the segmenters."""
        return {name: revision(SEGMENTERS, name) for name in self.config.segmenters}

    def depends(self, trial: Trial) -> Any:
        """The picture, its polygons and points, the seed of its part and the segmenter."""
        case = self.drawn[trial.case]
        return (
            sha256(case.picture),
            repr(case.surfaces),
            repr(case.points),
            self.config.seed,
            self.config.device,
            self.weights,
        )

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """The masks of one picture; its picture is what was seen, drawn over it."""
        drawn = self.drawn[trial.case]
        image = read_image(drawn.picture)
        if trial.row.endswith(CUT):
            image, drawn = _part(image, drawn, f"{self.config.seed} {trial.case}")
        name, view = trial.row.removesuffix(CUT).removesuffix(REFINED), View(image)
        perception = Perception(session, name)
        found = perception.regions(view if trial.row == name else perception.regions_and_room(view))
        write_image(place.picture, overlay(image, found))
        room = [id for id, region in found.regions.items() if canonical(region.name) in ROOM]
        size = at_most(view.size, SIDE)
        unseen = unseen_border(resized(image, size), found.resized(size).labels, room)
        return Outcome([*numbers(found, drawn), Number("unseen_border", WHOLE, unseen)], pictured=True)

    def together(self, results: Results, session: Session) -> Sequence[Record]:
        """Means over all surfaces, and over those of each class; for names over pictures."""
        values: dict[tuple[str, str, str], list[float]] = {}
        for record in results.records():
            for region in (record.region.split(" ")[0], WHOLE):
                if record.value is not None:
                    values.setdefault((record.row, record.metric, region), []).append(record.value)
        return [
            Record(self.name, self.name, row, EVERY, metric, region, mean(held))
            for (row, metric, region), held in values.items()
        ]

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """One table, with what was seen drawn over the pictures."""
        classes = sorted({canonical(one.name) for case in self.drawn.values() for one in case.surfaces})
        columns = [
            Column(metric, region, f"{title} {region}", "higher", digits)
            for region in (WHOLE, *classes)
            for metric, title, digits in (("mask_iou", "IoU", 3), ("boundary_f", "F", 2))
        ]
        gallery = Gallery(
            results.cases(self.name), lambda case: {"photograph": self.drawn[case].picture},
            lambda case, row: results.picture(Trial(self.name, row, case)), results.rows(self.name),
        )  # fmt: skip
        names = Column("named", WHOLE, "names right", "higher", 3)
        unseen = Column("unseen_border", WHOLE, "border unseen", "lower", 3)
        return [Part(self.name, columns=[names, unseen, *columns], gallery=gallery)]


def numbers(found: Segments, drawn: Drawn) -> list[Number]:
    """IoU and boundary F of every surface, regions `CLASS NUMBER` counted in the file's order; share of points whose region has a right name."""
    size = found.labels.shape[0], found.labels.shape[1]
    measured = [Number("named", WHOLE, named(_right(found, drawn)))] if drawn.points else []
    for number, surface in enumerate(drawn.surfaces, start=1):
        name = canonical(surface.name)
        ids = ids_named(found, name)
        seen = torch.isin(found.labels, torch.tensor(ids, dtype=found.labels.dtype))
        own, true = surface.part(seen), surface.part(surface.mask(size))
        region = f"{name} {number}"
        measured.append(Number("mask_iou", region, mask_iou(own, true)))
        measured.append(Number("boundary_f", region, boundary_f(own, true, TOLERANCE * max(size))))
    return measured


def _right(found: Segments, drawn: Drawn) -> list[bool]:
    """Of a photograph's points: whether their region has a right name."""
    ids = [int(found.labels[int(point.y), int(point.x)]) for point in drawn.points]
    return [
        id in found.regions and point.right(found.regions[id].name) for id, point in zip(ids, drawn.points, strict=True)
    ]


def _part(image: Float[Tensor, "3 H W"], drawn: Drawn, seed: str) -> tuple[Float[Tensor, "3 h w"], Drawn]:
    """A part of a picture, mirrored perhaps, and what is drawn of it."""
    random = Random(seed)
    share, mirrored = random.uniform(*PART), random.random() < 0.5
    height, width = (round(share * side) for side in image.shape[1:])
    top, left = random.randint(0, image.shape[1] - height), random.randint(0, image.shape[2] - width)
    cut = image[:, top : top + height, left : left + width]
    return cut.flip(-1) if mirrored else cut, drawn.cut((left, top, left + width, top + height), mirrored)
