"""Pinhole geometry: worked examples, exact truth of the dollhouse, and a slow twin."""

from __future__ import annotations

import math

import torch

from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.ops.geometry import (
    flow_from_depth,
    inside,
    pixel_centres,
    project,
    sample,
    to_camera,
    to_world,
    unproject,
)
from relook.types import Camera

K = torch.tensor([[100.0, 0, 8], [0, 100, 6], [0, 0, 1]])


def shifted(x: float = 0.0) -> Camera:
    """A camera that stands `x` to the right of the world's origin and looks along z."""
    pose = torch.eye(4)
    pose[0, 3] = -x
    return Camera(K, pose)


def points_seen(points: torch.Tensor, camera: Camera) -> torch.Tensor:
    """Where a camera sees the ray caster's own points: K (R p + t), divided by its last row."""
    homogeneous = torch.cat([points, torch.ones_like(points[..., :1])], -1)
    local = torch.einsum("ij,hwj->hwi", camera.world_to_camera, homogeneous)[..., :3]
    seen = torch.einsum("ij,hwj->hwi", camera.K, local)
    return seen[..., :2] / seen[..., 2:]


def turned(angle: float) -> Camera:
    """A camera that stands at (1, 2, 3) and has turned about y."""
    pose = torch.eye(4)
    pose[0, 0], pose[0, 2], pose[2, 0], pose[2, 2] = (
        math.cos(angle),
        math.sin(angle),
        -math.sin(angle),
        math.cos(angle),
    )
    pose[:3, 3] = -pose[:3, :3] @ torch.tensor([1.0, 2.0, 3.0])
    return Camera(K, pose)


def test_a_camera_that_moves_right_sees_a_wall_move_left_by_focal_length_over_depth() -> None:
    wall = torch.full((12, 16), 4.0)
    found = flow_from_depth(wall, shifted(), wall, shifted(0.12))
    assert torch.allclose(found.flow[0], torch.tensor(-3.0), atol=1e-4)  # 100 * 0.12 / 4
    assert torch.allclose(found.flow[1], torch.tensor(0.0), atol=1e-5)
    assert not found.visible[:, :3].any()  # these three columns leave the picture
    assert found.visible[:, 3:].all()
    assert found.known.all()


def test_the_middle_of_the_top_left_pixel_is_at_a_half() -> None:
    assert pixel_centres((2, 3))[1, 2].tolist() == [2.5, 1.5]
    point = unproject(torch.full((12, 16), 2.0), shifted())[0, 0]
    assert torch.allclose(point, torch.tensor([2 * (0.5 - 8) / 100, 2 * (0.5 - 6) / 100, 2.0]))


def test_points_come_back_to_where_they_were_seen() -> None:
    depth = torch.rand(12, 16, generator=torch.Generator().manual_seed(0)) + 1
    for camera in (shifted(0.3), turned(0.4)):
        pixels, z = project(unproject(depth, camera), camera)
        assert torch.allclose(pixels, pixel_centres((12, 16)), atol=1e-3)
        assert torch.allclose(z, depth, atol=1e-5)
        points = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
        assert torch.allclose(to_world(to_camera(points, camera), camera), points, atol=1e-5)
    assert torch.allclose(to_camera(torch.tensor([[1.0, 2.0, 3.0]]), turned(0.4)), torch.zeros(1, 3), atol=1e-6)


def test_it_is_the_dollhouses_own_flow() -> None:
    for seed in (1_000_003, 1_000_004):
        layout, style = sample_layout(seed), sample_style(seed)
        first, second = (render(layout, style, (48, 64), pose) for pose in walk(layout, 2))
        found = flow_from_depth(first.depth, first.camera, second.depth, second.camera)
        truth = points_seen(first.points, second.camera) - pixel_centres(first.depth.shape)
        assert torch.allclose(found.flow.permute(1, 2, 0)[found.visible], truth[found.visible], atol=2e-2)
        landing = (truth + pixel_centres(first.depth.shape))[found.visible].long()
        surface = second.points[landing[:, 1].clamp_max(first.depth.shape[0] - 1), landing[:, 0]]
        assert ((surface - first.points[found.visible]).norm(dim=1) < 0.15).float().mean() > 0.97  # the same spot
        assert found.known.all()


def test_what_a_nearer_thing_hides_is_not_visible_and_a_slope_hides_nothing() -> None:
    wall, box = torch.full((12, 16), 4.0), torch.full((12, 16), 4.0)
    box[:, 6:9] = 1.0
    hidden = ~flow_from_depth(wall, shifted(), box, shifted()).visible
    assert hidden[:, 6:8].all()  # the last column's four neighbours include the wall
    assert not hidden[:, :5].any()
    assert not hidden[:, 10:].any()
    slope = torch.linspace(1, 6, 16).expand(12, 16).contiguous()
    assert flow_from_depth(slope, shifted(), slope, shifted()).visible.all()


def test_pixels_without_depth_are_unknown_not_wrong() -> None:
    depth, other = torch.full((12, 16), 4.0), torch.full((12, 16), 4.0)
    depth[0, 0], depth[0, 1], depth[0, 2] = 0.0, float("nan"), float("inf")
    other[6:10, 6:10] = 0.0
    found = flow_from_depth(depth, shifted(), other, shifted())
    assert torch.isnan(found.flow[:, 0, :3]).all()
    assert not found.visible[0, :3].any()
    assert not found.known[0, :3].any()
    assert found.visible[8, 8]  # nothing is known to hide it
    assert not found.known[8, 8]
    assert torch.isfinite(found.flow[:, 1:]).all()


def test_a_point_behind_the_second_camera_is_not_visible() -> None:
    behind = torch.eye(4)
    behind[2, 3] = -5.0
    wall = torch.full((12, 16), 4.0)
    found = flow_from_depth(wall, shifted(), wall, Camera(K, behind))
    assert not found.visible.any()
    assert found.known.all()


def test_sampling_is_bilinear_between_centres_and_holds_the_border() -> None:
    values = torch.arange(12.0).view(1, 3, 4)
    places = torch.tensor([[[0.5, 0.5], [1.0, 0.5], [1.5, 1.0], [-3.0, 0.5], [9.0, 9.0]]])
    assert torch.allclose(sample(values, places), torch.tensor([[[0.0, 0.5, 3.0, 0.0, 11.0]]]), atol=1e-5)
    assert inside(torch.tensor([[0.0, 0.0], [4.0, 1.0], [3.9, 2.9], [-0.1, 1.0]]), (3, 4)).tolist() == [
        True, False, True, False,
    ]  # fmt: skip
