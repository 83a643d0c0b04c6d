"""Surfels lie on the surfaces that views see, face as these do, and are as fine as the views need."""

import pytest
import torch

from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.errors import DepthError
from relook.gaussians import SH_ZERO, Gaussians
from relook.lift.scene.surfels import CELL, OPACITY, surfels, turned_to
from relook.ops import splats
from relook.types import Camera, Depth, View


def facing_wall(distance: float = 2.0, size: tuple[int, int] = (24, 32)) -> View:
    """A wall of one colour, square to the camera."""
    K = torch.tensor([[30.0, 0, size[1] / 2], [0, 30, size[0] / 2], [0, 0, 1]])
    image = torch.tensor([0.2, 0.6, 0.4])[:, None, None].expand(3, *size).clone()
    return View(image, depth=Depth(torch.full(size, distance), "metric"), camera=Camera(K, torch.eye(4)))


def room(frames: int, size: tuple[int, int] = (64, 64)) -> list[View]:
    layout = sample_layout(5)
    return [render(layout, sample_style(6), size, pose).view() for pose in walk(layout, frames)]


def test_a_wall_becomes_flat_surfels_on_it():
    found = surfels([facing_wall()])
    assert torch.allclose(found.means[:, 2], torch.full((len(found),), 2.0), atol=1e-4)
    assert torch.allclose(found.normals.abs() @ torch.tensor([0.0, 0, 1]), torch.ones(len(found)), atol=1e-4)
    assert torch.allclose(found.colours, torch.tensor([0.2, 0.6, 0.4]).expand(len(found), 3), atol=1e-4)
    assert float(found.opacities.min()) == pytest.approx(OPACITY)


def test_cells_are_as_large_as_pixels_ask_for():
    pixels = 24 * 32
    assert pixels / CELL**2 * 0.6 < len(surfels([facing_wall()])) < pixels / CELL**2 * 2
    assert len(surfels([facing_wall()], cell=3.0)) < len(surfels([facing_wall()]))


def test_more_views_of_one_wall_give_the_same_surfels_again():
    twice, often = surfels([facing_wall()] * 2), surfels([facing_wall()] * 4)
    assert torch.allclose(twice.means, often.means, atol=1e-5)


def test_an_unseen_view_of_a_room_is_rendered():
    views = room(5)
    scene = surfels([*views[:2], *views[3:]])
    blends = [splats.blend(scene, view.camera, view.size) for view in (*views[:2], *views[3:])]
    maps = [view.image for view in (*views[:2], *views[3:])]
    solved = splats.solve(blends, maps, splats.uplift(blends, maps).values)
    new = splats.blend(scene, views[2].camera, views[2].size)
    error = (new.render(solved) - views[2].image).square().mean(0)[new.seen].mean()
    assert float(new.seen.float().mean()) > 0.9
    assert float(-10 * error.log10()) > 22


@pytest.mark.parametrize("direction", [[0.0, 0, 1], [0, 0, -1], [1, 2, -2], [0, -3, 0]])
def test_quaternions_turn_the_axis(direction):
    wanted = torch.nn.functional.normalize(torch.tensor([direction], dtype=torch.float32), dim=1)
    flat = Gaussians(
        torch.zeros(1, 3), turned_to(wanted), torch.ones(1, 3), torch.ones(1), torch.full((1, 1, 3), SH_ZERO)
    )
    assert torch.allclose(flat.rotations[0, :, 2], wanted[0], atol=1e-5)


def test_views_without_depth_are_refused():
    with pytest.raises(DepthError, match="without"):
        surfels([View(torch.zeros(3, 4, 4))])
    holes = facing_wall()
    empty = Depth(holes.depth.values, "metric", torch.zeros(holes.size, dtype=torch.bool))
    with pytest.raises(DepthError, match="none"):
        surfels([View(holes.image, depth=empty, camera=holes.camera)])
