"""RAFT: the lookup against a slow twin, the enlargement by hand, and the real checkpoints on pictures with a known motion."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from moves import moved
from relook.errors import ShapeError
from relook.models.raft import (
    FULL,
    SMALL,
    Raft,
    convex_combination,
    correlation_pyramid,
    enlarged,
    grid,
    load_raft,
    lookup,
)
from relook.models.store import locate

RADIUS = 2


def slow_lookup(first, second, places, radius):
    """The same numbers one by one: correlate, average blocks of places, interpolate by hand, zero outside."""
    channels, height, width = first.shape
    found = []
    for level in range(4):
        side = 2**level
        rows, columns = second.shape[1] // side, second.shape[2] // side
        blocks = second[:, : rows * side, : columns * side].view(channels, rows, side, columns, side).mean((2, 4))
        for dx in range(-radius, radius + 1):
            for dy in range(-radius, radius + 1):
                plane = torch.zeros(height, width)
                for y in range(height):
                    for x in range(width):
                        px, py = (places[:, y, x] / side + torch.tensor([dx, dy])).tolist()
                        x0, y0 = int(px // 1), int(py // 1)
                        for yy, xx in ((y0, x0), (y0, x0 + 1), (y0 + 1, x0), (y0 + 1, x0 + 1)):
                            if 0 <= yy < rows and 0 <= xx < columns:
                                weight = (1 - abs(px - xx)) * (1 - abs(py - yy))
                                plane[y, x] += weight * (first[:, y, x] @ blocks[:, yy, xx]) / channels**0.5
                found.append(plane)
    return torch.stack(found)


def test_the_lookup_is_its_slow_twin() -> None:
    draw = torch.Generator().manual_seed(0)
    first, second = torch.randn(6, 9, 8, generator=draw), torch.randn(6, 9, 8, generator=draw)
    places = grid(9, 8, first)[0] + 2 * torch.randn(2, 9, 8, generator=draw)
    fast = lookup(correlation_pyramid(first[None], second[None]), places[None], RADIUS)[0]
    assert fast.shape == (4 * (2 * RADIUS + 1) ** 2, 9, 8)
    assert torch.allclose(fast, slow_lookup(first, second, places, RADIUS), atol=1e-4)


def test_the_correlation_of_equal_features_is_highest_where_they_are() -> None:
    features = functional.normalize(torch.randn(1, 64, 8, 8, generator=torch.Generator().manual_seed(1)), dim=1)
    seen = lookup(correlation_pyramid(features, features), grid(8, 8, features), RADIUS)[0, : (2 * RADIUS + 1) ** 2]
    assert (seen.argmax(0) == 2 * RADIUS * (RADIUS + 1)).all()  # the middle of the window


def test_equal_weights_average_the_neighbours_and_certain_ones_copy() -> None:
    flow = torch.randn(1, 2, 4, 5, generator=torch.Generator().manual_seed(2))
    mean = functional.avg_pool2d(8 * flow, 3, 1, 1).repeat_interleave(8, -1).repeat_interleave(8, -2)
    assert torch.allclose(convex_combination(flow, torch.zeros(1, 576, 4, 5)), mean, atol=1e-5)
    weights = torch.full((1, 9, 64, 4, 5), -50.0)
    weights[:, 4] = 50.0  # the middle one of the nine
    copied = (8 * flow).repeat_interleave(8, -1).repeat_interleave(8, -2)
    assert torch.allclose(convex_combination(flow, weights.view(1, 576, 4, 5)), copied, atol=1e-5)


def test_bilinear_enlargement_keeps_the_corners_and_scales_to_pixels() -> None:
    flow = torch.tensor([[[[0.0, 1.0]], [[2.0, 2.0]]]])
    large = enlarged(flow)
    assert large.shape == (1, 2, 8, 16)
    assert torch.allclose(large[0, 0, 0], torch.linspace(0, 8, 16))
    assert torch.allclose(large[0, 1], torch.tensor(16.0))


@pytest.mark.parametrize("sizes", [SMALL, FULL], ids=["small", "full"])
@torch.no_grad()
def test_both_ways_is_each_way_on_its_own(sizes) -> None:
    torch.manual_seed(0)
    network = Raft(sizes).eval()
    first, second = torch.rand(2, 3, 72, 64, generator=torch.Generator().manual_seed(3))
    forward, backward = network(first, second, iterations=2)
    assert forward.shape == (2, 72, 64)
    assert torch.allclose(forward, network(second, first, 2)[1], atol=1e-3)
    assert torch.allclose(backward, network(second, first, 2)[0], atol=1e-3)
    assert (forward - backward).abs().max() > 1e-3


def test_sides_that_do_not_fit_are_refused() -> None:
    torch.manual_seed(0)
    with pytest.raises(ShapeError, match="multiples of 8"):
        Raft(SMALL)(torch.rand(3, 64, 68), torch.rand(3, 64, 68))


@pytest.mark.weights
@pytest.mark.parametrize(("name", "sizes"), [("raft_small", SMALL), ("raft_sintel", FULL)])
@torch.no_grad()
def test_the_real_checkpoints_see_a_known_motion(shared: Path, name: str, sizes) -> None:
    """A picture, turned and shifted by up to 9 pixels: the median error is under half a pixel, away from the border."""
    network = load_raft(locate(name))
    assert network.sizes == sizes
    move = moved()
    flow = network(move.first.image, move.second.image, 8)[0]
    assert move.flow.norm(dim=0).median() > 4
    assert (flow - move.flow).norm(dim=0)[move.inner].median() < 0.5
