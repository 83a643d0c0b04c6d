"""Geometry of several views against the dollhouse's exact truth: back ends, chaining, densifying, and other projects' formats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from relook.dollhouse import Rendering, exact_flow, render, sample_layout, sample_style, walk
from relook.errors import GeometryError, InputError
from relook.ops.align import align_cameras, rotation_angle
from relook.ops.geometry import project
from relook.perceive.geometry import exact, from_matches, geometry
from relook.perceive.geometry.bent import fit_to_points
from relook.perceive.geometry.chain import chain, relative_pose, triangulate
from relook.perceive.match.keypoints import KeypointMatches
from relook.session import Session
from relook.types import Camera, Depth, View
from walks import SEED, relative_errors, views_of_a_walk


def matcher_of(truth: Sequence[Rendering], noise: float = 0.0, lies: float = 0.0) -> Any:
    """A keypoint matcher that knows the exact flow; `lies` of its matches are random."""
    images = [room.image for room in truth]

    def match(first: View, second: View) -> KeypointMatches:
        a, b = (truth[next(i for i, image in enumerate(images) if image is v.image)] for v in (first, second))
        flow, visible = exact_flow(a, b)
        draw = torch.Generator().manual_seed(0)
        places = visible.nonzero()[torch.randperm(int(visible.sum()), generator=draw)[:300]]
        start = places.flip(1) + 0.5
        end = start + flow[:, places[:, 0], places[:, 1]].T + noise * torch.randn(len(start), 2, generator=draw)
        count = int(lies * len(end))
        end[:count] = torch.rand(count, 2, generator=draw) * 96
        return KeypointMatches(start, end, torch.ones(len(start)))

    return match


def test_exact_points_are_the_rooms_own() -> None:
    views = [room.view() for room in views_of_a_walk()]
    found = geometry("auto", Session("cpu"))(views)
    assert (found.source, found.kind) == ("exact", "metric")
    for cloud, room in zip(found.points, views_of_a_walk(), strict=True):
        assert torch.allclose(cloud, room.points, atol=2e-4)
    with pytest.raises(GeometryError, match="view 1 without"):
        exact([views[0], replace(views[1], camera=None)])
    with pytest.raises(GeometryError, match="at least one view"):
        geometry("auto", Session("cpu"))([])


def test_sensors_leave_holes() -> None:
    room = views_of_a_walk()[0]
    valid = torch.ones_like(room.depth, dtype=torch.bool)
    valid[:10] = False
    view = View(room.image, camera=room.camera, depth=Depth(room.depth * valid, "metric", valid))
    found = geometry("auto", Session("cpu"))([view])
    assert found.source == "sensor"
    assert torch.isnan(found.points[0][:10]).all()
    assert (found.confidence[0] == valid.float()).all()
    assert torch.allclose(found.points[0][10:], room.points[10:], atol=2e-4)
    with pytest.raises(GeometryError, match="metric depth"):
        exact([View(room.image, camera=room.camera)])


def test_unknown_geometry_is_refused() -> None:
    with pytest.raises(InputError, match="colmap, matches"):
        geometry("slam", Session("cpu"))


def test_chained_cameras_with_exact_depth_are_exact() -> None:
    truth = views_of_a_walk()
    views = [
        View(room.image, camera=Camera(room.camera.K, torch.eye(4)), depth=Depth(room.depth, "metric"))
        for room in truth
    ]
    found = geometry("matches", Session("cpu"), keypoints=matcher_of(truth, noise=0.1, lies=0.2))(views)
    turns, shifts, points = relative_errors(found, truth)
    assert max(turns) < 0.3
    assert max(shifts) < 0.03
    assert max(points) < 0.05
    assert found.source == "matches"


def test_wrong_depth_spoils_lengths_only() -> None:
    """A flat guess of 3 m gives the rotation and, up to one scale per step, the direction of the matches."""
    truth = views_of_a_walk()
    views = [View(room.image, camera=Camera(room.camera.K, torch.eye(4))) for room in truth]
    flat = [Depth(torch.full_like(room.depth, 3.0), "metric") for room in truth]
    seen = chain(views, flat, matcher_of(truth, noise=0.1))
    change = align_cameras([sparse.camera for sparse in seen], [room.camera for room in truth])
    for sparse, room in zip(seen, truth, strict=True):
        turned = change.camera(sparse.camera).world_to_camera[:3, :3] @ room.camera.world_to_camera[:3, :3].T
        assert rotation_angle(turned) < 0.6
        pixels, depth = project(sparse.points, sparse.camera)
        assert float((pixels - sparse.pixels).norm(dim=-1).median()) < 0.5
        assert (depth > 0).all()


def test_a_turn_on_the_spot_is_told_by_depth() -> None:
    layout, style = sample_layout(SEED), sample_style(SEED)
    pose = walk(layout, 1)[0]
    truth = [render(layout, style, (96, 128), p) for p in (pose, replace(pose, yaw=pose.yaw + 0.1))]
    found = matcher_of(truth)(truth[0].view(), truth[1].view())
    Ks, depths = [room.camera.K for room in truth], [Depth(room.depth, "metric") for room in truth]
    step = relative_pose(found.first, found.second, Ks, depths, (96, 128))
    assert rotation_angle(step.pose[:3, :3]) == pytest.approx(math.degrees(0.1), abs=0.1)
    assert float(step.pose[:3, 3].norm()) < 0.02


def test_views_without_anything_in_common_are_named() -> None:
    truth = views_of_a_walk()

    def nothing(first: View, second: View) -> KeypointMatches:
        return KeypointMatches(torch.rand(3, 2), torch.rand(3, 2), torch.ones(3))

    with pytest.raises(GeometryError, match="views 0 and 1"):
        from_matches([room.view() for room in truth], lambda view: view.depth, nothing)


def test_triangulated_points_are_the_points() -> None:
    a, b = views_of_a_walk()[0], views_of_a_walk()[2]
    pose = b.camera.world_to_camera @ torch.linalg.inv(a.camera.world_to_camera)
    first = a.points[::7, ::7].reshape(-1, 3) @ a.camera.world_to_camera[:3, :3].T + a.camera.world_to_camera[:3, 3]
    second = first @ pose[:3, :3].T + pose[:3, 3]
    found, front = triangulate(pose, first / first[:, 2:], second / second[:, 2:])
    assert torch.allclose(found[front], first[front], atol=5e-3)
    assert (front == (second[:, 2] > 0)).all()


def test_sparse_points_straighten_a_bent_estimate() -> None:
    room = views_of_a_walk()[0]
    height, width = room.depth.shape
    bend = 1 + 0.1 * torch.linspace(-1, 1, width)
    estimate = 1 / (0.6 / room.depth + 0.08) * bend
    draw = torch.Generator().manual_seed(0)
    pixels = torch.rand(200, 2, generator=draw) * torch.tensor([width, height])
    known = room.depth[pixels[:, 1].long(), pixels[:, 0].long()].clone()
    known[:20] *= 3
    dense, confidence = fit_to_points(estimate, pixels, known)
    error, before = (dense / room.depth - 1).abs(), (estimate / room.depth - 1).abs()
    assert float(error.median()) < 0.03
    assert float(before.median()) > 0.1
    assert float(confidence.min()) >= 0
    far, sure = fit_to_points(estimate, pixels[pixels[:, 0] < width / 4], known[pixels[:, 0] < width / 4])
    assert far.shape == room.depth.shape
    assert float(sure[:, : width // 5].mean()) > 0.5 > 0.1 > float(sure[:, -width // 4 :].mean())
