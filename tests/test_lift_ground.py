"""A material on the floor of a walk: it lies in the world, not in the frames, and nothing that stands on the floor takes it."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from relook.config import PhotoConfig
from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.errors import SegmentsError
from relook.io import write_image
from relook.lift.geometry import posed_views
from relook.lift.look import RestyledFrame
from relook.lift.scene.change import through_scene
from relook.lift.scene.floor import Plane
from relook.lift.scene.ground import Ground, ground_of
from relook.lift.scene.labels import SceneLabels, scene_labels
from relook.lift.scene.strays import without_islands
from relook.ops.exemplar import Exemplar
from relook.ops.flat import places
from relook.ops.geometry import unproject
from relook.ops.srgb import to_linear
from relook.ops.warp import look_up
from relook.perceive.match import exact
from relook.session import Session
from relook.transfer.materials.cover import Pattern
from relook.transfer.materials.sample import Material
from relook.types import Camera, View
from strolls import options, source, style

PHOTO = PhotoConfig(method="palette", depth_estimator="none")


@cache
def room() -> tuple[View, ...]:
    layout = sample_layout(21)
    return tuple(render(layout, sample_style(22), (96, 128), pose).view() for pose in walk(layout, 5))


@cache
def labels() -> SceneLabels:
    return scene_labels(source(room()), lambda view: view.segments)


def ground() -> Ground:
    found = ground_of(labels(), metres=True)
    assert found is not None
    return found


def checks(path: Path) -> Path:
    """Red and green squares, half as wide as the picture."""
    red, green = torch.tensor([0.8, 0.1, 0.1]), torch.tensor([0.1, 0.8, 0.1])
    first = (torch.arange(32) < 16)[:, None] ^ (torch.arange(32) < 16)
    write_image(path, torch.where(first, red[:, None, None], green[:, None, None]))
    return path


def laid(swatch: Path, session: Session, **changes: object) -> list[RestyledFrame]:
    photo = replace(PHOTO, material=(f"floor={swatch}",), scale=("1",), **changes)  # type: ignore[arg-type]
    return list(through_scene(source(room()), style(), options(carry="scene", photo=photo), session))


def redness(frame: RestyledFrame) -> Float[Tensor, "1 H W"]:
    return (frame.look.image[0] - frame.look.image[1])[None]


def test_a_point_of_the_world_has_one_place_on_the_floor_in_every_frame() -> None:
    for view in room():
        floor = view.segments.mask("floor")
        points = unproject(view.depth.values, view.camera)[floor]
        seen = places(ground().surface(view.camera, floor).H, floor).place
        assert float((seen - ground().places(points)).norm(dim=0).quantile(0.99)) < 0.03  # metres


def test_the_axes_of_the_floor_run_along_the_walls() -> None:
    """Of a room that is turned by 25 degrees in its world."""
    c, s = math.cos(math.radians(25)), math.sin(math.radians(25))
    turn = torch.tensor([[c, 0, s, 0], [0, 1, 0, 0], [-s, 0, c, 0], [0, 0, 0, 1.0]])
    cameras = [Camera(view.camera.K, view.camera.world_to_camera @ turn.T) for view in room()[:2]]
    turned = [replace(view, camera=camera) for view, camera in zip(room()[:2], cameras, strict=True)]
    found = ground_of(scene_labels(source(turned), lambda view: view.segments), metres=True)
    assert found is not None
    assert float(torch.linalg.cross(found.across, found.ahead)[1]) > 0.999
    for axis in (found.across, found.ahead):
        assert float((turn[:3, :3].T @ axis).abs().max()) > 0.999


def test_a_stated_material_does_not_slide_from_frame_to_frame(tmp_path: Path, session: Session) -> None:
    views, frames = room(), laid(checks(tmp_path / "checks.png"), session)
    compared = 0
    for here, there in ((0, 1), (2, 1), (3, 4)):
        matches = exact(views[here], views[there])
        carried = look_up(redness(frames[there]), matches.flow, matches.confidence, None)
        floor = frames[here].view.segments.mask("floor") & views[here].segments.mask("floor")
        mine, other = redness(frames[here])[0], carried.values[0]
        sure = floor & (carried.confidence > 0.9) & (mine.abs() > 0.1) & (other.abs() > 0.1)
        compared += int(sure.sum())
        assert float((mine[sure].sign() == other[sure].sign()).float().mean()) > 0.97
        assert float((mine[sure] > 0).float().mean()) > 0.15
        assert float((mine[sure] < 0).float().mean()) > 0.15
    assert compared > 1000


def test_light_and_shadow_of_a_frame_stay_on_the_material(tmp_path: Path, session: Session) -> None:
    views = room()[:2]
    dimmed = [views[0], replace(views[1], image=0.6 * views[1].image)]
    photo = replace(PHOTO, material=(f"floor={checks(tmp_path / 'checks.png')}",))
    config = options(carry="scene", photo=photo)
    bright, dim = (list(through_scene(source(some), style(), config, session))[1] for some in (views, dimmed))
    floor = bright.view.segments.mask("floor") & dim.view.segments.mask("floor")
    assert float(dim.look.image[:, floor].mean() / bright.look.image[:, floor].mean()) < 0.75


def test_a_frame_without_a_place_has_the_colour_of_the_material(tmp_path: Path, session: Session) -> None:
    """Its floor is neither the old one nor of another colour than in the frames beside it."""
    views, red = list(room()), torch.tensor([0.7, 0.2, 0.1])
    views[2] = View(views[2].image, views[2].segments)
    write_image(tmp_path / "red.png", red[:, None, None].expand(3, 16, 16))
    photo = replace(PHOTO, material=(f"floor={tmp_path / 'red.png'}",))
    walk = replace(posed_views(source(room()), options(), session), read=views.__getitem__)
    frames = list(through_scene(walk, style(), options(carry="scene", photo=photo), session))
    floors = [frame.look.image[:, frame.view.segments.mask("floor")].mean(1) for frame in frames]
    assert float((floors[2] - floors[1]).abs().max()) < 0.08
    assert float(floors[2][0] - floors[2][1]) > 0.3


def test_a_thing_without_a_plane_takes_no_material(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relook.lift.scene.decided.floor_plane", lambda *_: None)
    with pytest.raises(
        SegmentsError, match=r"^Expected a known plane under floor for a material, got none in the walk; "
    ):
        laid(checks(tmp_path / "checks.png"), session)


def test_what_lies_between_parts_of_a_floor_is_told_from_what_is_beside_it() -> None:
    plane = Plane(torch.tensor([0.0, 0.0, 1.0]), 0.0, 0.05)
    x, y = torch.meshgrid(torch.arange(0, 4, 0.05), torch.arange(0, 4, 0.05), indexing="ij")
    points = torch.stack([x.flatten(), y.flatten(), torch.zeros(x.numel())], 1)
    floor = (x < 3).flatten()
    hole = ((x - 1.5).square() + (y - 1.5).square() < 0.3**2).flatten()
    found = plane.between(points, floor & ~hole)
    assert bool(found[hole].all())
    assert float(found[(x > 3.2).flatten()].float().mean()) < 0.01


def test_small_parts_within_a_floor_are_of_the_floor() -> None:
    found = labels()
    floor, wall = (next(id for id, one in found.regions.items() if one.name == name) for name in ("floor", "wall"))
    drawn = torch.full((60, 80), floor)
    drawn[20:23, 30:33] = wall  # within
    drawn[:30, 60:] = wall
    drawn[26:30, 56:60] = wall  # a part of the large wall
    mended = without_islands(drawn, found._lying, ())
    assert bool((mended[20:23, 30:33] == floor).all())
    assert torch.equal(mended[:, 50:], drawn[:, 50:])


def test_a_light_material_does_not_glare_where_a_dark_floor_shines() -> None:
    flat = Exemplar(torch.zeros(3, 4, 4), torch.ones(4, 4, dtype=torch.bool), 0.1, (0.0, 0.0))
    pattern = Pattern(Material(flat, torch.full((3,), 0.2), 0.0), None)
    view = room()[0]
    shining = torch.full((3, 96, 128), 0.2)
    shining[:, :, 64:] = 0.4
    here = ground().surface(view.camera, torch.ones(96, 128, dtype=torch.bool))
    found = to_linear(pattern.over(shining, shining, here, float(to_linear(torch.tensor(0.2)).log())))
    seen = here.plane.clone()
    seen[:, 54:74] = False
    left, right = (found[0][seen & half].median() for half in (torch.arange(128) < 64, torch.arange(128) >= 64))
    assert 1.02 < float(right / left) < 2.3  # the floor's own light is four times as much
