"""The suite of lifting: 2D models carried to cameras that no source has, on unseen rooms with the exact answer, every way beside the model alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.dollhouse import CLASSES, exact_flow
from relook.engine import Engine
from relook.errors import InputError
from relook.evaluate.lift_looks import COMPARED, PAIRS, added_numbers, look_numbers, looked
from relook.evaluate.lift_rows import (
    ALONE,
    CAPTURE,
    COLOURS,
    LABELS,
    LEADS,
    LOOKS,
    METHODS,
    REGIONS,
    RENDERED,
    ROWS,
    SHARPNESS,
    STEADY,
    STROKES,
    Row,
)
from relook.evaluate.lift_steady import CAPTURE_ROWS, GAPS, Pictures, capture_numbers, capture_views, decided, flickers
from relook.evaluate.lift_strokes import stroke_numbers
from relook.evaluate.metrics.segments import confusion, mean_iou, mean_of
from relook.evaluate.metrics.truth import psnr
from relook.evaluate.records import WHOLE, Number, check_names
from relook.evaluate.run import Outcome, Place, Results, Suite, Trial
from relook.evaluate.scene.fit import strip
from relook.evaluate.scene.rooms import Room, draw_room
from relook.evaluate.sections import Part, column
from relook.evaluate.weights import checkpoint_weights
from relook.files import sha256
from relook.io import write_image
from relook.lift.lifted import posed, way_for
from relook.lift.lifted.job import Job, Target, held
from relook.lift.lifted.sources import Posed
from relook.lift.lifted.ways import Carried, Learned
from relook.lift.operators import Operator, asked, load_operator
from relook.lift.operators.seeing import Descriptors, Embedded
from relook.models import colouriser, sharpener
from relook.models.lifter import FOLDER
from relook.models.load import revision
from relook.ops.fill import smoothly_filled
from relook.session import Session
from relook.types import View

SUITE = "dollhouse-lift"
SIDE = 256
"""Longer side of the capture's pictures."""
FRAMES = 9
"""Of a walk, at least."""


@dataclass(frozen=True)
class Config:
    """Lifted labels at cameras beside unseen walks, and lifted looks along them, against the 2D model alone."""

    out: Path = Path("runs/dollhouse-lift")
    """Folder of the results; a run that was stopped resumes there."""
    parts: tuple[str, ...] = ()
    """Parts to run, out of `labels`, `steady`, `strokes`, `looks`, `sharpness`, `colours`, `capture`. Default: all."""
    rows: tuple[str, ...] = ()
    """Rows to run, e.g. `"lift3d features"`. Default: all."""
    rooms: int = 3
    """Walks, each through another room: the first ones of the suite of views."""
    seed: int = 0
    """Draws rooms and looks; none was ever trained on."""
    frames: int = 12
    """Frames of each walk: the sources."""
    held: int = 2
    """Cameras beside the path of each."""
    size: int = 128
    """Height and width of the pictures in pixels."""
    sources: int = 6
    """Views that a new one is blended from."""
    lifter: Path | None = None
    """Another lifter than the shipped one: the folder `lifter` that `relook train lift3d` writes."""
    capture: Path | None = None
    """A capture with depth for the part `capture`, e.g. ../shared/captures/office."""
    style: Path | None = None
    """The picture that gives the look there; without one its rows of MicroAST are left out."""
    views: int = 24
    """Frames of the capture, spread over it."""
    device: str = "cpu"
    """Where it runs: `cpu` or `cuda`."""
    engine: Engine = field(default_factory=Engine)


def suite(config: Config) -> Suite:
    """All parts. Raises InputError for names or numbers that cannot be."""
    check_names("parts", config.parts, ROWS)
    check_names("rows", config.rows, [row for rows in ROWS.values() for row in rows])
    if min(config.rooms, config.held) < 1 or config.frames < FRAMES or config.size < 64 or config.sources < 2:
        raise InputError(
            f"Expected at least 1 room and held-out camera, {FRAMES} frames, 64 pixels and 2 sources, got less of one; choose more."
        )
    lead = f"Lifting, seed {config.seed}, {config.rooms} walks of {config.frames} frames, {config.size} pixels."
    return LiftSuite(SUITE, config, config.device, lead, asked=config.rows)


@dataclass(frozen=True)
class LiftSuite(Suite):
    """Rows x rooms, for labels and looks."""

    def trials(self) -> Sequence[Trial]:
        """Every row on every room."""
        one = self.config
        wanted = {part: [row for row in rows if row in (one.rows or rows)] for part, rows in ROWS.items()}
        parts = [part for part in one.parts or tuple(ROWS) if part != CAPTURE]
        drawn = [Trial(part, row, f"walk {n}") for part in parts for n in range(one.rooms) for row in wanted[part]]
        if one.capture is None or CAPTURE not in (one.parts or ROWS):
            return drawn
        rows = [row for row in wanted[CAPTURE] if one.style is not None or CAPTURE_ROWS[row].operator != "microast"]
        return drawn + [Trial(CAPTURE, row, one.capture.name) for row in rows]

    def learned(self, session: Session) -> Mapping[str, str]:
        """The lifter, the sharpener, the colouriser, MicroAST and LPIPS, where they are here."""
        shipped = {"lifter": FOLDER, "sharpener": sharpener.FOLDER, "colouriser": colouriser.FOLDER}
        return {name: revision(folder) for name, folder in shipped.items() if folder.is_dir()} | dict(
            checkpoint_weights(["microast", "lpips_alex"])
        )

    def depends(self, trial: Trial) -> Any:
        """Weights and options."""
        one = self.config
        if trial.part == CAPTURE:
            return dict(self.weights), str(one.capture), one.style and sha256(one.style), one.views, one.device
        lifter = one.lifter and revision(one.lifter)
        return dict(self.weights), one.seed, one.frames, one.held, one.size, one.sources, one.device, lifter

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """One row on one walk, or on the capture."""
        if trial.part == CAPTURE:
            return self._capture(trial, place, session)
        one, number = self.config, int(trial.case.split()[1])
        key = one.seed, number, one.frames, one.held, one.size
        room = session.remembered("room to lift", key, lambda: draw_room(*key), 1)
        row = ROWS[trial.part][trial.row]
        if trial.part in (LABELS, STEADY, STROKES):
            measure = {LABELS: self._labels, STEADY: self._steady, STROKES: self._strokes}[trial.part]
            return measure(row, room, place, session)
        return self._looks(trial.part, row, room, place, session)

    def _labels(self, row: Row, room: Room, place: Place, session: Session) -> Outcome:
        """mIoU at the held-out cameras, and PSNR of the colours that the same weights bring."""
        operator, truth = Embedded(session), [one.classes for one in room.held_old]
        numbers = []
        if row.method == ALONE:
            found = [asked(operator, view.image)[1] for view in room.held]
        elif row.method == RENDERED:
            colours = self._colours("scene", room)
            pictures = [smoothly_filled(one.values.clamp(0, 1), ~one.known) for one in colours]
            found = [asked(operator, picture)[1] for picture in pictures]
        else:
            job = self._job(row, operator, room.views)
            targets = [Target("", one.camera, None) for one in room.held_old]
            found = [one.prediction for one in job.predictions(targets)]
        if row.method == RENDERED or row.lift == "probabilities":
            method = "scene" if row.method == RENDERED else row.method
            scores = [
                psnr(torch.where(shown.known, shown.values.clamp(0, 1), one.image), one.image, shown.known)
                for one, shown in zip(room.held_old, self._colours(method, room, row.sources), strict=True)
            ]
            numbers.append(Number("psnr", WHOLE, mean_of(scores)))
        labels = [one.argmax(0) for one in found]
        counts = torch.stack([confusion(a, b, len(CLASSES)) for a, b in zip(labels, truth, strict=True)]).sum(0)
        write_image(place.picture, strip([_coloured(one) for one in labels]))
        return Outcome([Number("miou", WHOLE, mean_iou(counts)), *numbers], pictured=True)

    def _steady(self, row: Row, room: Room, place: Place, session: Session) -> Outcome:
        """How many labels change from frame to frame, and how right they are."""
        operator = Embedded(session)
        if row.method == REGIONS:
            labels = decided([replace(view, segments=None) for view in room.views], operator, CLASSES)
        else:
            labels = {n: one.argmax(0) for n, one in self._frames(row, operator, room.views, COMPARED).items()}
        counts = torch.stack([confusion(labels[n], room.old[n].classes, len(CLASSES)) for n in COMPARED]).sum(0)
        write_image(place.picture, strip([_coloured(labels[n]) for n in COMPARED]))
        scores = flickers(labels, PAIRS, lambda a, b: exact_flow(room.old[a], room.old[b]))
        return Outcome([*scores, Number("miou", WHOLE, mean_iou(counts))], pictured=True)

    def _strokes(self, row: Row, room: Room, place: Place, session: Session) -> Outcome:
        """How well strokes in the first frame mark their things in later ones."""
        operator, source = Descriptors(session), self._source(row.method, room.views)
        answers = [asked(operator, view.image) for view in source.views]
        features = self._frames(row, operator, room.views, range(1, len(room.old), 3))
        return Outcome(stroke_numbers(room.old, features, answers))

    def _capture(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """A row over the capture; its frames for people to look at."""
        one = self.config
        if one.capture is None:
            raise InputError("Expected --capture for the part capture, got none; name one.")
        key = str(one.capture), one.views
        views = session.remembered("capture to lift", key, lambda: capture_views(Path(key[0]), one.views, SIDE), 1)
        row = CAPTURE_ROWS[trial.row]
        operator = Pictures() if row.operator == "pictures" else load_operator(row.operator, session, one.style)[0]
        numbers, frames = capture_numbers(row, views, operator, session)
        write_image(place.picture, strip(frames[::4]))
        return Outcome(numbers, pictured=True)

    def _frames(self, row: Row, operator: Operator, views: Sequence[View], numbers: Sequence[int]) -> dict[int, Tensor]:
        """An operator's predictions for frames of the walk, on the row's way."""
        if row.method == ALONE:
            return {n: asked(operator, views[n].image)[1] for n in numbers}
        job = self._job(row, operator, views)
        targets = [Target("", camera, n) for n in numbers if (camera := views[n].camera) is not None]
        return {n: one.prediction for n, one in zip(numbers, job.predictions(targets), strict=True)}

    def _looks(self, part: str, row: Row, room: Room, place: Place, session: Session) -> Outcome:
        """How steady looks are along the walk, how detailed, and where there is an answer how near to it."""
        operator, views = looked(part, room, session)
        alone = {n: asked(operator, views[n].image)[1] for n in COMPARED}
        frames = alone if row.method == ALONE else {n: views[n].image for n in COMPARED}
        if row.method in METHODS:
            frames = self._frames(row, operator, views, COMPARED)
        write_image(place.picture, strip([frames[number] for number in COMPARED]))
        scores = look_numbers(frames, alone, room.old, session)
        if part != LOOKS:
            scores.append(Number("psnr", WHOLE, mean_of([psnr(frames[n], room.views[n].image) for n in COMPARED])))
        if part == COLOURS:
            scores += added_numbers(frames, views, room.old)
        return Outcome(scores, pictured=True)

    def _colours(self, method: str, room: Room, sources: int | None = None) -> list[Carried]:
        """What a way shows of the pictures themselves, at the held-out cameras."""
        source = self._source(method, room.views)
        _, way = way_for(method, source, sources or self.config.sources, lifter=self.config.lifter)
        colours = way.holding(source.images)
        return [colours.at(one.camera, source.size) for one in room.held_old]

    def _source(self, method: str, views: Sequence[View]) -> Posed:
        """All frames, without depth for the network."""
        known = views if method != "lift3d" else [View(view.image, camera=view.camera) for view in views]
        return posed(known, self.config.size, *_depths(views))

    def _job(self, row: Row, operator: Operator, views: Sequence[View]) -> Job:
        """The operator's answers for all frames, on the row's way."""
        source = self._source(row.method, views)
        answers = [asked(operator, view.image) for view in source.views]
        _, way = way_for(row.method, source, row.sources or self.config.sources, row.corrected, self.config.lifter)
        if isinstance(way, Learned):
            way.network.correction.without = row.without
        return Job(operator, row.lift, source, answers, way.holding(held(operator, row.lift, source, answers)))

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """A table for each."""
        columns = {
            LABELS: (column("miou"), column("psnr")),
            LOOKS: (*(column(name, gap, f"{word} {gap}") for name, word in (("warp_rmse", "RMSE"), ("warp_lpips", "LPIPS")) for gap in GAPS),
                    column("detail", judged=False)),
        }  # fmt: skip
        columns[SHARPNESS] = (*columns[LOOKS], column("psnr"))
        added = (column("warp_rmse", f"{gap}, added", f"added {gap}") for gap in GAPS)
        columns[COLOURS] = (*added, *columns[SHARPNESS])
        flicker = tuple(column("label_flicker", gap, f"flicker {gap}") for gap in GAPS)
        columns[STEADY] = (*flicker, column("miou"))
        columns[STROKES] = (column("mask_iou"), column("average_precision"))
        columns[CAPTURE] = (*flicker, *columns[LOOKS])
        return [
            Part(name, name, LEADS[name], columns[name], {row: ROWS[name][row].note for row in results.rows(name)}, (), ALONE if name != CAPTURE else "segments alone")
            for name in ROWS if results.rows(name)
        ]  # fmt: skip


def _coloured(labels: Int[Tensor, "H W"]) -> Float[Tensor, "3 H W"]:
    """A colour for each class."""
    palette = torch.rand(len(CLASSES) + 1, 3, generator=torch.Generator().manual_seed(3))
    return palette[labels].permute(2, 0, 1)


def _depths(views: Sequence[View]) -> tuple[float, float]:
    """Between which depths a room lies, as a user would state it: a tenth looser than it is."""
    every: Float[Tensor, " N"] = torch.cat([view.depth.values.flatten() for view in views if view.depth is not None])
    return float(every.min()) * 0.9, float(every.max()) * 1.1
