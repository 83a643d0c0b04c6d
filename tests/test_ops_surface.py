"""Smoothing within surfaces: patterns go, edges of the geometry stay, nothing leaks."""

from __future__ import annotations

import pytest
import torch

from relook.errors import ShapeError
from relook.ops.surface import STEP, conductance, edges, smooth_within


def stripes(side: int = 48) -> torch.Tensor:
    return ((torch.arange(side) // 2) % 2).float().expand(3, side, side).clone()


def two_regions(side: int = 48) -> torch.Tensor:
    labels = torch.ones(side, side, dtype=torch.int64)
    labels[:, side // 2 :] = 2
    return labels


def test_patterns_go_and_the_mean_of_every_region_stays() -> None:
    image, labels = stripes(), two_regions()
    image[:, :, 24:] = image[:, :, 24:] * 0.2 + 0.8
    smooth = smooth_within(image, labels, reach=0.1)
    for region in (1, 2):
        inside = labels == region
        assert torch.allclose(smooth[:, inside].mean(1), image[:, inside].mean(1), atol=1e-4)
        assert smooth[:, inside].std() < 0.15 * image[:, inside].std()
    assert (smooth[:, :, 23] - smooth[:, :, 24]).abs().min() > 0.25, "nothing flows over the border"


def test_one_step_moves_colour_between_neighbours_of_one_region() -> None:
    """The slow twin: pixel by pixel, each pair of neighbours once."""
    image, labels = torch.rand(2, 5, 6), torch.randint(1, 3, (5, 6))
    expected = image.clone()
    for y in range(5):
        for x in range(6):
            for v, u in ((y + 1, x), (y, x + 1)):
                if v < 5 and u < 6 and labels[y, x] == labels[v, u]:
                    flow = STEP * (image[:, v, u] - image[:, y, x])
                    expected[:, y, x] += flow
                    expected[:, v, u] -= flow
    assert torch.allclose(smooth_within(image, labels, reach=(2 * STEP) ** 0.5 / 6), expected, atol=1e-6)


def test_a_crease_of_one_region_stops_the_flow_and_a_plane_does_not() -> None:
    side = 48
    x = torch.arange(side).float() / side
    roof = (1 - (x - 0.5).abs()).expand(side, side)
    ramp = (0.2 + 0.6 * x).expand(side, side)
    labels = torch.ones(side, side, dtype=torch.int64)
    half = torch.zeros(3, side, side)
    half[:, :, side // 2 :] = 1
    bent, flat = smooth_within(half, labels, roof, reach=0.1), smooth_within(half, labels, ramp, reach=0.1)
    assert (bent[:, :, 18] < 0.02).all()
    assert (flat[:, :, 18] > 0.05).all()
    assert conductance(labels, ramp)[1].min() > 0.99


def test_the_reach_is_the_deviation_of_a_gaussian() -> None:
    side, reach = 65, 0.06
    dot = torch.zeros(1, side, side)
    dot[0, 32, 32] = 1
    spread = smooth_within(dot, torch.ones(side, side, dtype=torch.int64), reach=reach)[0]
    place = torch.arange(side).float() - 32
    assert spread.sum() == pytest.approx(1, abs=1e-5)
    assert float((spread.sum(0) * place.square()).sum()) ** 0.5 == pytest.approx(reach * side, rel=0.05)


def test_edges_are_on_borders_and_fade() -> None:
    near = edges(two_regions(128), reach=0.012)
    assert near[64, 63] == 1
    assert near[64, 5] == 0
    assert near.min() >= 0
    assert near.max() <= 1


def test_maps_of_another_size_are_refused() -> None:
    with pytest.raises(ShapeError, match="resize"):
        smooth_within(stripes(), two_regions(32))
    with pytest.raises(ShapeError, match="resize"):
        conductance(two_regions(48), torch.ones(32, 32))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2)])
def test_tiny_pictures_pass(size: tuple[int, int]) -> None:
    image = torch.rand(3, *size)
    labels, disparity = torch.ones(size, dtype=torch.int64), torch.rand(size)
    assert smooth_within(image, labels, disparity).shape == image.shape
    assert edges(labels, disparity).shape == size
