"""Holes take the value of the nearest pixel that is none: against a search over all pixels."""

from __future__ import annotations

import pytest
import torch

from relook.ops.fill import filled


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
