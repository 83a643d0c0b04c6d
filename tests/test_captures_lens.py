"""Lenses that bend straight lines, against OpenCV's own arithmetic and against straight lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from relook.captures.lens import Lens, lens
from relook.errors import GeometryError

cv2 = pytest.importorskip("cv2")

SIZE = (48, 64)
FOCAL, CENTRE = (55.0, 57.0), (31.0, 25.5)
LENSES: dict[str, tuple[list[float], list[float]]] = {
    "barrel": ([-0.15], [0.0, 0.0]),
    "pincushion": ([0.12, 0.05], [0.0, 0.0]),
    "all": ([-0.2, 0.08, -0.01, 0.02, -0.01, 0.005], [0.01, -0.006]),
}


def made(name: str) -> Lens:
    found = lens(FOCAL, CENTRE, *LENSES[name])
    assert found is not None
    return found


def opencv(bent: Lens) -> tuple[np.ndarray, np.ndarray]:
    """K, for pixel centres at integers as OpenCV has them, and coefficients in OpenCV's order."""
    (fx, fy), (cx, cy), k, p = bent.focal, bent.centre, bent.radial, bent.tangential
    K = np.array([[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1]])
    return K, np.array([k[0], k[1], *p, *k[2:]])


@pytest.mark.parametrize("name", LENSES)
def test_rays_land_where_opencv_sees_them(name: str) -> None:
    bent = made(name)
    rays = torch.rand(100, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5
    points = np.concatenate([rays.numpy(), np.ones((100, 1))], 1)
    seen, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), *opencv(bent))
    assert np.allclose(bent.pixels(rays).numpy(), seen[:, 0] + 0.5, atol=1e-9)


@pytest.mark.parametrize("name", LENSES)
def test_pictures_become_as_straight_as_opencv_makes_them(name: str) -> None:
    bent, picture = made(name), smooth()
    K = bent.pinhole(SIZE)
    shifted = K.numpy().copy()
    shifted[:2, 2] -= 0.5
    expected = cv2.undistort(picture.permute(1, 2, 0).numpy(), *opencv(bent), None, shifted)
    apart = np.abs(bent.straight(picture, K).permute(1, 2, 0).numpy() - expected)[
        2:-2, 2:-2
    ]  # OpenCV mixes black into the border
    assert apart.max() < 0.01


@pytest.mark.parametrize("name", LENSES)
def test_no_border_stays_empty_and_no_more_than_needed_is_lost(name: str) -> None:
    bent = made(name)
    K = bent.pinhole(SIZE)
    white = bent.straight(torch.ones(1, *SIZE), K, nearest=True)
    assert bool((white == 1).all())
    seen = border(bent, K)
    assert bool(((seen >= 0) & (seen <= torch.tensor([64, 48]))).all())
    if K[0, 0] > FOCAL[0]:
        less = K.clone()
        less[[0, 1], [0, 1]] *= 0.99
        assert not bool(((border(bent, less) >= 0) & (border(bent, less) <= torch.tensor([64, 48]))).all())
    assert torch.equal(K[:2, 2], torch.tensor(CENTRE, dtype=torch.float64))
    assert float(K[0, 0] / K[1, 1]) == pytest.approx(FOCAL[0] / FOCAL[1])


def test_a_barrel_keeps_its_focal_length_and_a_pincushion_does_not() -> None:
    assert made("barrel").pinhole(SIZE)[0, 0] == FOCAL[0]
    assert FOCAL[0] < made("pincushion").pinhole(SIZE)[0, 0] < 1.3 * FOCAL[0]


def test_depth_is_moved_by_whole_pixels() -> None:
    depth = torch.zeros(1, *SIZE)
    depth[:, ::2] = 3.5
    bent = made("all")
    assert set(bent.straight(depth, bent.pinhole(SIZE), nearest=True).unique().tolist()) == {0.0, 3.5}


@pytest.mark.parametrize("k1", [-3.0, 8.0])
def test_lenses_that_no_pinhole_camera_can_stand_for(k1: float) -> None:
    bent = lens((20.0, 20.0), (32.0, 24.0), [k1], [])
    assert bent is not None
    with pytest.raises(GeometryError, match="undistort the pictures first"):
        bent.pinhole(SIZE)


def test_no_distortion_is_no_lens() -> None:
    assert lens(FOCAL, CENTRE, [0.0, 1e-12], [0.0]) is None
    assert lens(FOCAL, CENTRE, [], [1e-3]) == Lens(FOCAL, CENTRE, (0.0,) * 6, (1e-3, 0.0))


def smooth() -> torch.Tensor:
    """A picture of slow waves, the same under any interpolation."""
    y, x = torch.meshgrid(torch.arange(48) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    return torch.stack([0.5 + 0.4 * torch.sin(x / 9), 0.5 + 0.4 * torch.cos(y / 7), (x + y) / 112])


def border(bent: Lens, K: torch.Tensor) -> Any:
    """Where the lens shows the outermost pixels of a straight picture."""
    y, x = torch.meshgrid(torch.arange(48) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    outer = (x < 1) | (x > 63) | (y < 1) | (y > 47)
    places = torch.stack([x[outer], y[outer]], -1).double()
    return bent.pixels((places - K[:2, 2]) / K[[0, 1], [0, 1]])
