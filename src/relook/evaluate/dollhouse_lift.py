"""The suite of lifting: 2D models carried to cameras that no source has, on unseen rooms with the exact answer, every way beside the model alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from relook.dollhouse import CLASSES, exact_flow
from relook.engine import Engine
from relook.errors import InputError
from relook.evaluate.metrics.segments import confusion, mean_iou, mean_of
from relook.evaluate.metrics.truth import psnr
from relook.evaluate.metrics.views import detail, warp_rmse
from relook.evaluate.records import WHOLE, Number, check_names
from relook.evaluate.run import Outcome, Place, Results, Suite, Trial
from relook.evaluate.scene.fit import strip
from relook.evaluate.scene.rooms import Room, draw_room
from relook.evaluate.sections import Part, column
from relook.evaluate.weights import checkpoint_weights
from relook.io import write_image
from relook.lift.lifted import posed, way_for
from relook.lift.lifted.job import Job, Target, held
from relook.lift.lifted.sources import Posed
from relook.lift.lifted.ways import Carried
from relook.lift.operators import Operator, asked
from relook.lift.operators.looks import MicroAST, Sharpen
from relook.lift.operators.seeing import Embedded
from relook.models import sharpener
from relook.models.lifter import FOLDER
from relook.models.load import revision
from relook.ops.blur import softened
from relook.ops.fill import smoothly_filled
from relook.session import Session
from relook.types import View

SUITE = "dollhouse-lift"
LABELS, LOOKS, SHARPNESS = "labels", "looks", "sharpness"
METHODS = ("scene", "blending", "lift3d")
ALONE, RENDERED = "alone", "rendered"


class Row(NamedTuple):
    """What is carried, and how."""

    method: str
    """ALONE: the operator asks the true picture; RENDERED: our rendering of the sources by `scene`."""
    lift: str
    note: str
    corrected: bool = False
    """With the network's correction of features."""
    sources: int | None = None
    """Views that are blended; None as configured."""


ROWS: Mapping[str, Mapping[str, Row]] = {
    LABELS: {ALONE: Row(ALONE, "", "the embedded segmenter on the held-out pictures themselves"),
             RENDERED: Row(RENDERED, "", "the same on our rendering of them, by scene"),
             "nearest": Row("blending", "probabilities", "its probabilities, warped from the nearest view", sources=1),
             "lift3d corrected": Row("lift3d", "features", "its features, by lift3d, with the correction of equation 3", True)}
    | {f"{way} {lift}": Row(way, lift, f"its {lift}, by {way}") for way in METHODS for lift in ("probabilities", "features")},
} | {
    part: {ALONE: Row(ALONE, "", f"{name} on every frame by itself")}
    | {f"{way} {lift}": Row(way, lift, f"its {lift}, by {way}") for way in METHODS for lift in ("features", "picture", "change", "contrast")}
    for part, name in ((LOOKS, "MicroAST"), (SHARPNESS, "the embedded sharpener"))
}  # fmt: skip
"""Part -> its rows."""
PAIRS = {"near": ((0, 1), (7, 8)), "far": ((0, 8),)}
"""Frames that are compared after exact warping."""
FRAMES = 9
"""Of a walk, at least."""


@dataclass(frozen=True)
class Config:
    """Lifted labels at cameras beside unseen walks, and lifted looks along them, against the 2D model alone."""

    out: Path = Path("runs/dollhouse-lift")
    """Folder of the results; a run that was stopped resumes there."""
    parts: tuple[str, ...] = ()
    """Parts to run, out of `labels`, `looks`, `sharpness`. Default: all."""
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
        parts = one.parts or tuple(ROWS)
        return [Trial(part, row, f"walk {n}") for part in parts for n in range(one.rooms) for row in wanted[part]]

    def learned(self, session: Session) -> Mapping[str, str]:
        """The lifter, the sharpener and MicroAST, where they are here."""
        shipped = {"lifter": FOLDER, "sharpener": sharpener.FOLDER}
        return {name: revision(folder) for name, folder in shipped.items() if folder.is_dir()} | dict(
            checkpoint_weights(["microast"])
        )

    def depends(self, trial: Trial) -> Any:
        """Weights and options."""
        one = self.config
        return dict(self.weights), one.seed, one.frames, one.held, one.size, one.sources, one.device

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """One row on one walk."""
        one, number = self.config, int(trial.case.split()[1])
        key = one.seed, number, one.frames, one.held, one.size
        room = session.remembered("room to lift", key, lambda: draw_room(*key), 1)
        row = ROWS[trial.part][trial.row]
        if trial.part == LABELS:
            return self._labels(row, room, place, session)
        if trial.part == SHARPNESS:
            soft = [replace(view, image=_soft(view.image, number)) for number, view in enumerate(room.views)]
            return self._looks(row, Sharpen(), soft, room, place)
        return self._looks(row, MicroAST(session, room.new[0].image.flip(2)), room.views, room, place)

    def _labels(self, row: Row, room: Room, place: Place, session: Session) -> Outcome:
        """mIoU at the held-out cameras, and PSNR of the colours that the same weights bring."""
        operator, truth = Embedded(session), [one.classes for one in room.held_old]
        numbers = []
        if row.method == ALONE:
            found = [asked(operator, view.image)[1] for view in room.held]
        elif row.method == RENDERED:
            pictures = [
                smoothly_filled(shown.values.clamp(0, 1), ~shown.known) for shown in self._colours("scene", room)
            ]
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
        palette = torch.rand(len(CLASSES), 3, generator=torch.Generator().manual_seed(3))
        write_image(place.picture, strip([palette[one].permute(2, 0, 1) for one in labels]))
        return Outcome([Number("miou", WHOLE, mean_iou(counts)), *numbers], pictured=True)

    def _looks(self, row: Row, operator: Operator, views: Sequence[View], room: Room, place: Place) -> Outcome:
        """How far frames are from each other after exact warping, how much of the lone model's detail they have, and for sharpness the error."""
        numbers = sorted({number for pairs in PAIRS.values() for pair in pairs for number in pair})
        alone = {number: asked(operator, views[number].image)[1] for number in numbers}
        frames = alone
        if row.method != ALONE:
            job = self._job(row, operator, views)
            targets = [Target("", room.old[number].camera, number) for number in numbers]
            frames = {n: one.prediction for n, one in zip(numbers, job.predictions(targets), strict=True)}
        write_image(place.picture, strip([frames[number] for number in numbers]))
        scores = [Number("detail", WHOLE, mean_of([detail(frames[n], alone[n]) for n in numbers]))]
        for region, pairs in PAIRS.items():
            errors = [warp_rmse(frames[a], frames[b], *exact_flow(room.old[a], room.old[b])) for a, b in pairs]
            scores.append(Number("warp_rmse", region, mean_of(errors)))
        if isinstance(operator, Sharpen):
            scores.append(Number("psnr", WHOLE, mean_of([psnr(frames[n], room.views[n].image) for n in numbers])))
        return Outcome(scores, pictured=True)

    def _colours(self, method: str, room: Room, sources: int | None = None) -> list[Carried]:
        """What a way shows of the pictures themselves, at the held-out cameras."""
        source = self._source(method, room.views)
        colours = way_for(method, source, sources or self.config.sources)[1].holding(source.images)
        return [colours.at(one.camera, source.size) for one in room.held_old]

    def _source(self, method: str, views: Sequence[View]) -> Posed:
        """All frames, without depth for the network."""
        known = views if method != "lift3d" else [View(view.image, camera=view.camera) for view in views]
        return posed(known, self.config.size, *_depths(views))

    def _job(self, row: Row, operator: Operator, views: Sequence[View]) -> Job:
        """The operator's answers for all frames, on the row's way."""
        source = self._source(row.method, views)
        answers = [asked(operator, view.image) for view in source.views]
        _, way = way_for(row.method, source, row.sources or self.config.sources, row.corrected)
        return Job(operator, row.lift, source, answers, way.holding(held(operator, row.lift, source, answers)))

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """A table for each."""
        columns = {
            LABELS: (column("miou"), column("psnr")),
            LOOKS: (column("warp_rmse", "near", "RMSE near"), column("warp_rmse", "far", "RMSE far"), column("detail", judged=False)),
        }  # fmt: skip
        columns[SHARPNESS] = (*columns[LOOKS], column("psnr"))
        leads = {
            LABELS: "The embedded segmenter at cameras beside the walk; PSNR of the colours that the same weights bring, where they know any.",
            LOOKS: "MicroAST over the walk's own frames: differences after exact warping, and detail as a part of the lone model's.",
            SHARPNESS: "The same for the sharpener on frames that were softened, each by its own blur; PSNR against them as they were.",
        }
        return [
            Part(name, name, leads[name], columns[name], {row: ROWS[name][row].note for row in results.rows(name)}, (), ALONE)
            for name in ROWS if results.rows(name)
        ]  # fmt: skip


def _soft(image: Float[Tensor, "3 H W"], number: int) -> Float[Tensor, "3 H W"]:
    """A frame as an unsteady camera shows it: every one is blurred otherwise."""
    return softened(image[None], torch.Generator().manual_seed(number))[0]


def _depths(views: Sequence[View]) -> tuple[float, float]:
    """Between which depths a room lies, as a user would state it: a tenth looser than it is."""
    every: Float[Tensor, " N"] = torch.cat([view.depth.values.flatten() for view in views if view.depth is not None])
    return float(every.min()) * 0.9, float(every.max()) * 1.1
