"""Normals by depth: exact on planes, calm where depth is a guess."""

from __future__ import annotations

import pytest
import torch

from relook.ops.normals import facing, normals


@pytest.mark.parametrize("wanted", [(0.0, 0.0, -1.0), (0.6, 0.0, -0.8), (0.0, -0.8, -0.6)])
def test_normals_of_a_plane_face_the_eye(wanted: tuple[float, float, float]) -> None:
    """Rays meet the plane n . p = -2 at depth -2 / (n . ray)."""
    K = torch.tensor([[40.0, 0, 20], [0, 40.0, 15], [0, 0, 1]])
    ys, xs = torch.meshgrid(torch.arange(30) + 0.5, torch.arange(40) + 0.5, indexing="ij")
    rays = torch.stack([(xs - 20) / 40, (ys - 15) / 40, torch.ones_like(xs)])
    normal = torch.tensor(wanted)
    depth = -2 / torch.einsum("c,chw->hw", normal, rays)
    assert torch.allclose(normals(depth, K), normal[:, None, None].expand(3, 30, 40), atol=1e-3)
    assert torch.allclose(normals(depth), normals(depth, torch.tensor([[28.0, 0, 20], [0, 28.0, 15], [0, 0, 1]])))


def test_normals_stay_themselves_up_to_an_edge() -> None:
    depth = torch.full((12, 12), 2.0)
    depth[:, 6:] = 5.0
    assert torch.allclose(normals(depth)[2], torch.tensor(-1.0))
    assert normals(torch.ones(1, 1)).flatten().tolist() == [0, 0, -1]


def corner(side: int = 64) -> torch.Tensor:
    """Two walls that meet in the middle at a right angle, seen by the guessed camera."""
    x = (torch.arange(side) + 0.5 - side / 2) / (0.7 * side)
    return (2 / (0.3 + x.abs())).expand(side, side)


def turn(found: torch.Tensor, other: torch.Tensor) -> float:
    """Median angle in degrees."""
    return float((found * other).sum(0).clamp(-1, 1).acos().median().rad2deg())


def test_drawn_depth_keeps_its_corners() -> None:
    labels = torch.ones(64, 64, dtype=torch.int64)
    exact, found = normals(corner()), facing(corner(), labels).normals
    assert turn(found, exact) < 2
    assert turn(found[:, :, 26:30], exact[:, :, 26:30]) < 5


def test_rough_depth_is_taken_at_large() -> None:
    """A flat wall with bumps: each says something else, together they say the truth."""
    labels = torch.ones(64, 64, dtype=torch.int64)
    bumps = torch.nn.functional.interpolate(
        torch.randn(1, 1, 12, 12, generator=torch.Generator().manual_seed(0)), (64, 64), mode="bicubic"
    )[0, 0]
    wall = torch.full((64, 64), 3.0)
    rough = wall * (1 + 0.03 * bumps)
    assert turn(normals(rough), normals(wall)) > 15
    assert turn(facing(rough, labels).normals, normals(wall)) < 8


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2), (9, 300)])
def test_any_size_faces_somewhere(size: tuple[int, int]) -> None:
    found = facing(torch.full(size, 2.0), torch.ones(size, dtype=torch.int64)).normals
    assert found.shape == (3, *size)
    assert torch.allclose(found.norm(dim=0), torch.ones(size), atol=1e-4)
