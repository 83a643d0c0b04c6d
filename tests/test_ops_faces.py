"""Rough depth as flat faces, against drawn rooms whose surfaces are exactly known."""

from __future__ import annotations

import math

import pytest
import torch

from relook.dollhouse import render, sample_layout, sample_style
from relook.errors import ShapeError
from relook.ops.faces import square_faces
from relook.ops.guided import box
from relook.ops.normals import facing
from relook.perceive.layout.faces import squared
from relook.types import Depth, Layout, View


@pytest.fixture(scope="module")
def room() -> View:
    return render(sample_layout(3, "living"), sample_style(4), (128, 128)).view()


@pytest.fixture(scope="module")
def rough(room: View) -> torch.Tensor:
    """The room's depth as a network may guess it: off by 5 percent, in bumps of a few pixels."""
    assert room.depth is not None
    bumps = box(torch.randn(1, 128, 128, generator=torch.Generator().manual_seed(1)), 3)[0]
    return room.depth.values * (0.05 * bumps / bumps.std()).exp()


def astray(view: View, depth: torch.Tensor) -> torch.Tensor:
    """Degrees between the normals of a depth and the true ones, per pixel."""
    assert view.depth is not None
    assert view.segments is not None
    assert view.camera is not None
    found, true = (facing(one, view.segments.labels, view.camera.K).normals for one in (depth, view.depth.values))
    return (found * true).sum(0).clamp(-1, 1).acos() * (180 / math.pi)


def test_surfaces_face_again_where_they_should(room: View, rough: torch.Tensor) -> None:
    assert room.camera is not None
    assert room.depth is not None
    layout = Layout((128, 128), room.camera, 2.6, ())
    found = squared(View(room.image, room.segments, Depth(rough, "metric"), layout=layout))
    assert found.depth is not None
    before, after = astray(room, rough), astray(room, found.depth.values)
    assert before.median() > 8
    assert after.median() < 1
    assert (after < 15).double().mean() > 0.85
    assert facing_calm(found) > 0.9
    errors = [(one / room.depth.values).log().abs().median() for one in (rough, found.depth.values)]
    assert errors[1] < 0.7 * errors[0]


def facing_calm(view: View) -> float:
    assert view.depth is not None
    assert view.segments is not None
    return facing(view.depth.values, view.segments.labels).calm


def test_the_layouts_camera_is_taken_where_it_is_sure(room: View, rough: torch.Tensor) -> None:
    assert room.camera is not None
    for directions, taken in ((0.9, True), (0.05, False)):
        layout = Layout((128, 128), room.camera, 2.6, (), directions)
        found = squared(View(room.image, room.segments, Depth(rough, "metric"), layout=layout))
        assert (found.camera is room.camera) == taken


def test_depth_that_no_faces_explain_stays_as_it_was(room: View) -> None:
    wild = torch.rand(128, 128, generator=torch.Generator().manual_seed(2)) * 8 + 0.5
    for depth in (Depth(wild, "metric"), Depth(wild, "relative")):
        view = View(room.image, room.segments, depth, room.camera)
        assert squared(view) is view


def test_a_wall_seen_from_inside_is_the_nearest_of_its_planes() -> None:
    """The corner of two walls lies where their planes meet, however wavy the depth is there."""
    K, axes = torch.tensor([[50.0, 0, 32], [0, 50, 32], [0, 0, 1]]), torch.eye(3)
    x = (torch.arange(64) + 0.5 - 32) / 50
    exact = torch.minimum(torch.tensor(4.0), 1.6 / x.clamp_min(1e-3)).expand(64, 64)
    waves = 1 + 0.05 * torch.sin(torch.arange(64) / 3)[:, None]
    found = square_faces(exact * waves, torch.ones(64, 64, dtype=torch.int64), K, axes, {1: True})
    steps = found.diff(dim=1)
    corner = (steps < -1e-3).long().argmax(1)
    assert corner.unique().numel() == 1
    assert abs(int(corner[0]) - (32 + 50 * 0.4)) <= 2


def test_level_regions_have_no_upright_faces() -> None:
    K, axes = torch.tensor([[50.0, 0, 32], [0, 50, -10], [0, 0, 1]]), torch.eye(3)
    y = (torch.arange(64) + 0.5 + 10) / 50
    exact = (1.5 / y)[:, None].expand(64, 64)
    found = square_faces(exact, torch.ones(64, 64, dtype=torch.int64), K, axes, {1: False})
    assert torch.allclose(found, exact, rtol=0.02)


def test_labels_of_another_size_are_refused() -> None:
    with pytest.raises(ShapeError, match="Expected labels of"):
        square_faces(torch.ones(8, 8), torch.ones(8, 9, dtype=torch.int64), torch.eye(3), torch.eye(3), {})
