"""How well a scene shows views that it was not made of: closed-form colours step by step, the product's fit, and pictures warped instead."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from relook.errors import GeometryError
from relook.evaluate.gallery import Gallery
from relook.evaluate.run import Outcome, Place, Results, Trial
from relook.evaluate.scene.rooms import Images, Room, scene_of
from relook.evaluate.scene.setting import SceneSuite, fitted, picture_score
from relook.evaluate.sections import Column, Part, column
from relook.evaluate.views.setting import Score, numbers_of
from relook.gaussians import Gaussians
from relook.io import write_image
from relook.lift.carry import CARRYING, carried
from relook.lift.fill import inpainted
from relook.lift.look import Look, RestyledFrame
from relook.lift.scene import lifted, surfels
from relook.ops.align import centre
from relook.ops.splats import solve
from relook.perceive.match import exact
from relook.session import Session
from relook.types import Camera, View

PART, REFERENCE = "fit", "fit"
NEAREST = "nearest view"
COLUMNS = {
    "psnr": column("psnr"), "ssim": column("ssim"), "lpips": column("lpips"),
    "unseen": Column("unseen", title="unseen %", digits=1, source="share of held-out pixels that the scene does not cover"),
    "gaussians": Column("gaussians", title="Gaussians", digits=0, source="how many"),
    "megabytes": Column("megabytes", title="MB", digits=0, source="the Gaussians and the sparse matrices of the walk's frames"),
    "seconds": Column("seconds", title="CPU seconds", better="lower", digits=1, source="processor time from views to the scene with its colours"),
}  # fmt: skip
"""What is measured of every row."""


@dataclass(frozen=True)
class Way:
    """One way to colour a scene."""

    note: str
    made: Callable[[Room, Session], Gaussians]


def _mean(room: Room, session: Session) -> Gaussians:
    return surfels(room.views)


def _uplifted(room: Room, session: Session) -> Gaussians:
    scene = scene_of(surfels(room.views), room)
    return scene.gaussians.coloured(lifted(scene.blends, _pictures(room)).values)


def _solved(room: Room, session: Session) -> Gaussians:
    scene = scene_of(surfels(room.views), room)
    mean = lifted(scene.blends, _pictures(room)).values
    return scene.gaussians.coloured(solve(scene.blends, _pictures(room), mean))


WAYS: Mapping[str, Way] = {
    "mean": Way("surfels in the mean colour of their points", _mean),
    "uplift": Way("the same surfels, each in the mean of the pixels that show it (A^T m, normalised)", _uplifted),
    "solved": Way("the same surfels, colours by least squares (ten steps of conjugate gradients)", _solved),
    "fit": Way("relook scene fit: finer where pictures are", fitted),
}  # fmt: skip
"""Every way, in the table's order; besides NEAREST, which makes no scene."""
NOTE = "no scene: the nearest frame looked up by the held-out view's own exact depth, holes by Telea 2004"
ROWS = (*WAYS, NEAREST)
HELD = ("means", "quats", "scales", "opacities", "sh")
"""What Gaussians hold."""


@dataclass(frozen=True, kw_only=True)
class FitSuite(SceneSuite):
    """Ways x rooms."""

    rows: Sequence[str]

    def trials(self) -> Sequence[Trial]:
        """Every way on every room."""
        return [Trial(PART, row, case) for case in self.cases_of_all for row in self.rows]

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """One way on one room; its picture is a strip of what held-out cameras see."""
        room = self.room(trial.case, session)
        truth = [one.image for one in room.held_old]
        more: Score = {}
        if trial.row == NEAREST:
            images = [warped(room.views, _pictures(room), view) for view in room.held]
        else:
            images, more = self._shown(trial, room, session)
        write_image(place.picture, strip(images))
        return Outcome(numbers_of(picture_score(images, truth, session) | more, COLUMNS), pictured=True)

    def _shown(self, trial: Trial, room: Room, session: Session) -> tuple[Images, Score]:
        start = time.process_time()
        gaussians = WAYS[trial.row].made(room, session)
        seconds = time.process_time() - start
        scene = scene_of(gaussians, room)
        size = sum(one.nbytes for one in scene.blends) + sum(_bytes(getattr(gaussians, name)) for name in HELD)
        more: Score = {
            "unseen": 100 * scene.unseen(), "gaussians": float(len(gaussians)), "megabytes": size / 1e6, "seconds": seconds,
        }  # fmt: skip
        images = [one.clamp(0, 1) for one in scene.shown(gaussians.colours, held=True)]
        return images, more

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """One table, and what the cameras see."""
        notes = {row: NOTE if row == NEAREST else WAYS[row].note for row in results.rows(PART)}
        gallery = Gallery(
            results.cases(PART), lambda case: {"exact answer": strip([one.image for one in self.room(case, session).held_old])},
            lambda case, row: results.picture(Trial(PART, row, case)),
        )  # fmt: skip
        return [Part(PART, "Fit", self.about, list(COLUMNS.values()), notes, (), REFERENCE, gallery=gallery)]


def _bytes(values: Tensor) -> int:
    return values.numel() * values.element_size()


def _pictures(room: Room) -> Images:
    return [view.image for view in room.views]


def strip(images: Images, most: int = 4) -> Tensor:
    """The first few side by side."""
    return torch.cat(list(images[:most]), dim=2)


def nearest(cameras: Sequence[Camera], camera: Camera) -> int:
    """The number of the camera that stands nearest, a turn of a radian counting as a metre."""
    ahead = camera.world_to_camera[2, :3]
    apart = [
        float((centre(one) - centre(camera)).norm() + torch.acos((one.world_to_camera[2, :3] @ ahead).clamp(-1, 1)))
        for one in cameras
    ]
    return min(range(len(apart)), key=apart.__getitem__)


def warped(chosen: Sequence[View], looks: Images, view: View) -> Tensor:
    """A view in the look of the nearest of `chosen`, whose pictures in that look are `looks`; all with cameras and exact depth."""
    number = nearest([camera_of(one) for one in chosen], camera_of(view))
    past = RestyledFrame(number, chosen[number], Look.painted(looks[number], chosen[number]))
    look = carried([past], view, exact, CARRYING["relook"])
    return torch.where(look.holes, inpainted(view, look.image, look.holes), look.image)


def camera_of(view: View) -> Camera:
    """Of a view that has one."""
    if view.camera is None:
        raise GeometryError("Expected a view with a camera, got one without; bring it.")
    return view.camera
