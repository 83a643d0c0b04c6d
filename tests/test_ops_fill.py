"""Holes take the value of the nearest pixel that is none: against a search over all pixels."""

from __future__ import annotations

import pytest
import torch

from relook.ops.fill import filled, smoothly_filled, whole_depth
from relook.types import Depth


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_holes_take_the_nearest_value(dtype: torch.dtype) -> None:
    draw = torch.Generator().manual_seed(0)
    values = torch.randint(0, 99, (2, 7, 9), generator=draw).to(dtype)
    holes = torch.rand(7, 9, generator=draw) < 0.6
    found = filled(values, holes)
    known = (~holes).nonzero()
    for y in range(7):
        for x in range(9):
            away = (known - torch.tensor([y, x])).square().sum(1)
            nearest = known[away == away.min()]
            assert any(torch.equal(found[:, y, x], values[:, v, u]) for v, u in nearest.tolist())
    assert torch.equal(found[:, ~holes], values[:, ~holes])


def test_nothing_to_fill_and_nothing_to_fill_from() -> None:
    values = torch.rand(3, 4)
    assert torch.equal(filled(values, torch.zeros(3, 4, dtype=torch.bool)), values)
    assert torch.equal(filled(values, torch.ones(3, 4, dtype=torch.bool)), values)


def test_networks_read_depth_without_holes() -> None:
    """What was not measured takes its nearest neighbour's depth, whatever number stands there; what is drawn stays as it is."""
    values, valid = torch.tensor([[1.0, 9.0, 3.0, 0.0]]), torch.tensor([[True, False, True, False]])
    whole = whole_depth(Depth(values, "metric", valid))
    assert whole is not None
    assert (whole.kind, whole.valid) == ("metric", None)
    assert whole.values[0, [0, 2, 3]].tolist() == [1, 3, 3]
    assert float(whole.values[0, 1]) in (1, 3)
    assert bool(whole.disparity().isfinite().all())
    drawn = whole_depth(Depth(values[:, :3], "relative"))
    assert drawn is not None
    assert torch.equal(drawn.values, values[:, :3])
    assert whole_depth(Depth(values, "metric", torch.zeros_like(valid))) is None


def test_a_smaller_depth_keeps_its_holes() -> None:
    valid = torch.ones(4, 6, dtype=torch.bool)
    valid[:2, :2] = False
    small = Depth(torch.arange(24.0).view(4, 6), "metric", valid, ~valid).resized((2, 3))
    assert small.valid is not None
    assert small.estimated is not None
    assert torch.equal(small.estimated, ~small.valid)
    assert small.valid.tolist() == [[False, True, True], [True, True, True]]
    assert set(small.values.flatten().tolist()) <= set(range(24))
    assert Depth(torch.ones(4, 6), "relative").resized((2, 3)).valid is None


def test_smooth_filling_meets_the_rim_and_keeps_the_rest() -> None:
    """A ramp with a hole: known pixels stay, the hole lies between its rims; a constant is filled exactly."""
    ramp = torch.linspace(0, 1, 33).expand(1, 21, 33).clone()
    holes = torch.zeros(21, 33, dtype=torch.bool)
    holes[5:15, 8:20] = True
    found = smoothly_filled(torch.where(holes, 7.0, ramp), holes)
    assert torch.equal(found[:, ~holes], ramp[:, ~holes])
    assert found[:, holes].min() > 0.1
    assert found[:, holes].max() < 0.8
    flat = smoothly_filled(torch.where(holes, -3.0, 0.25).expand(2, -1, -1), holes)
    torch.testing.assert_close(flat, torch.full_like(flat, 0.25))


def test_nothing_to_fill_from_gives_zero() -> None:
    assert smoothly_filled(torch.ones(1, 5, 7), torch.ones(5, 7, dtype=torch.bool)).abs().max() == 0
