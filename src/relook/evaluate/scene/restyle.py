"""Looks in the scene: frames restyled each by itself, a few of them distilled into the scene, and what geometry alone would allow."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from relook import cache
from relook.captures.frames import spread
from relook.config import Method, ViewsConfig
from relook.evaluate.metrics.segments import mean_of
from relook.evaluate.metrics.views import detail
from relook.evaluate.run import Outcome, Place, Results, Trial
from relook.evaluate.scene.fit import warped
from relook.evaluate.scene.looks import distilled, one_view_per_region, statistics
from relook.evaluate.scene.rooms import Images, Room, Scene
from relook.evaluate.scene.setting import SceneSuite, photo_of, picture_score
from relook.evaluate.sections import Column, Part, column
from relook.evaluate.views.setting import Score, numbers_of
from relook.evaluate.views.walks import FAR, NEAR, agreement, per_frame
from relook.evaluate.weights import family_weights
from relook.gaussians import Gaussians
from relook.io import read_image, write_image
from relook.io.sheet import contact_sheet
from relook.lift.scene import key_views
from relook.session import Session

PART, ALONE, EXACT = "restyle", "per frame", "exact"
COLUMNS = {
    "psnr": column("psnr"), "ssim": column("ssim"), "lpips": column("lpips"),
    "held psnr": column("psnr", "held out", "PSNR dB held out"), "held lpips": column("lpips", "held out", "LPIPS held out"),
    "near_rmse": column("warp_rmse", "near", "RMSE near"), "far_rmse": column("warp_rmse", "far", "RMSE far"),
    "near_lpips": column("warp_lpips", "near", "LPIPS near", digits=4), "far_lpips": column("warp_lpips", "far", "LPIPS far", digits=4),
    "detail": column("detail", digits=2, judged=False),
    "seconds": Column("seconds", title="CPU seconds", better="lower", digits=1, source="processor time beside fitting the scene and restyling frames"),
}  # fmt: skip
"""What is measured of every row."""


@dataclass(frozen=True)
class Way:
    """One way to a restyled walk."""

    note: str
    keys: int | None = None
    """Frames that are restyled from the style picture; None: all."""
    kind: str = "distil"
    """What becomes of them: `frames`, `distil`, `regions`, `warp`; or without any `statistics`, `exact`."""
    method: Method = "restyle3d"
    """By which they are restyled."""


WAYS: Mapping[str, Way] = {
    ALONE: Way("every frame restyled by itself, from the same style picture", kind="frames"),
    "statistics": Way("no network: mean and deviation in Lab of each class of the style picture, on the Gaussians", kind="statistics"),
    "warp 4": Way("4 key views restyled, every frame looked up in the nearest by exact depth, holes by Telea 2004", 4, "warp"),
    "distil 1": Way("1 key view restyled and distilled into the scene", 1),
    "distil 4": Way("4 key views, chosen by coverage", 4),
    "distil all": Way("every frame of the walk"),
    "one view per region": Way("the same, each class from the frame that shows most of it", kind="regions"),
    "palette per frame": Way("every frame by palette", kind="frames", method="palette"),
    "palette distil 4": Way("4 key views by palette, distilled", 4, method="palette"),
    EXACT: Way("the exact answer of every frame, distilled: what the geometry allows", kind="exact"),
}  # fmt: skip
"""Every way, in the table's order."""


@dataclass(frozen=True, kw_only=True)
class RestyleSuite(SceneSuite):
    """Ways x rooms. Frames restyled by themselves lie in one folder per room, which all ways share."""

    rows: Sequence[str]

    def trials(self) -> Sequence[Trial]:
        """Every way on every room; first what restyles every frame, so that no two processes do the same."""
        first = [row for row in self.rows if WAYS[row].kind == "frames"]
        others = [row for row in self.rows if row not in first]
        return [Trial(PART, row, case) for rows in (first, others) for case in self.cases_of_all for row in rows]

    def learned(self, session: Session) -> Mapping[str, str]:
        """The family, and LPIPS."""
        return family_weights(self.config.family, session) | dict(super().learned(session))

    def depends(self, trial: Trial) -> Any:
        """What all parts share, and how a frame is restyled."""
        return super().depends(trial), self.config.family, self.config.steps

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """One way on one room; its picture is a strip of frames, then of what held-out cameras see."""
        room, way = self.room(trial.case, session), WAYS[trial.row]
        if way.kind == "frames":
            images, held = self.frames(trial, place, session)
            score: Score = {}
        else:
            keys = self._keys(trial, place, session)
            self.scene(trial.case, session)
            start = time.process_time()
            images, held = self._from_scene(trial, way, keys, session)
            score = {"seconds": time.process_time() - start}
        score |= score_of(images, held, room, session)
        write_image(place.picture, torch.cat([*(images[i] for i in self.shown), *held[:2]], dim=2))
        return Outcome(numbers_of(score, COLUMNS), pictured=True)

    @property
    def shown(self) -> list[int]:
        """Numbers of the frames on a strip."""
        return spread(self.config.frames, 5)

    def frames(self, trial: Trial, place: Place, session: Session) -> tuple[Images, Images]:
        """Every frame restyled by itself, and what held-out cameras see."""
        room = self.room(trial.case, session)
        found = self._alone(trial, range(len(room.views) + len(room.held)), place, session)
        return found[: len(room.views)], found[len(room.views) :]

    def _alone(self, trial: Trial, numbers: Sequence[int], place: Place, session: Session) -> Images:
        """Some of the frames, then held-out views, restyled by themselves."""
        room, method = self.room(trial.case, session), WAYS[trial.row].method
        config = ViewsConfig(photo=photo_of(self.config, method, room.walk.prompt))
        folder = Path(place.work).parent / f"frames-{cache.key(self.depends(trial), method)[:12]}"
        views = dict(enumerate([*room.views, *room.held]))
        return per_frame(folder, {number: views[number] for number in numbers}, room.walk.style, config, session)

    def _keys(self, trial: Trial, place: Place, session: Session) -> dict[int, Tensor]:
        """Key views by number, restyled."""
        way, room = WAYS[trial.row], self.room(trial.case, session)
        if way.kind in ("statistics", "exact"):
            return {number: one.image for number, one in enumerate(room.new)} if way.kind == "exact" else {}
        count = way.keys or len(room.views)
        numbers = sorted(key_views(self.scene(trial.case, session).blends, count))
        return dict(zip(numbers, self._alone(trial, numbers, place, session), strict=True))

    def _from_scene(
        self, trial: Trial, way: Way, keys: Mapping[int, Tensor], session: Session
    ) -> tuple[Images, Images]:
        room, scene = self.room(trial.case, session), self.scene(trial.case, session)
        if way.kind == "warp":
            chosen, looks = [room.views[number] for number in keys], list(keys.values())
            both = [[warped(chosen, looks, view) for view in some] for some in (room.views, room.held)]
            return both[0], both[1]
        made = _look(way, scene, room, keys)
        both = [[one.clamp(0, 1) for one in scene.shown(made.colours, held=held)] for held in (False, True)]
        return both[0], both[1]

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """One table, and a sheet of frames for each room."""
        rows = results.rows(PART)
        rows = [row for row in WAYS if row in rows]
        lead = (
            f"{self.about} Key views restyled in {self.config.steps or 'preset'} steps. Near: frames {NEAR} apart, far: "
            f"{min(FAR, self.config.frames - 1)} apart, by exact flow. Numbers against the exact answer."
        )
        sheets = [self._sheet(case, rows, results, session) for case in results.cases(PART)]
        notes = {row: WAYS[row].note for row in rows}
        return [Part(PART, "Restyled scenes", lead, list(COLUMNS.values()), notes, (EXACT,), ALONE, sheets=sheets)]

    def _sheet(self, case: str, rows: Sequence[str], results: Results, session: Session) -> tuple[str, Any]:
        room, count = self.room(case, session), len(self.shown) + 2
        places = {row: results.picture(Trial(PART, row, case)) for row in rows}
        strips = {row: list(read_image(path).chunk(count, dim=2)) for row, path in places.items() if path is not None}
        before, after = (
            [*(walk[i].image for i in self.shown), *(one.image for one in held[:2])]
            for walk, held in ((room.old, room.held_old), (room.new, room.held_new))
        )
        heads = [*(f"frame {i + 1}" for i in self.shown), "held out", "held out"]
        caption = (
            f"{case.split(' of ')[0].capitalize()}, from top to bottom: as it was, the answer, {', '.join(strips)}."
        )
        return caption, contact_sheet([before, after, *strips.values()], heads[:count])


def _look(way: Way, scene: Scene, room: Room, keys: Mapping[int, Tensor]) -> Gaussians:
    """The scene in its new look."""
    if way.kind == "statistics":
        return statistics(scene, room)
    return one_view_per_region(scene, room, keys) if way.kind == "regions" else distilled(scene, room, keys)


def score_of(images: Images, held: Images, room: Room, session: Session) -> Score:
    """Every number of one restyled room."""
    exact = [one.image for one in room.new]
    return {
        **picture_score(images, exact, session),
        **picture_score(held, [one.image for one in room.held_new], session, "held "),
        **agreement(images, room.walk, NEAR, "near", session),
        **agreement(images, room.walk, min(FAR, len(images) - 1), "far", session),
        "detail": mean_of([detail(a, b) for a, b in zip(images, exact, strict=True)]),
    }
