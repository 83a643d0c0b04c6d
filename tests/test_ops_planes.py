"""Room axes and places on surfaces against the drawn world's own."""

from __future__ import annotations

import math

import pytest
import torch

from relook.dollhouse.classes import CLASS_ID
from relook.dollhouse.render import Rendering, render
from relook.dollhouse.rooms import sample_layout
from relook.dollhouse.style import sample_style
from relook.errors import ShapeError
from relook.ops.normals import facing, pinhole
from relook.ops.planes import Planes, planes, room_axes


def turned(degrees: float, pitch: float) -> torch.Tensor:
    """Rows: a room's across, down and ahead as a camera sees them that is turned and looks down."""
    a, b = math.radians(degrees), math.radians(pitch)
    yaw = torch.tensor([[math.cos(a), 0, -math.sin(a)], [0, 1, 0], [math.sin(a), 0, math.cos(a)]])
    tilt = torch.tensor([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    return yaw @ tilt


@pytest.mark.parametrize(("degrees", "pitch"), [(0, 0), (20, 10), (-35, 15), (40, -10)])
def test_axes_are_found_through_noise_and_clutter(degrees: float, pitch: float) -> None:
    axes, generator = turned(degrees, pitch), torch.Generator().manual_seed(1)
    which = torch.randint(3, (1200,), generator=generator)
    signs = torch.randint(0, 2, (1200, 1), generator=generator) * 2 - 1
    normals = axes[which] * signs + 0.05 * torch.randn(1200, 3, generator=generator)
    clutter = torch.randn(300, 3, generator=generator)
    seen = torch.nn.functional.normalize(torch.cat([normals, clutter]), dim=1)
    found = room_axes(seen.T.reshape(3, 30, 50))
    assert torch.allclose(found, axes, atol=0.03)
    assert torch.allclose(found @ found.T, torch.eye(3), atol=1e-5)


@pytest.fixture(scope="module")
def room() -> Rendering:
    return render(sample_layout(3, "living"), sample_style(4), (96, 96))


def seen(room: Rendering) -> Planes:
    view = room.view()
    assert view.depth is not None
    assert view.segments is not None
    assert view.camera is not None
    return planes(
        view.depth.values, facing(view.depth.values, view.segments.labels, view.camera.K).normals, view.camera.K
    )


def test_places_on_the_floor_are_those_of_the_world(room: Rendering) -> None:
    """Up to one shift, and to the directions, which the world counts otherwise."""
    found = seen(room)
    floor = (room.classes == CLASS_ID["floor"]) & (found.axis == 1)
    assert floor.sum() > 300
    world = room.points[floor][:, [0, 2]].T
    place = found.place[:, floor]
    for ours, theirs in zip(place, world, strict=True):
        off = torch.minimum(
            (ours - theirs - (ours - theirs).median()).abs(), (ours + theirs - (ours + theirs).median()).abs()
        )
        assert float(off.median()) < 0.03


def test_height_is_told_from_the_floor(room: Rendering) -> None:
    found = seen(room)
    wall = (room.classes == CLASS_ID["wall"]) & (found.axis != 1)
    height = -found.place[1][wall]
    assert float((height - room.points[wall][:, 1]).abs().median()) < 0.06


def test_grain_is_the_surface_that_a_pixel_shows() -> None:
    """Straight on, z / f; a floor under a level camera: more and more towards the horizon."""
    depth, K = torch.full((20, 20), 2.0), pinhole((20, 20))
    ahead = torch.zeros(3, 20, 20)
    ahead[2] = -1
    found = planes(depth, ahead, K)
    assert float(found.grain[10, 10]) == pytest.approx(2 / 14, rel=0.01)
    assert bool((found.axis == 2).all())
    assert float(found.place[0, 10, 11] - found.place[0, 10, 10]) == pytest.approx(2 / 14, rel=1e-4)


def test_sizes_must_agree() -> None:
    with pytest.raises(ShapeError, match="normals"):
        planes(torch.ones(4, 4), torch.ones(3, 5, 4), pinhole((4, 4)))
