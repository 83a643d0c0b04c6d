"""Ways of cameras: on the way between two, upright, smooth past many."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from relook.ops.align import centre, rotation_angle
from relook.ops.poses import apart, between, looking, through
from relook.types import Camera

K = torch.tensor([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]])
UP = torch.tensor([0.0, -1.0, 0.0])


def camera(x: float, yaw: float) -> Camera:
    return looking(K, torch.tensor([x, 0.0, 0.0]), torch.tensor([math.sin(yaw), 0.0, math.cos(yaw)]), UP)


def test_a_camera_looks_where_it_is_asked_to_and_stands_upright() -> None:
    eye, ahead = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 1.0, -0.5])
    pose = looking(K, eye, ahead, UP).world_to_camera
    assert torch.allclose(centre(Camera(K, pose)), eye, atol=1e-5)
    assert torch.allclose(pose[:3, :3] @ ahead / ahead.norm(), torch.tensor([0.0, 0.0, 1.0]), atol=1e-5)
    assert float(torch.linalg.det(pose[:3, :3])) == pytest.approx(1, abs=1e-5)
    assert float((pose[:3, :3] @ UP)[0]) == pytest.approx(0, abs=1e-5)
    assert float((pose[:3, :3] @ UP)[1]) < 0


def test_half_way_is_in_the_middle() -> None:
    half = between(camera(0, 0), camera(2, 1), 0.5)
    assert torch.allclose(half.world_to_camera, camera(1, 0.5).world_to_camera, atol=1e-5)


def test_a_way_is_even_and_passes_near_all_cameras() -> None:
    yaws = [0.0, 0.1, 0.25, 0.2, 0.4, 0.9]
    known = [camera(x, yaw) for x, yaw in zip((0, 0.3, 1.0, 1.2, 2.0, 2.6), yaws, strict=True)]
    way = through(known, 60)
    assert len(way) == 60
    eyes = torch.stack([centre(one) for one in way])
    steps = eyes.diff(dim=0).norm(dim=1) / 2.6 + torch.tensor([_turn(a, b) for a, b in pairwise(way)])
    assert float(steps.max()) < 3 * float(steps.mean())
    for one in known:
        assert min(float((centre(one) - eye).norm()) for eye in eyes) < 0.2
    bends = eyes.diff(dim=0).diff(dim=0).norm(dim=1)
    assert float(bends.max()) < 0.5 * float(eyes.diff(dim=0).norm(dim=1).mean())


def test_standing_still_for_a_while_does_not_stop_the_way() -> None:
    known = [camera(0, 0), camera(0, 0), camera(1, 0.5), camera(1, 0.5), camera(2, 0.6)]
    eyes = torch.stack([centre(one) for one in through(known, 21)])
    assert float(eyes.diff(dim=0).norm(dim=1).min()) > 0.01


def test_cameras_that_are_all_alike_lead_nowhere() -> None:
    assert not apart([camera(0, 0), camera(0, 0)])
    assert not apart([camera(0, 0)])
    assert apart([camera(0, 0), camera(0, 0.1)])


def _turn(first: Camera, second: Camera) -> float:
    return math.radians(rotation_angle(first.world_to_camera[:3, :3] @ second.world_to_camera[:3, :3].T))
