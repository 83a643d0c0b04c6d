"""Optimal transport of colours: POT's plan, exact assignment, the style's colours and no others."""

from __future__ import annotations

import numpy as np
import ot
import pytest
import torch

from relook.ops.transport import Cells, cells, entropic_map


def even(colours: np.ndarray) -> Cells:
    return Cells(colours, np.full(len(colours), 1 / len(colours)))


@pytest.mark.parametrize("blur", [0.1, 0.5])
def test_the_map_is_the_barycentric_projection_of_pots_plan(blur: float) -> None:
    draw = np.random.default_rng(0)
    x, y = draw.random((30, 3)), draw.random((20, 3)) ** 2
    plan = ot.sinkhorn([], [], ot.dist(x - x.mean(0), y - y.mean(0)), 2 * blur**2, method="sinkhorn_log", numItermax=5000, stopThr=1e-9)  # fmt: skip
    found = entropic_map(even(x), even(y), blur)(torch.from_numpy(x).float())
    np.testing.assert_allclose(found.numpy(), plan @ y / plan.sum(1, keepdims=True), atol=2e-3)


def test_with_little_blur_it_is_sorting_and_with_much_the_mean() -> None:
    x = np.column_stack([np.linspace(0, 1, 12), np.zeros(12), np.zeros(12)])
    y = np.column_stack([np.linspace(0, 1, 12) ** 2, np.full(12, 0.1), np.zeros(12)])
    order = np.random.default_rng(1).permutation(12)
    sharp = entropic_map(even(x), even(y[order]), 0.02)(torch.from_numpy(x).float())
    np.testing.assert_allclose(sharp.numpy(), y, atol=0.02)
    flat = entropic_map(even(x), even(y[order]), 50.0)(torch.from_numpy(x).float())
    np.testing.assert_allclose(flat.numpy(), np.tile(y.mean(0), (12, 1)), atol=1e-4)


def test_what_it_gives_lies_between_the_targets_colours() -> None:
    draw = np.random.default_rng(2)
    target = draw.random((15, 3))
    found = entropic_map(even(draw.random((40, 3))), even(target), 0.1)(
        torch.from_numpy(draw.normal(size=(500, 3))).float()
    )
    for direction in torch.from_numpy(draw.normal(size=(30, 3))).float():
        assert (found @ direction).max() <= float((torch.from_numpy(target).float() @ direction).max()) + 1e-5


def test_like_colours_share_a_cell_and_nothing_is_lost() -> None:
    values = np.random.default_rng(3).random((20_000, 3))
    found = cells(values, 0.01)
    assert 100 < len(found.shares) <= 256
    assert found.shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(found.mean, values.mean(0), atol=1e-9)
    assert len(cells(np.tile([[0.1, 0.2, 0.3]], (50, 1)), 0.02).shares) == 1
