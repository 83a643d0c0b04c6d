"""The edge-stopping smoother against dense systems of equations, and what flows where."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from relook.errors import ShapeError
from relook.ops.oklab import rgb_to_oklab
from relook.ops.smoother import fast_global_smoother


def dense(guide: Tensor, values: Tensor, reach: float, edge: float, trust: Tensor) -> np.ndarray:
    """The same by a full matrix for every row and column, without the blur of the guide."""
    lab, result, sure = rgb_to_oklab(guide).double().numpy(), values.double().numpy().copy(), trust.double().numpy()
    weight = (reach * max(lab.shape[1:])) ** 2

    def line(colours: np.ndarray, f: np.ndarray, c: np.ndarray, strength: float) -> np.ndarray:
        system = np.diag(c)
        for one in range(len(c) - 1):
            link = strength * np.exp(-np.linalg.norm(colours[:, one] - colours[:, one + 1]) / edge)
            system[one : one + 2, one : one + 2] += link * np.array([[1, -1], [-1, 1]])
        return np.asarray(np.linalg.solve(system, (c * f).T).T)

    for strength in (1.5 * weight * 4 ** (3 - step) / 63 for step in (1, 2, 3)):
        for y in range(lab.shape[1]):
            result[:, y] = line(lab[:, y], result[:, y], sure[y], strength)
        for x in range(lab.shape[2]):
            result[:, :, x] = line(lab[:, :, x], result[:, :, x], sure[:, x], strength)
    return result


def test_rows_and_columns_are_solved_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.ops.smoother.NOISE", 1e-3)
    draw = torch.Generator().manual_seed(0)
    guide, values = torch.rand(3, 9, 13, generator=draw), torch.rand(2, 9, 13, generator=draw)
    trust = 0.2 + torch.rand(9, 13, generator=draw)
    found = fast_global_smoother(guide, values, 0.3, 0.2, trust)
    np.testing.assert_allclose(found.numpy(), dense(guide, values, 0.3, 0.2, trust), atol=1e-5)
    plain = fast_global_smoother(guide, values, 0.3, 0.2)
    np.testing.assert_allclose(plain.numpy(), dense(guide, values, 0.3, 0.2, torch.ones(9, 13)), atol=1e-5)


def test_a_step_flows_as_far_as_the_reach_and_no_farther() -> None:
    step = (torch.arange(200) >= 100).float().expand(1, 40, 200)
    rises = []
    for reach in (0.02, 0.06):
        found = fast_global_smoother(torch.full((3, 40, 200), 0.7), step, reach, 0.01)[0, 20]
        assert bool((found.diff() >= 0).all())
        rises.append(int(((found > 0.1) & (found < 0.9)).sum()))
        assert float(found[0]) < 0.01
    assert rises[0] < 0.6 * rises[1]
    assert 20 < rises[1] < 80  # 12 pixels of reach


def test_edges_stop_the_flow_and_noise_does_not() -> None:
    step = (torch.arange(200) >= 100).float().expand(1, 60, 200)
    noise = 0.012 * torch.randn(3, 60, 200, generator=torch.Generator().manual_seed(1))
    plain = (0.7 + noise).clamp(0, 1)
    edged = torch.where(torch.arange(200) >= 103, 0.5, plain)
    found = fast_global_smoother(edged, step, 0.06, 0.01)[0, 30]
    assert float(found[105]) - float(found[100]) > 0.6  # what was a step three pixels before it is at the edge
    assert float(found.diff()[90:100].max()) < 0.1
    assert float(fast_global_smoother(plain, step, 0.06, 0.01)[0].diff(dim=-1).abs().max()) < 0.11


def test_maps_that_add_up_to_one_still_do_and_what_is_trusted_stays() -> None:
    draw = torch.Generator().manual_seed(2)
    masks = torch.rand(4, 50, 70, generator=draw).softmax(0)
    trust = torch.where(torch.arange(70) < 20, 1e6, 1.0).expand(50, -1)
    found = fast_global_smoother(torch.rand(3, 50, 70, generator=draw), masks, 0.1, 0.05, trust)
    assert torch.allclose(found.sum(0), torch.ones(50, 70), atol=1e-5)
    assert torch.allclose(found[..., :20], masks[..., :20], atol=1e-3)
    assert not torch.allclose(found[..., 25:], masks[..., 25:], atol=0.05)


def test_values_of_another_size_are_refused() -> None:
    with pytest.raises(ShapeError, match="resize"):
        fast_global_smoother(torch.rand(3, 20, 30), torch.rand(1, 10, 30), 0.1, 0.1)
