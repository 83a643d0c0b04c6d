"""Surfaces as a camera sees them, against the drawn world's own points."""

from __future__ import annotations

import pytest
import torch

from relook.dollhouse.classes import CLASS_ID
from relook.dollhouse.render import Rendering, render
from relook.dollhouse.rooms import sample_layout
from relook.dollhouse.style import sample_style
from relook.ops.flat import before, homography, places, straight_on
from relook.ops.geometry import pixel_centres
from relook.ops.srgb import from_linear, luminance, to_linear

ACROSS, AHEAD = torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 0, 1])


@pytest.fixture(scope="module")
def room() -> Rendering:
    return render(sample_layout(3, "living"), sample_style(4), (96, 128))


def floor(room: Rendering) -> torch.Tensor:
    return homography(room.camera, torch.zeros(3), ACROSS, AHEAD)


def test_pixels_of_the_floor_lie_where_the_world_says(room: Rendering) -> None:
    where = room.classes == CLASS_ID["floor"]
    assert bool(before(floor(room), (96, 128))[where].all())
    found = places(floor(room), where)
    assert torch.allclose(found.place, room.points[where][:, [0, 2]].T, atol=1e-3)


def test_what_a_pixel_shows_of_a_surface(room: Rendering) -> None:
    """Against differences of the places of neighbours."""
    where = torch.zeros(96, 128, dtype=torch.bool)
    where[60:96, 20:100] = True
    found = places(floor(room), where)
    grid = found.place.view(2, 36, 80)
    right, down = grid[:, 18, 41] - grid[:, 18, 40], grid[:, 19, 40] - grid[:, 18, 40]
    area = float((right[0] * down[1] - right[1] * down[0]).abs())
    at = 18 * 80 + 40
    assert float(found.grain[at]) == pytest.approx(area**0.5, rel=0.05)
    longest = max(right.norm(), down.norm())
    assert float(found.long[at]) == pytest.approx(float(longest), rel=0.05)
    assert float(found.short[at] * found.long[at]) == pytest.approx(area, rel=0.1)


def test_nothing_is_seen_of_a_floor_above_the_horizon(room: Rendering) -> None:
    assert not bool(before(floor(room), (96, 128))[0].any())


def test_a_surface_is_seen_straight_on(room: Rendering) -> None:
    """A picture of the places themselves, laid out in cells, gives the places of the cells."""
    H, size = floor(room), (96, 128)
    seen = before(H, size)
    picture = torch.zeros(2, *size)
    picture[:, seen] = places(H, seen).place
    corner, cell = (-0.4, 1.6), 0.02
    found = straight_on(picture, seen, H, corner, (30, 40), cell)
    wanted = (pixel_centres((30, 40)) * cell + torch.tensor(corner)).permute(2, 0, 1)
    assert float(found.known.float().mean()) > 0.3
    assert float((found.values - wanted).abs().amax(0)[found.known].max()) < 0.03


def test_light_and_srgb_are_inverses() -> None:
    grey = torch.linspace(0, 1, 50)
    assert torch.allclose(from_linear(to_linear(grey)), grey, atol=1e-5)
    assert float(to_linear(torch.tensor(0.5))) == pytest.approx(0.21404, abs=1e-4)
    assert float(luminance(torch.ones(3))) == pytest.approx(1.0)
