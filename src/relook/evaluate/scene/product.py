"""What `relook scene restyle` makes of drawn rooms, method by method, against the exact answer at cameras that it did not look from."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch

from relook.config import Method, PhotoConfig, Preset, RestyleConfig, SceneMethod
from relook.errors import SegmentsError
from relook.evaluate.metrics.pattern import pattern_error
from relook.evaluate.metrics.segments import mean_of
from relook.evaluate.run import Outcome, Place, Results, Trial
from relook.evaluate.scene.looks import statistics
from relook.evaluate.scene.restyle import COLUMNS as LOOKS
from relook.evaluate.scene.restyle import PART, RestyleSuite, score_of
from relook.evaluate.scene.rooms import Images, Room, Scene
from relook.evaluate.sections import Column, Part, column
from relook.evaluate.views.setting import numbers_of
from relook.evaluate.views.walks import FAR, NEAR
from relook.gaussians import Gaussians
from relook.io import write_image
from relook.lift.losses.styleme3d import PRESETS, PresetName
from relook.lift.restyled.distill import added
from relook.lift.restyled.scene import Scene as Given
from relook.lift.restyled.scene import Settings
from relook.lift.restyled.task import new_look
from relook.lift.restyled.views import scene_of
from relook.progress import SILENT
from relook.session import Session
from relook.types import Segments, View

SUITE = "dollhouse-restyle3d"
"""Name of the suite in its records."""
COPY, EXACT = "copy", "exact"
COLUMNS = LOOKS | {
    "pattern": column("pattern_error", "held out", "pattern error held out"),
    "seconds": Column("seconds", title="CPU seconds", better="lower", digits=1, source="processor time from the scene with its things to the new colours"),
    "megabytes": Column("megabytes", title="MB", digits=0, source="the Gaussians and the sparse matrices of the key views"),
}  # fmt: skip
"""What is measured of every row."""


@dataclass(frozen=True)
class Way:
    """One way to a restyled scene."""

    note: str
    method: SceneMethod | None = None
    """Of the product; None: the row is computed here."""
    keys: int | None = None
    """Key views; None: every frame."""
    by: Method = "palette"
    """By which key views are restyled."""
    losses: tuple[str, ...] = ()
    """Of StyleMe3D."""
    preset: Preset = "relook"
    """Of StyleMe3D."""
    steps: int | None = None
    """Of StyleMe3D; None: the preset's."""


WAYS: Mapping[str, Way] = {
    COPY: Way("the scene as it was"),
    "statistics": Way("mean and deviation in Lab of each class of the style picture, on the Gaussians"),
    "semantic": Way("every thing by one change of colours for the whole scene: the default", "semantic"),
    "distill": Way("4 key views by palette, their change solved into the Gaussians", "distill", 4),
    "distill all": Way("every frame by palette", "distill"),
    "distill restyle3d": Way("4 key views by the embedded denoiser", "distill", 4, "restyle3d"),
    "gram": Way("descent on the style's statistics in VGG19 alone (SOS)", "styleme3d", losses=("statistics",)),
    "nearest": Way("descent on nearest-neighbour features of the style picture (ARF's kind)", "styleme3d", losses=("nearest",)),
    "counterpart": Way("the same within each thing's counterpart (StyleSplat's kind)", "styleme3d", losses=("counterpart",)),
    "csd": Way("descent on the style descriptor alone", "styleme3d", losses=("descriptor",)),
    "qa": Way("descent on the judge of quality alone", "styleme3d", losses=("quality",)),
    "dssd": Way("descent by distillation alone", "styleme3d", losses=("distillation",)),
    "gram csd": Way("gram, and the style descriptor", "styleme3d", losses=("statistics", "descriptor")),
    "gram csd qa": Way("these, and the judge of quality", "styleme3d", losses=("statistics", "descriptor", "quality")),
    "styleme3d": Way("all four losses, Relook's preset", "styleme3d"),
    "gram paper": Way("the statistics alone by the paper's schedule, in a tenth of its steps", "styleme3d", losses=("statistics",), preset="paper", steps=280),
    "gram csd paper": Way("these, and the style descriptor", "styleme3d", losses=("statistics", "descriptor"), preset="paper", steps=280),
    "gram csd qa paper": Way("these, and the judge of quality", "styleme3d", losses=("statistics", "descriptor", "quality"), preset="paper", steps=280),
    "styleme3d paper": Way("all four losses by the paper's schedule, in a tenth of its 2,800 steps", "styleme3d", preset="paper", steps=280),
    "styleme3d paper whole": Way("the same in all of its 2,800 steps", "styleme3d", preset="paper"),
    EXACT: Way("the exact answer of every frame, distilled: what the geometry allows"),
}  # fmt: skip
"""Every way, in the table's order."""
ADDED: Mapping[str, str | None] = {
    COPY: None, "statistics": COPY, "semantic": "styleme3d paper", "distill": "statistics",
    "gram": "statistics", "nearest": "gram", "counterpart": "nearest", "gram csd": "gram", "gram csd qa": "gram csd", "styleme3d": "gram csd qa",
    "gram paper": COPY, "gram csd paper": "gram paper", "gram csd qa paper": "gram csd paper", "styleme3d paper": "gram csd qa paper", EXACT: None,
}  # fmt: skip
"""The ablation of the losses: its rows, each with the one that it is compared with (loss by loss the row that lacks the last of them)."""


@dataclass(frozen=True, kw_only=True)
class ProductSuite(RestyleSuite):
    """Ways x rooms."""

    references: Mapping[str, str] = field(default_factory=dict)
    """The row that each is compared with; without any, all are with the default."""

    def depends(self, trial: Trial) -> Any:
        """What all parts share, and the length of the descents."""
        return super().depends(trial), self.config.descent

    def trials(self) -> Sequence[Trial]:
        """Every way on every room."""
        return [Trial(PART, row, case) for case in self.cases_of_all for row in self.rows]

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """One way on one room; its picture is a strip of frames, then of what held-out cameras see."""
        room, scene, way = self.room(trial.case, session), self.scene(trial.case, session), WAYS[trial.row]
        given = scene_of(scene.gaussians, room.views, way.keys or len(room.views), exact_segments, SILENT)
        start = time.process_time()
        made = self._made(trial.row, given, room, scene, session)
        score: dict[str, float | None] = {"seconds": time.process_time() - start}
        held = sum(one.nbytes for one in given.blends) + 4 * 14 * len(made)
        images, beside = ([one.clamp(0, 1) for one in scene.shown(made.colours, held=which)] for which in (False, True))
        score |= score_of(images, beside, room, session) | {"megabytes": held / 1e6, "pattern": _pattern(beside, room)}
        write_image(place.picture, torch.cat([*(images[i] for i in self.shown), *beside[:2]], dim=2))
        return Outcome(numbers_of(score, COLUMNS), pictured=True)

    def _made(self, row: str, given: Given, room: Room, scene: Scene, session: Session) -> Gaussians:
        """The scene in its new look."""
        way = WAYS[row]
        if row == COPY:
            return scene.gaussians
        if row == EXACT:
            changes = [new.image - view.image for new, view in zip(room.new, given.views, strict=True)]
            return scene.gaussians.coloured(added(given, changes))
        if way.method is None:
            return statistics(scene, room)
        family = self.config.family if way.by == "restyle3d" or way.method == "styleme3d" else None
        photo = PhotoConfig(
            family=family, steps=self.step_count(way), preset=way.preset, device=self.config.device,
            precision="fp32", prompt=room.walk.prompt, restyle=("all",),
        )  # fmt: skip
        config = RestyleConfig(photo=photo, method=way.method, by=way.by, losses=way.losses, size=self.config.size)
        return new_look(given, room.walk.style, Settings(config, session))

    def step_count(self, way: Way) -> int | None:
        """Of denoising a key view, or of a descent."""
        if way.method != "styleme3d":
            return self.config.steps if way.by == "restyle3d" else way.steps
        whole = way.steps or PRESETS[cast(PresetName, way.preset)].schedule.steps
        return max(1, round(whole * self.config.descent))

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """One table, and a sheet of frames for each room."""
        rows = [row for row in WAYS if row in results.rows(PART)]
        lead = (
            f"{self.about} Things are known exactly, and windows and lamps change too. Near: frames {NEAR} apart, far: {min(FAR, self.config.frames - 1)} apart, by exact "
            f"flow. Numbers against the exact answer. Descents in {self.config.descent:g} of their steps."
        )
        sheets = [self._sheet(case, rows, results, session) for case in results.cases(PART)]
        notes = {row: WAYS[row].note for row in rows}
        part = Part(
            PART, "Restyled scenes", lead, list(COLUMNS.values()), notes, (COPY, EXACT), self.references or "semantic",
            "the row that it is compared with" if self.references else None, sheets=sheets,
        )  # fmt: skip
        return [part]


def _pattern(beside: Images, room: Room) -> float | None:
    """Mean pattern error of what cameras beside the path see, thing by thing."""
    three = zip(beside, room.held_new, room.held, strict=True)
    return mean_of([pattern_error(a, b.image, exact_segments(view).labels) for a, b, view in three])


def exact_segments(view: View) -> Segments:
    """The regions that a drawn view brings."""
    if view.segments is None:
        raise SegmentsError("Expected a drawn view with its regions, got one without; draw it.")
    return view.segments
