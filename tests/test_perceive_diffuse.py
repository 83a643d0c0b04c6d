"""Class chances that flow along a picture, and how a class is chosen from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relook.perceive.segment import ade20k
from relook.perceive.segment.ade20k import VOCABULARY, decided
from relook.perceive.segment.diffuse import SHARED, diffused, shared
from relook.perceive.segment.superpixels import means_of

SIZE = (40, 60)


def patches() -> np.ndarray:
    """Superpixels of 10 x 10 pixels."""
    return np.arange(40)[:, None] // 10 * 6 + np.arange(60)[None] // 10


def chances(left: float, right: float) -> torch.Tensor:
    """Of two classes: the first is `left` likely left of the middle, and `right` right of it."""
    first = torch.full(SIZE, left)
    first[:, 30:] = right
    return torch.stack([first, 1 - first])


def test_one_colour_gets_one_class_and_an_edge_parts_two() -> None:
    plain, edged = torch.full((3, *SIZE), 0.5), torch.full((3, *SIZE), 0.5)
    edged[:, :, 30:] = 0.9
    near = diffused(plain, patches(), chances(0.9, 0.45))[0, :, 35]
    apart = diffused(edged, patches(), chances(0.9, 0.45))[0, :, 35]
    assert near.mean() > 0.5, "nothing parts it from what is surely of the first class"
    assert apart.mean() < 0.5


def test_who_doubts_listens_to_who_is_sure() -> None:
    """The same step from one side to the other: less of it is left where one side hardly knows, and half sofa, half armchair is no doubt."""
    plain = torch.full((3, *SIZE), 0.5)
    even = diffused(plain, patches(), chances(0.9, 0.1))[0, 20]
    doubtful = diffused(plain, patches(), chances(0.9, 0.5))[0, 20]
    assert (even[5] - even[55]) / 0.8 > 1.1 * (doubtful[5] - doubtful[55]) / 0.4
    assert doubtful[55] > 0.56
    seats = diffused(plain, patches(), chances(0.9, 0.5), [[0, 1]])[0, 20]
    assert seats[55] < doubtful[55] - 0.02


def test_chances_still_add_up() -> None:
    image = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(0))
    found = diffused(image, patches(), chances(0.9, 0.2))
    assert torch.allclose(found.sum(0), torch.ones(SIZE), atol=1e-5)
    assert found.min() >= 0


def test_a_seat_is_one_before_it_is_wall() -> None:
    names = ["wall", "sofa", "armchair", "chair"]
    ids = torch.tensor([VOCABULARY["classes"].index(name) for name in names])
    found = decided(torch.tensor([0.4, 0.25, 0.2, 0.15]).view(4, 1, 1), ids)
    assert names[int(found.argmax(0))] == "sofa"
    assert float(found.sum()) == pytest.approx(1)
    assert [float(one) for one in found[2:].flatten()] == [0, 0]


def test_without_diffusion_every_superpixel_is_for_itself() -> None:
    found, own = shared(patches(), chances(0.9, 0.45)), chances(0.9, 0.45)
    assert torch.allclose(found, own, atol=1e-6), "chances are even in every superpixel"
    uneven = torch.rand(2, *SIZE, generator=torch.Generator().manual_seed(1))
    here = patches() == 8
    expected = uneven[0][here] + SHARED * (uneven[0][here].mean() - uneven[0][here])
    assert torch.allclose(shared(patches(), uneven)[0][here], expected, atol=1e-5)


def test_means_of_superpixels() -> None:
    values = np.random.default_rng(0).random((*SIZE, 3))
    assert np.allclose(means_of(patches(), values)[7], values[10:20, 10:20].mean((0, 1)))


def test_doubt_about_a_things_name_is_no_doubt_that_it_is_a_thing() -> None:
    best, surfaces = torch.tensor([[0.3, 0.3]]), torch.tensor([[0.1, 0.1]])
    assert torch.allclose(ade20k._sure(best, surfaces, torch.tensor([[True, False]])), torch.tensor([[0.9, 0.3]]))
