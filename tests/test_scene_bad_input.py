"""Captures that are hardly one: a scene comes of them, or one sentence; never a crash."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from scipy.spatial.transform import Rotation
from torch.nn.functional import interpolate, normalize

from boxes import box_room
from relook.captures import CameraPath, camera_for
from relook.config import SceneConfig
from relook.errors import DepthError, GeometryError, InputError, SceneError
from relook.lift.scene import Fit, fit
from relook.lift.scene.film import film
from relook.lift.scene.fuse import contradicted
from relook.lift.scene.sources import scene_views
from relook.lift.source import Views
from relook.ops.poses import looking
from relook.ops.splats import render
from relook.progress import SILENT
from relook.session import Session
from relook.types import Camera, Depth, View
from walks import views_of_a_walk

SIZE = (48, 64)
QUICK = SceneConfig(held_out=3, refine=1)
GHOST = 0.04
"""Of the pixels; somebody fills .094 of each view."""


@cache
def room() -> tuple[View, ...]:
    return tuple(one.view() for one in views_of_a_walk(SIZE, 6))


def measured(view: View, valid: torch.Tensor | None = None) -> View:
    """The view as a sensor gives it, with holes where not `valid`."""
    valid = torch.ones(view.size, dtype=torch.bool) if valid is None else valid
    return replace(view, depth=Depth(torch.where(valid, _depth(view), 0.0), "metric", valid))


def turned(views: Sequence[View], degrees: float) -> list[View]:
    """The views with cameras that are wrong by an angle, each about an axis of its own."""
    draw, found = torch.Generator().manual_seed(0), []
    for view in views:
        axis = normalize(torch.randn(3, generator=draw), dim=0) * degrees / 180 * torch.pi
        pose = _camera(view).world_to_camera.clone()
        pose[:3] = torch.tensor(Rotation.from_rotvec(axis.numpy()).as_matrix()).float() @ pose[:3]
        found.append(replace(view, camera=Camera(_camera(view).K, pose)))
    return found


def finite(found: Fit) -> bool:
    parts = (found.gaussians.means, found.gaussians.scales, found.gaussians.opacities, found.gaussians.sh, found.error)
    return all(bool(torch.isfinite(part).all()) for part in parts)


def test_cameras_that_disagree_are_told_of_and_a_scene_comes_of_them(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "relook"):
        fit([measured(view) for view in room()], QUICK)
        assert "contradict" not in caplog.text
        found = fit([measured(view) for view in turned(room(), 5)], QUICK)
    assert "Cameras and depth contradict each other" in caplog.text
    assert finite(found)
    assert found.psnr is not None


def test_contradictions_grow_with_the_error_of_cameras() -> None:
    shares = [contradicted(turned(room(), degrees)) for degrees in (0.0, 2.0, 5.0)]
    assert shares[0] < 0.04 < shares[1] < shares[2]
    assert contradicted(room()[:1]) == 0


@pytest.mark.weights
@pytest.mark.parametrize("share", [0.02, 0.3])
def test_depth_with_holes_everywhere_still_makes_a_scene(share: float, shared: Path) -> None:
    """What was not measured is estimated, bent to what was; so it needs an estimator."""
    draw = torch.Generator().manual_seed(1)
    found = fit([measured(view, torch.rand(SIZE, generator=draw) < share) for view in room()], QUICK)
    assert finite(found)
    assert found.seen > 0.8
    assert found.psnr is not None
    assert found.psnr > 20


def test_no_estimator_means_none_although_one_is_here() -> None:
    draw = torch.Generator().manual_seed(1)
    sensed = [measured(view, torch.rand(SIZE, generator=draw) < 0.7) for view in room()]
    far = torch.ones(SIZE, dtype=torch.bool)
    far[:, :24] = False
    half = [measured(view, far) for view in room()[:3]]
    found = fit(sensed, replace(QUICK, depth_estimator="none"))
    assert found.psnr is not None
    assert found.psnr > 20
    assert found.record["geometry"] == "sensor alone"
    posed = scene_views(half, replace(QUICK, depth_estimator="none"), Session("cpu"), SILENT)
    assert not any(
        bool(view.depth.valid[:, :24].any()) for view in posed.views if view.depth and view.depth.valid is not None
    )


def test_someone_who_walks_by_leaves_no_ghost() -> None:
    """In every view somebody in red stands a metre before the lens, each time elsewhere; the room behind is what is fitted."""
    passed = []
    for number, view in enumerate(room()):
        body = torch.zeros(SIZE, dtype=torch.bool)
        body[12:, 9 * number + 2 : 9 * number + 10] = True
        image = torch.where(body, torch.tensor([0.9, 0.05, 0.05])[:, None, None], view.image)
        passed.append(measured(replace(view, image=image, depth=Depth(torch.where(body, 1.0, _depth(view)), "metric"))))
    found = fit(passed, replace(QUICK, held_out=0)).gaussians
    for view in room():
        shown = render(found, _camera(view), SIZE)
        red = shown[0] - shown[1:].amax(0) > 0.25
        assert float(red.float().mean()) < GHOST


def test_cameras_inside_of_things_spoil_only_what_is_theirs() -> None:
    """A centimetre before the lens is a wall."""
    spoiled = [replace(view, depth=Depth(torch.full(SIZE, 0.01), "metric")) for view in room()[4:]]
    found = fit([*room()[:4], *spoiled], QUICK)
    assert finite(found)
    assert found.psnr is not None
    assert found.psnr > 20
    assert finite(fit(spoiled, QUICK))


def test_views_with_nothing_in_common_have_no_number(tmp_path: Path) -> None:
    from relook.lift.scene.saving import write_scene

    apart = []
    for number, view in enumerate(room()):
        pose = _camera(view).world_to_camera.clone()
        pose[0, 3] += 100.0 * number
        apart.append(replace(view, camera=Camera(_camera(view).K, pose)))
    found = fit(apart, QUICK)
    assert found.psnr is None
    assert found.seen == 0
    write_scene(tmp_path / "room.ply", found)


def test_frames_of_4k_are_fitted_small() -> None:
    def large(number: int) -> View:
        view, size = room()[number], (2160, 2880)
        image = interpolate(view.image[None], size, mode="bilinear")[0]
        return View(image, depth=Depth(_depth(view), "metric").resized(size), camera=_camera(view).resized(SIZE, size))

    found = fit(Views(large, (0, 5)), SceneConfig(size=64, held_out=0, refine=0))
    assert found.size == SIZE
    assert finite(found)


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda view: replace(view, depth=Depth(_depth(view) * torch.nan, "metric")), DepthError),
        (lambda view: measured(view, torch.zeros(SIZE, dtype=torch.bool)), InputError),
        (lambda view: replace(view, depth=Depth(_depth(view), "relative")), InputError),
        (lambda view: replace(view, camera=room()[0].camera), GeometryError),
    ],
)
def test_what_holds_no_geometry_is_refused_in_one_sentence(spoil, error) -> None:
    with pytest.raises(error, match=r"^Expected .*, got .*; .*\.$"):
        fit([spoil(view) for view in room()], QUICK)


def test_a_film_from_inside_of_a_thing_is_one_or_a_sentence(tmp_path: Path) -> None:
    """Under the table top; and in the wall, looking out of the room."""
    K, up = camera_for(SIZE, 50.0).K, torch.tensor([0.0, 0.0, 1.0])
    under = looking(K, torch.tensor([0.0, 0.0, 0.69]), torch.tensor([1.0, 0.2, 0.1]), up)
    out = looking(K, torch.tensor([2.0, 0.0, 1.2]), torch.tensor([1.0, 0.0, 0.0]), up)
    assert film(box_room(), CameraPath((under,), SIZE), tmp_path / "under.png") > 0.9
    with pytest.raises(SceneError, match="none of it"):
        film(box_room(), CameraPath((out,), SIZE), tmp_path / "out.png")


def _depth(view: View) -> torch.Tensor:
    assert view.depth is not None
    return view.depth.values


def _camera(view: View) -> Camera:
    assert view.camera is not None
    return view.camera
