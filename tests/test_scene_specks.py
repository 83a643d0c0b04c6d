"""What stands askew amid a scene's floor is of the floor; what stands on it is not."""

from __future__ import annotations

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from relook.gaussians import Gaussians
from relook.lift.scene.decided import Decided, tints_of
from relook.lift.scene.floor import Plane
from relook.lift.scene.specks import without_specks
from relook.lift.scene.surfels import turned_to

UP = torch.tensor([0.0, 1, 0])
NAMES = ("", "floor", "wall", "chair", "floor")
THICKNESS = 1.0


def scene(*parts: tuple[Float[Tensor, "M 3"], Float[Tensor, " 3"]]) -> Gaussians:
    """Gaussians at places, each part with its normal."""
    means = torch.cat([places for places, _ in parts])
    normals = torch.cat([normal.expand(len(places), 3) for places, normal in parts])
    count = len(means)
    sizes = torch.tensor([0.65, 0.65, 0.1]).expand(count, 3)
    return Gaussians(means, turned_to(normals), sizes, torch.ones(count), torch.zeros(count, 1, 3))


def grid(x: range, y: range, z: range, step: float = 1.0) -> Float[Tensor, "M 3"]:
    axes = torch.meshgrid(*(torch.tensor(list(one), dtype=torch.float32) for one in (x, y, z)), indexing="ij")
    return step * torch.stack(axes, -1).view(-1, 3)


def said(region: Tensor) -> Tensor:
    """Votes for the first four names, all for what it is."""
    return torch.nn.functional.one_hot(region.clamp_max(3), 4).float()


def decided(region: Tensor, plane: bool = True) -> Decided:
    return Decided(region, NAMES, Plane(UP, 0.0, THICKNESS) if plane else None, torch.zeros(len(NAMES), 3))


@pytest.mark.parametrize(
    ("what", "places", "speck"),
    [
        ("a few that stand askew in the floor", grid(range(10, 13), range(1, 3), range(10, 12)), True),
        ("a leg that goes on above", grid(range(10, 12), range(1, 12), range(10, 12)), False),
        ("a low box as large as a carpet", grid(range(5, 22), range(1, 3), range(5, 22)), False),
        ("what hangs above the floor", grid(range(10, 13), range(20, 23), range(10, 12)), False),
        ("what lies beside the floor and does not touch it", grid(range(60, 63), range(1, 3), range(60, 62)), False),
    ],
)
def test_small_low_parts_that_touch_the_floor_are_of_it(what: str, places: Float[Tensor, "M 3"], speck: bool) -> None:
    planks, aside = grid(range(30), range(1), range(30)), torch.tensor([1.0, 0, 0])
    gaussians = scene((planks, UP), (places, aside))
    region = torch.cat([torch.where(planks[:, 0] < 15, 1, 4), torch.full((len(places),), 3)])
    new = without_specks(gaussians, region, decided(region), said(region))
    assert torch.equal(new[: len(planks)], region[: len(planks)])
    assert {int(one) for one in new[len(planks) :]} == ({1} if speck else {3}), what


def test_without_a_floor_nothing_is_a_speck() -> None:
    places = grid(range(5), range(2), range(5))
    region = (torch.arange(len(places)) % 3 > 0).long() + 1
    assert torch.equal(without_specks(scene((places, UP)), region, decided(region, plane=False), said(region)), region)
    walls = torch.full_like(region, 2)
    assert torch.equal(without_specks(scene((places, UP)), walls, decided(walls), said(walls)), walls)


@pytest.mark.parametrize(("count", "votes", "floor"), [(6, 0.8, True), (6, 0.3, False), (18, 0.8, False)])
def test_what_hangs_in_the_air_and_is_called_a_floor_is_of_the_floor_with_its_tint(
    count: int, votes: float, floor: bool
) -> None:
    """A reading that is too near, in the colours of a carpet; a large part, or one that other views call a chair, is a thing."""
    planks, air = grid(range(30), range(1), range(30)), grid(range(5, 5 + count), range(20, 21), range(5, 5 + count))
    gaussians, carpet = scene((planks, UP), (air, UP)), (planks[:, 0] >= 15)
    blue, wood = torch.tensor([0.2, 0.3, 0.6]), torch.tensor([0.6, 0.45, 0.3])
    colours = torch.cat([torch.where(carpet[:, None], blue, wood), blue.expand(len(air), 3)])
    gaussians = gaussians.coloured(colours)
    region = torch.cat([torch.where(carpet, 4, 1), torch.full((len(air),), 3)])
    known = decided(region)._replace(tints=tints_of(torch.stack([blue, wood, blue, blue, blue])))
    chances = said(torch.cat([torch.ones(len(planks), dtype=torch.int64), region[len(planks) :]]))
    chances[len(planks) :] = torch.tensor([0.0, votes, 0, 1 - votes])
    new = without_specks(gaussians, region, known, chances)
    assert {int(one) for one in new[len(planks) :]} == ({4} if floor else {3})


@pytest.mark.parametrize(("colour", "floor"), [((0.21, 0.31, 0.6), True), ((0.7, 0.2, 0.2), False)])
def test_what_is_below_the_floor_in_its_tint_is_of_it(colour: tuple[float, float, float], floor: bool) -> None:
    """Depth that is too far lies below the floor, whatever its size and whatever it is called; something red there may be something."""
    planks, below = grid(range(30), range(1), range(30)), grid(range(20), range(-12, -11), range(20))
    blue, wood = torch.tensor([0.2, 0.3, 0.6]), torch.tensor([0.6, 0.45, 0.3])
    carpet, own = planks[:, 0] >= 15, torch.tensor(colour)
    gaussians = scene((planks, UP), (below, UP)).coloured(
        torch.cat([torch.where(carpet[:, None], blue, wood), own.expand(len(below), 3)])
    )
    region = torch.cat([torch.where(carpet, 4, 1), torch.full((len(below),), 2)])
    known = decided(region)._replace(tints=tints_of(torch.stack([blue, wood, blue, blue, blue])))
    new = without_specks(
        gaussians, region, known, said(torch.cat([region[: len(planks)] * 0 + 1, region[len(planks) :]]))
    )
    assert {int(one) for one in new[len(planks) :]} == ({4} if floor else {2})
