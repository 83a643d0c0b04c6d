"""The floor of a walk of pictures alone: one plane that its points hold in place, and what stands above it is none."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
import torch
from jaxtyping import Float

from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.dollhouse.render import Rendering
from relook.lift.followed import FollowedFloor, FollowedLabels, OnFloor, followed_floor, followed_labels, raised
from relook.lift.followed.plane import FloorMatches, Known, Poses, solved
from relook.lift.followed.tracks import ground_in, tracked
from relook.ops.geometry import to_camera
from relook.types import Camera, Region, Segments, View
from strolls import plain, source

SIZE = (288, 384)


@cache
def room(frames: int = 6) -> tuple[Rendering, ...]:
    layout = sample_layout(931)
    return tuple(render(layout, sample_style(932), SIZE, pose) for pose in walk(layout, frames))


@cache
def pictures() -> tuple[View, ...]:
    return tuple(plain([one.view() for one in room()]))


def named(number: int) -> Segments:
    """Exact regions that are not sure."""
    found = room()[number].view().segments
    assert found is not None
    return Segments(found.labels, {id: Region(one.name, confidence=0.8) for id, one in found.regions.items()})


def see(view: View) -> Segments:
    return named(next(k for k, one in enumerate(pictures()) if one.image is view.image))


@cache
def labels() -> FollowedLabels:
    return followed_labels(source(pictures()), see)


def seen_by(camera: Camera, points: Float[torch.Tensor, "N 3"]) -> Float[np.ndarray, "N 2"]:
    there = to_camera(points, camera) @ camera.K.T
    return (there[:, :2] / there[:, 2:]).numpy()


def test_the_floor_of_a_drawn_walk_stays_where_it_is() -> None:
    """Places of the floor, as the first frame shows them, are where the last one shows them."""
    floor = followed_floor(source(pictures()), labels())
    assert floor is not None
    assert sorted(floor.cameras) == list(range(len(room())))
    first, last = room()[0], room()[-1]
    points = first.points[named(0).mask("floor")][::40]
    here, there = (seen_by(one.camera, points) for one in (first, last))
    H = [
        camera.K.numpy() @ camera.world_to_camera[:3, [0, 2, 3]].numpy()
        for camera in (floor.cameras[0], floor.cameras[len(room()) - 1])
    ]
    found = cv2.perspectiveTransform(here[:, None], H[1] @ np.linalg.inv(H[0]))[:, 0]
    inside = ((there > 0) & (there < np.array(SIZE[::-1]))).all(1)
    assert np.linalg.norm(there - here, axis=1)[inside].min() > 5
    assert np.median(np.linalg.norm(found - there, axis=1)[inside]) < 1.0
    assert floor.off < 0.5


def test_a_floor_that_pictures_do_not_hold_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.lift.followed.floor.STEADY", 0.001)
    assert followed_floor(source(pictures()), labels()) is None


def exact_floor() -> FollowedFloor:
    """The walk's own cameras, y down."""
    over = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    cameras = {number: Camera(one.camera.K, one.camera.world_to_camera @ over) for number, one in enumerate(room())}
    return FollowedFloor(cameras, torch.zeros(1, 3), 0.0)


def test_what_stands_above_the_floor_is_told_from_it() -> None:
    found, patches = raised(source(pictures()), exact_floor(), labels().patches), labels().patches
    for number in (1, 4):
        height = torch.nn.functional.interpolate(room()[number].points[..., 1][None, None], patches[number].shape)[0, 0]
        above = found[number][patches[number]]
        assert above[(height > 0.4).numpy()].mean() > 0.15
        assert above[(height < 0.01).numpy()].mean() < 0.05


def test_what_is_refuted_is_no_floor() -> None:
    """Of a table that every frame calls a floor little is left of it."""
    table = [
        named(number).among([id for id, one in named(number).regions.items() if one.name != "floor"])
        for number in range(6)
    ]
    floor = [named(number).mask("floor") for number in range(6)]
    wrong = [
        Segments(
            torch.where(one & (torch.arange(SIZE[0]) > 150)[:, None], 1, torch.where(two, 1, 2)),
            {1: Region("floor", confidence=0.8), 2: Region("wall", confidence=0.8)},
        )
        for one, two in zip(table, floor, strict=True)
    ]
    found = followed_labels(
        source(pictures()), lambda view: wrong[next(k for k, one in enumerate(pictures()) if one.image is view.image)]
    )
    above = raised(source(pictures()), exact_floor(), found.patches)
    mended = found.refuted(above)
    assert found.refuted([np.zeros_like(one) for one in above]) is found
    truth = floor[2]
    off = [float((one.rough(2, SIZE).mask("floor") & ~truth).float().mean()) for one in (found, mended)]
    assert off[1] < 0.75 * off[0]
    assert float((mended.rough(2, SIZE).mask("floor") & truth).sum() / truth.sum()) > 0.9


def test_frames_have_the_cameras_of_those_that_are_held() -> None:
    floor = exact_floor()
    found = OnFloor(source(pictures()), replace(floor, cameras={1: floor.cameras[1]}))
    assert [found.view(number).camera for number in range(3)] == [None, floor.cameras[1], None]
    assert torch.equal(found.view(0).image, pictures()[0].image)


def poses(count: int, seed: int) -> Poses:
    """Cameras 1.3 above a floor that look down at it, each a little turned and moved."""
    random = np.random.default_rng(seed)
    down = cv2.Rodrigues(np.array([-0.5, 0.0, 0.0]))[0]
    turns = np.stack([cv2.Rodrigues(0.1 * random.standard_normal(3))[0] @ down for _ in range(count)])
    eyes = np.array([0.0, -1.3, 0.0]) + 0.2 * random.standard_normal((count, 3))
    return Poses(turns, -np.einsum("fij,fj->fi", turns, eyes), 300.0, np.array([160.0, 120.0]))


def test_poses_are_found_again_from_points_of_the_floor_though_some_are_wrong() -> None:
    true, random = poses(5, 0), np.random.default_rng(1)
    first, second = np.repeat([0, 0, 1, 1, 2, 3], 40), np.repeat([1, 2, 2, 3, 4, 4], 40)
    places = np.stack(
        [random.uniform(-0.8, 0.8, len(first)), random.uniform(1.2, 3, len(first)), np.ones(len(first))], 1
    )
    ends = []
    for frames in (first, second):
        there = np.einsum("mij,mj->mi", np.stack([true.homography(int(frame)) for frame in frames]), places)
        ends.append(there[:, :2] / there[:, 2:])
    ends[1][::10] += 30.0
    step = 0.02 * random.standard_normal(6 * 5 + 1)
    known = Known([(0, 0, true.turns[0][:, 0]), (0, 1, true.turns[0][:, 1])], 300.0)
    found, off = solved(true.moved(step), FloorMatches(first, second, *ends), known)
    good = np.arange(len(first)) % 10 > 0
    assert np.quantile(off[good], 0.95) < 0.05
    assert off[~good].min() > 20
    assert abs(found.focal / 300 - 1) < 0.02
    assert known.tilt(found) < 0.02


def test_corners_are_found_where_a_homography_takes_them_about() -> None:
    noise = torch.rand(1, 3, 40, 60, generator=torch.Generator().manual_seed(0))
    image = torch.nn.functional.interpolate(noise, SIZE, mode="bicubic")[0].clamp(0, 1)
    true = np.array([[1.02, 0.03, 4.0], [-0.02, 0.99, -3.0], [1e-5, 2e-5, 1.0]])
    half = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    moved = cv2.warpPerspective(image.permute(1, 2, 0).numpy(), half @ true @ np.linalg.inv(half), SIZE[::-1])
    mask = np.zeros(SIZE, np.uint8)
    mask[60:200, 60:260] = 1
    one, two = (
        ground_in(image, mask),
        ground_in(torch.from_numpy(moved).permute(2, 0, 1).clamp(0, 1), np.ones(SIZE, np.uint8)),
    )
    guess = true + np.array([[0, 0, 2.0], [0, 0, -2.0], [0, 0, 0]])
    here, there = tracked(one, two, guess)
    assert len(here) > 60
    assert (one.mask[here[:, 1].astype(int), here[:, 0].astype(int)] > 0).all()
    assert np.median(np.linalg.norm(cv2.perspectiveTransform(here[:, None], true)[:, 0] - there, axis=1)) < 0.1
