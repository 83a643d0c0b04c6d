"""The room's layout from one picture against exact truth: drawn rooms as somebody may photograph them, and pictures that show no room."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from relook.engine import Engine
from relook.errors import DepthError, InputError
from relook.evaluate.gallery import Gallery
from relook.evaluate.perception.layout_errors import (
    focal_error,
    height_error,
    horizontal_error,
    label_iou,
    room_error,
    up_error,
    wall_shares,
)
from relook.evaluate.records import EVERY, WHOLE, Number, Record, check_names
from relook.evaluate.run import Outcome, Place, Results, Suite, Trial
from relook.evaluate.sections import Column, Part
from relook.evaluate.sources.shots import NO_ROOM, VARIANTS, Photographed, photographed
from relook.evaluate.weights import revision
from relook.io import write_image
from relook.perceive.layout import room_layout
from relook.perceive.layout.depth import scaled_by_depth
from relook.perceive.layout.draw import layout_picture
from relook.perceive.layout.planes import SURE
from relook.perceive.segment import SEGMENTERS, segmenter
from relook.session import Session
from relook.types import Layout, View

ALONE, SEGMENTED = "picture alone", "segments "
"""The row without segments; what stands before the segmenter's name in the others."""
ASTRAY = 3.0
"""Degrees from which on directions that are said to be known are wrong."""
MEDIAN, WORST = "median", "worst"
"""Regions of numbers that are about all pictures of a part: of those that are said to be known."""
SUMMED = "up", "horizontal", "focal", "room", "height", "height_by_depth"
COLUMNS = (
    Column("known", title="known", better="higher", source="share of the pictures whose directions are said to be known"),
    Column("wrong", title="wrong", better="lower", source=f"share said to be known, and {ASTRAY:g} degrees off, or without a room"),
    *(
        Column(name, region, f"{title}, {region}", "lower", 2, source)
        for name, title, source in (
            ("up", "up °", "angle to the true direction up, where it is known"),
            ("horizontal", "horizontal °", "angle to the true directions of the walls, where they are known"),
        )
        for region in (MEDIAN, WORST)
    ),
    Column("focal", MEDIAN, "focal %", "lower", 1, "difference of the focal lengths"),
    Column("room", MEDIAN, "room / camera height %", "lower", 1, "difference of the room's heights in heights of the camera"),
    Column("height", MEDIAN, "height %", "lower", 1, "difference of the room's heights in metres: a guess, from usual rooms"),
    Column("height_by_depth", MEDIAN, "height by depth %", "lower", 1, "the same, in the metres of the exact depth"),
    Column("label_iou", title="planes mIoU", better="higher", digits=3, source="of floor, ceiling and walls; unknown is wrong"),
    Column("walls", title="walls", better="higher", digits=3, source="share of the walls' pixels with the right plane, sure or not"),
    Column("walls", "said", "walls said right", "higher", 3, "of the walls' pixels with a sure plane, the share with the right one"),
    Column("seconds", title="seconds", better="lower", digits=2, source="of one layout on one thread, without its segments"),
)  # fmt: skip


@dataclass(frozen=True)
class Config:
    """Directions, camera, planes and metres of rooms from one picture, against exact truth."""

    out: Path = Path("runs/layout")
    """Folder of the results; a run that was stopped resumes there."""
    rooms: int = 50
    """Number of unseen rooms in every variant."""
    seed: int = 0
    """Draws the rooms; none was ever trained on."""
    size: int = 512
    """Longer side of the pictures in pixels."""
    variants: tuple[str, ...] = (*VARIANTS, NO_ROOM)
    """How the rooms are photographed: `rooms` (as they are drawn), `tilted`, `rolled`, `portrait`, `phone`, `barrel`, `close-ups`; and
    `no room`, pictures that show none."""
    segmenters: tuple[str, ...] = ("none", "exact", "embedded")
    """What says where walls are: `none` (lines and colours alone), `exact`, or segmenters by name."""
    device: str = "cpu"
    """Where segmenters run: `cpu` or `cuda`."""
    engine: Engine = field(default_factory=Engine)


def suite(config: Config) -> Suite:
    """Every row on every picture. Raises InputError for impossible numbers and unknown variants."""
    check_names("variants", config.variants, (*VARIANTS, NO_ROOM))
    if config.rooms < 1 or config.size < 128 or config.seed < 0:
        raise InputError(
            f"Expected at least 1 room, 128 pixels and a seed from 0, got {config.rooms}, {config.size}, {config.seed}; choose more."
        )
    lead = (
        f"{config.rooms} unseen rooms, seed {config.seed}, {config.size} pixels on the longer side, one picture each."
    )
    return LayoutSuite("layout", config, config.device, lead, f"dollhouse {config.seed} {config.size}")


@dataclass(frozen=True, kw_only=True)
class LayoutSuite(Suite):
    """Layouts with and without segments, in every variant."""

    def trials(self) -> Sequence[Trial]:
        """Every row on every picture of every variant; a picture without a room has no exact segments."""
        names = self.config.segmenters
        return [
            Trial(variant, ALONE if name == "none" else SEGMENTED + name, f"{number:03d}")
            for variant in self.config.variants
            for number in range(self.config.rooms)
            for name in names
            if (variant, name) != (NO_ROOM, "exact")
        ]

    def learned(self, session: Session) -> Mapping[str, str]:
        """Revisions of the segmenters."""
        return {name: revision(SEGMENTERS, name) for name in self.config.segmenters if name not in ("none", "exact")}

    def depends(self, trial: Trial) -> Any:
        """The picture and the segmenter."""
        name = trial.row.removeprefix(SEGMENTED)
        return self.config.seed, self.config.size, self.config.device, self.weights.get(name, "")

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """One layout of one picture; its picture is the layout drawn over it."""
        case = session.remembered("shot", (self.config.seed, trial.part, trial.case), lambda: self._drawn(trial), 1)
        view = View(case.view.image)
        if trial.row != ALONE:
            find = segmenter(trial.row.removeprefix(SEGMENTED), session)
            view = View(view.image, find(case.view if trial.row.endswith("exact") else view))
        start = time.thread_time()
        found = room_layout(view)
        seconds = Number("seconds", WHOLE, time.thread_time() - start)
        write_image(place.picture, view.image if found is None else layout_picture(view.image, found))
        return Outcome([*numbers(found, case), seconds], pictured=True)

    def together(self, results: Results, session: Session) -> Sequence[Record]:
        """Median and worst of the errors of a part's pictures."""
        values: dict[tuple[str, str, str], list[float]] = {}
        for record in results.records():
            if record.metric in SUMMED and record.value is not None:
                values.setdefault((record.part, record.row, record.metric), []).append(record.value)
        return [
            Record(self.name, part, row, EVERY, metric, region, summed(held))
            for (part, row, metric), held in values.items()
            for region, summed in ((MEDIAN, median), (WORST, max))
        ]  # fmt: skip

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """A table for every variant, with the layouts drawn."""
        return [
            Part(variant, columns=COLUMNS, apart=(SEGMENTED + "exact",), gallery=self._gallery(variant, results))
            for variant in self.config.variants
            if results.rows(variant)
        ]

    def _gallery(self, variant: str, results: Results) -> Gallery:
        return Gallery(
            results.cases(variant), lambda case: {"picture": self._drawn(Trial(variant, "", case)).view.image},
            lambda case, row: results.picture(Trial(variant, row, case)), results.rows(variant),
        )  # fmt: skip

    def _drawn(self, trial: Trial) -> Photographed:
        return photographed(trial.part, self.config.seed, int(trial.case), self.config.size)


def numbers(found: Layout | None, case: Photographed) -> list[Number]:
    """One layout against the truth, as COLUMNS has it: errors only where the directions are said to be known."""
    exact = case.layout
    if found is None or found.directions < SURE:
        share = None if exact is None else 0.0
        return [
            Number("known", WHOLE, 0.0),
            Number("wrong", WHOLE, 0.0),
            Number("label_iou", WHOLE, share),
            Number("walls", WHOLE, share),
        ]
    if exact is None:
        return [Number("known", WHOLE, 1.0), Number("wrong", WHOLE, 1.0)]
    up, level = up_error(found, exact), horizontal_error(found, exact)
    guessed, _ = wall_shares(found, exact, sure=0.0)
    _, said = wall_shares(found, exact, sure=SURE)
    ceiling = found.ceiling >= SURE
    return [
        Number("known", WHOLE, 1.0), Number("wrong", WHOLE, float(max(up, level) > ASTRAY)), Number("up", WHOLE, up),
        Number("horizontal", WHOLE, level), Number("focal", WHOLE, focal_error(found, exact)),
        Number("room", WHOLE, room_error(found, exact) if ceiling else None),
        Number("height", WHOLE, height_error(found, exact) if ceiling else None),
        Number("height_by_depth", WHOLE, _height_by_depth(found, case) if ceiling else None),
        Number("label_iou", WHOLE, label_iou(found, exact)), Number("walls", WHOLE, guessed), Number("walls", "said", said),
    ]  # fmt: skip


def _height_by_depth(found: Layout, case: Photographed) -> float | None:
    """The error of the room's height in the metres of the exact depth; None where no known plane is seen."""
    if case.view.depth is None or case.layout is None:
        return None
    try:
        return height_error(scaled_by_depth(found, case.view.depth, case.view.segments), case.layout)
    except DepthError:
        return None
