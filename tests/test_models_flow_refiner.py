"""The network that mends flow: correlations against a slow twin, and what an untrained one must leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from relook.errors import MissingModelError, ShapeError
from relook.models.flow_refiner import RADIUS, FlowRefiner, correlate, load_flow_refiner


def slow_window(first: torch.Tensor, second: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """The fine half of `correlate` for whole-number flow, one product at a time."""
    _, channels, height, width = first.shape
    found = torch.zeros(1, (2 * RADIUS + 1) ** 2, height, width)
    for y in range(height):
        for x in range(width):
            for index in range((2 * RADIUS + 1) ** 2):
                dy, dx = index // (2 * RADIUS + 1) - RADIUS, index % (2 * RADIUS + 1) - RADIUS
                if not (0 <= y + dy < height and 0 <= x + dx < width):  # the window sees no further than the picture
                    continue
                u, v = x + dx + int(flow[0, 0, y + dy, x + dx]), y + dy + int(flow[0, 1, y + dy, x + dx])
                if 0 <= u < width and 0 <= v < height:
                    found[0, index, y, x] = first[0, :, y, x] @ second[0, :, v, u] / channels**0.5
    return found


def test_correlations_are_those_of_the_slow_twin() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(2, 1, 5, 8, 10)
    flow = torch.full((1, 2, 8, 10), 2.0)
    flow[:, 1] = -1.0
    count = (2 * RADIUS + 1) ** 2
    assert torch.allclose(correlate(first, second, flow)[:, :count], slow_window(first, second, flow), atol=1e-5)


def test_an_untrained_network_keeps_a_constant_flow() -> None:
    torch.manual_seed(0)
    flow = torch.tensor([3.0, -2.0]).view(1, 2, 1, 1).expand(1, 2, 32, 48)
    found = FlowRefiner()(torch.rand(1, 3, 32, 48), torch.rand(1, 3, 32, 48), flow, torch.ones(1, 32, 48))
    assert torch.allclose(found.flow, flow, atol=1e-4)
    assert found.hidden.shape == found.log_scale.shape == (1, 32, 48)


def test_sizes_that_do_not_fit_are_said() -> None:
    picture, flow = torch.rand(1, 3, 30, 48), torch.zeros(1, 2, 30, 48)
    with pytest.raises(ShapeError, match="multiples of 8"):
        FlowRefiner()(picture, picture, flow, torch.ones(1, 30, 48))


def test_saved_weights_come_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = FlowRefiner()
    network.save(tmp_path)
    loaded = load_flow_refiner(tmp_path)
    for name, value in network.state_dict().items():
        assert torch.allclose(loaded.state_dict()[name], value, atol=1e-3)


def test_missing_weights_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MissingModelError, match="relook train flow"):
        load_flow_refiner(tmp_path / "nowhere")
