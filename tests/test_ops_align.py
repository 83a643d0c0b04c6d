"""Similarities of points and cameras, and scale and shift of depth, against truths that they must recover."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from relook.errors import GeometryError
from relook.ops.align import (
    Similarity,
    align_cameras,
    centre,
    fit_disparity,
    nearest_rotation,
    relative_to_first,
    rotation_angle,
)
from relook.ops.geometry import project
from relook.types import Camera

DRAW = np.random.default_rng(0)
K = torch.tensor([[100.0, 0, 50], [0, 110, 40], [0, 0, 1]])


def turned(seed: int) -> torch.Tensor:
    return torch.from_numpy(Rotation.random(random_state=seed).as_matrix()).float()


def camera(seed: int) -> Camera:
    pose = torch.eye(4)
    pose[:3, :3], pose[:3, 3] = turned(seed), torch.randn(3, generator=torch.Generator().manual_seed(seed))
    return Camera(K, pose)


CHANGE = Similarity(2.5, turned(7), torch.tensor([1.0, -2.0, 0.5]))


def test_a_carried_camera_sees_carried_points_in_the_same_pixels() -> None:
    points = torch.from_numpy(DRAW.normal(size=(10, 3))).float()
    before, depth = project(points, camera(3))
    after, carried = project(CHANGE.points(points), CHANGE.camera(camera(3)))
    front = depth > 0.05
    assert torch.allclose(before[front], after[front], atol=1e-2)
    assert torch.allclose(carried, 2.5 * depth, atol=1e-4)


def test_cameras_on_one_line_are_aligned() -> None:
    exact = []
    for step in range(4):
        pose = torch.eye(4)
        pose[:3, :3] = turned(1)
        pose[:3, 3] = -turned(1) @ torch.tensor([0.3 * step, 0.1 * step, 0.0])
        exact.append(Camera(K, pose))
    found = [CHANGE.camera(c) for c in exact]
    back = align_cameras(found, exact)
    assert back.scale == pytest.approx(1 / 2.5, rel=1e-4)
    for ours, truth in zip(found, exact, strict=True):
        assert torch.allclose(centre(back.camera(ours)), centre(truth), atol=1e-5)


def test_the_first_camera_becomes_the_origin() -> None:
    cameras = [camera(1), camera(2)]
    moved = [relative_to_first(cameras, 3.0).camera(c) for c in cameras]
    assert torch.allclose(moved[0].world_to_camera, torch.eye(4), atol=1e-5)
    apart = float((centre(cameras[0]) - centre(cameras[1])).norm())
    assert float((centre(moved[0]) - centre(moved[1])).norm()) == pytest.approx(3 * apart, rel=1e-4)


def test_angles_of_rotations() -> None:
    for degrees in (0.01, 30.0, 179.0):
        matrix = Rotation.from_rotvec([0, math.radians(degrees), 0]).as_matrix()
        assert rotation_angle(torch.from_numpy(matrix)) == pytest.approx(degrees, rel=1e-6)
    shaken = turned(5) + 1e-3 * torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(nearest_rotation(shaken) @ nearest_rotation(shaken).T, torch.eye(3), atol=1e-6)


def test_scale_and_shift_of_disparity_survive_a_quarter_of_lies() -> None:
    draw = torch.Generator().manual_seed(0)
    estimate = 1 + 4 * torch.rand(200, generator=draw)
    known = 1 / (0.5 / estimate + 0.1)
    lies = known.clone()
    lies[:50] = 0.3 + torch.rand(50, generator=draw)
    fit = fit_disparity(estimate, lies)
    assert (fit.slope, fit.offset) == pytest.approx((0.5, 0.1), abs=0.01)
    assert torch.allclose(fit.apply(estimate), known, rtol=0.03)
    assert fit.inliers[50:].all()
    assert fit.inliers[:50].float().mean() < 0.2


def test_depth_stays_positive_where_the_fit_points_beyond_infinity() -> None:
    fit = fit_disparity(
        torch.tensor([1.0, 1.5, 2.0, 2.5, 3.0]), 1 / (1 / torch.tensor([1.0, 1.5, 2.0, 2.5, 3.0]) - 0.2)
    )
    far = fit.apply(torch.tensor([1.0, 2.0, 3.0, 50.0]))
    assert torch.isfinite(far).all()
    assert (far > 0).all()
    assert far[3] > far[2]


def test_too_few_known_depths_are_refused() -> None:
    with pytest.raises(GeometryError, match="at least two known depths"):
        fit_disparity(torch.tensor([1.0, math.nan]), torch.tensor([1.0, 2.0]))
    assert fit_disparity(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0])).slope == pytest.approx(0.5)
