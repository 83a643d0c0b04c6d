"""Nearest-neighbour features: against a formula of their own, within counterparts alone, and a descent on a scene whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from relook.errors import InputError
from relook.gaussians import Gaussians
from relook.lift.losses.nearest import at_features, nearest_loss
from relook.lift.losses.optimise import Descent, Seen, optimise
from relook.lift.losses.schedule import LOSSES, PAPER, PEERS, RELOOK, Step, steps_of
from relook.ops.splats import blend
from relook.types import Camera


def test_the_loss_is_the_mean_distance_to_the_nearest_feature() -> None:
    draw = torch.Generator().manual_seed(0)
    one, other = (torch.randn(4, n, dtype=torch.float64, generator=draw) for n in (7, 5))
    a, b = (part.numpy() / np.linalg.norm(part.numpy(), axis=0) for part in (one, other))
    expected = np.mean([min(1 - a[:, i] @ b[:, j] for j in range(5)) for i in range(7)])
    assert float(nearest_loss(one, other)) == pytest.approx(expected)
    assert torch.autograd.gradcheck(lambda x: nearest_loss(x, other), one.requires_grad_())


def test_a_thing_takes_from_its_counterpart_alone() -> None:
    features = torch.tensor([[1.0, 0, 1], [0, 1, 1]])
    style = torch.tensor([[1.0, 0], [0, 1]])
    groups = torch.tensor([2, 1, 0]), torch.tensor([1, 2])
    assert float(nearest_loss(features, style)) == pytest.approx((1 - 2**-0.5) / 3)
    assert float(nearest_loss(features, style, groups)) == pytest.approx(1.0)  # each may only take from the other one's
    assert float(nearest_loss(features, style, (torch.tensor([3, 0, 0]), groups[1]))) == 0.0  # no counterpart
    ids = torch.tensor([[1, 1, 2, 2], [3, 3, 4, 4]])
    assert at_features(ids, (1, 2)).tolist() in ([1, 2], [3, 4])


def test_every_feature_comes_to_the_nearest_of_the_style() -> None:
    """Pixels as features: the colours of a wall of Gaussians turn to those of two style colours that are nearest to what they were."""
    draw = torch.Generator().manual_seed(0)
    places = torch.rand(150, 3, generator=draw) * torch.tensor([2.4, 2.0, 0.5]) + torch.tensor([-1.2, -1.0, 2.0])
    quats = normalize(torch.randn(150, 4, generator=draw), dim=1)
    wall = Gaussians(places, quats, torch.full((150, 3), 0.12), torch.full((150,), 0.9), torch.zeros(150, 1, 3))
    camera = Camera(torch.tensor([[26.0, 0, 12], [0, 26, 10], [0, 0, 1]]), torch.eye(4))
    view = blend(wall, camera, (20, 24))
    start = torch.where(places[:, :1] < 0, torch.tensor([0.6, 0.4, 0.4]), torch.tensor([0.4, 0.4, 0.6]))
    style = torch.tensor([[0.9, 0.1], [0.1, 0.1], [0.1, 0.9]])
    step = Step(("nearest",), "global", False, 0.5)
    descent = Descent(80 * [step], 0.03)
    found, _ = optimise(
        start,
        [Seen(view, view.render(start))],
        lambda image, *_: {"loss": nearest_loss(image.flatten(1), style)},
        descent,
    )
    left, right = found[places[:, 0] < -0.3].mean(0), found[places[:, 0] > 0.3].mean(0)
    for colour, wanted in ((left, style[:, 0]), (right, style[:, 1])):
        assert float(normalize(colour, dim=0) @ normalize(wanted, dim=0)) > 0.98


def test_peers_act_where_they_are_named() -> None:
    assert all(set(step.losses) <= set(LOSSES) for step in steps_of(RELOOK, 10))
    for name in PEERS:
        assert all(step.losses == (name,) for step in steps_of(RELOOK, 10, (name,)))
        with pytest.raises(InputError, match="the preset relook"):
            steps_of(PAPER, 10, (name,))
