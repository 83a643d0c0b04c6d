"""The learned lifter: shapes, what it must not depend on, and the correction of foreign features."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.errors import MissingModelError
from relook.models.lifter import Lifter, Sampling, load_lifter
from relook.models.lifter_parts import FOREIGN
from relook.ops.geometry import pixel_centres
from relook.ops.lifting import Cameras, cast, lifted

LAYOUT = sample_layout(31, "living")
SIZE = (48, 64)
VIEWS = [render(LAYOUT, sample_style(31), SIZE, pose) for pose in walk(LAYOUT, 4, stride=0.6)]
CAMERAS = Cameras.of([one.camera for one in VIEWS[1:]], SIZE)
IMAGES = torch.stack([one.image for one in VIEWS[1:]])
RAYS = cast(VIEWS[0].camera, pixel_centres(SIZE).reshape(-1, 2)[::37])
SAMPLING = Sampling(0.5, 8.0, 6, 5)


@pytest.fixture
def network() -> Lifter:
    torch.manual_seed(0)
    return Lifter().eval()


@torch.no_grad()
def test_the_same_weights_carry_colours_and_maps(network: Lifter) -> None:
    found = network(network.sources(IMAGES, CAMERAS), RAYS, SAMPLING)
    torch.testing.assert_close(found.blending.weights.sum((1, 2)), torch.ones(len(RAYS.directions)))
    torch.testing.assert_close(lifted(found.blending, IMAGES), found.colour, atol=1e-5, rtol=1e-4)
    assert bool((found.disparity <= 1 / 0.5).all())
    assert bool((found.disparity >= 1 / 8.0).all())
    unseen = ~found.shown & found.shown.any(2, keepdim=True)
    assert bool(unseen.any())
    assert float(found.blending.weights[unseen].max()) == 0.0


@torch.no_grad()
def test_the_order_of_the_sources_does_not_matter(network: Lifter) -> None:
    found = network(network.sources(IMAGES, CAMERAS), RAYS, SAMPLING)
    turned = Cameras(CAMERAS.K.flip(0), CAMERAS.poses.flip(0), SIZE)
    other = network(network.sources(IMAGES.flip(0), turned), RAYS, SAMPLING)
    torch.testing.assert_close(found.colour, other.colour, atol=1e-4, rtol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("width", [5, FOREIGN, FOREIGN + 9])
def test_the_correction_takes_maps_of_any_width_and_begins_as_none(network: Lifter, width: int) -> None:
    found = network(network.sources(IMAGES, CAMERAS), RAYS, SAMPLING)
    maps = torch.randn(3, width, 12, 16)
    plain = lifted(found.blending, maps)
    torch.testing.assert_close(network.corrected(found, maps), plain, atol=1e-4, rtol=1e-3)
    torch.nn.init.normal_(network.correction.up.weight, std=0.1)
    whole = network.corrected(found, maps)
    for part in ("F1", "pooling"):
        network.correction.without = (part,)
        assert not torch.allclose(network.corrected(found, maps), whole, atol=1e-3)
    network.correction.without = ()
    changed = (network.corrected(found, maps) - plain).abs().amax(0)
    assert bool((changed[:FOREIGN] > 1e-3).all())
    assert bool((changed[FOREIGN:] < 1e-4).all())


def test_weights_are_written_and_read(network: Lifter, tmp_path: Path) -> None:
    network.save(tmp_path)
    again = load_lifter(tmp_path)
    torch.testing.assert_close(again.correction.down.weight, network.correction.down.weight, atol=1e-3, rtol=1e-3)
    with pytest.raises(MissingModelError, match="train lift3d"):
        load_lifter(tmp_path / "nowhere")
