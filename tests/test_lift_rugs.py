"""Rugs of a walk are decided once, on the floor's plane: also in frames that do not see them, and where no frame does."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from relook.gaussians import Gaussians
from relook.lift.scene.decided import Decided
from relook.lift.scene.floor import Plane
from relook.lift.scene.rugs import Rugs, rugs_on, with_rugs
from relook.ops.geometry import pixel_centres
from relook.types import Camera

FLOOR, RUG, TABLE = 1, 2, 3
SIZE = (96, 128)
PLANE = Plane(torch.tensor([0.0, 1.0, 0.0]), 0.0, 0.04)
"""Metres; cameras are above it."""
LONG, WIDE, TURN = 1.0, 0.6, 0.4
"""Half the sides of the rug, and its turn."""


@dataclass(frozen=True)
class Frame:
    labels: UInt8[Tensor, "h w"]
    confidence: Float[Tensor, "h w"]
    camera: Camera | None


def camera(number: int) -> Camera:
    """1.4 m above the floor, looking down and ahead, a step to the right each time."""
    down = math.radians(35)
    rotation = torch.tensor([[1.0, 0, 0], [0, -math.cos(down), math.sin(down)], [0, -math.sin(down), -math.cos(down)]])
    pose = torch.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = -rotation @ torch.tensor([0.15 * number - 0.5, 1.4, 2.2])
    return Camera(torch.tensor([[110.0, 0, 64], [0, 110, 48], [0, 0, 1]]), pose)


def points(one: Camera) -> Float[Tensor, "h w 3"]:
    """Where every pixel sees the plane."""
    rays = torch.cat([pixel_centres(SIZE), torch.ones(*SIZE, 1)], -1) @ torch.linalg.inv(one.K).T
    rotation, shift = one.world_to_camera[:3, :3], one.world_to_camera[:3, 3]
    eye, rays = -rotation.T @ shift, rays @ rotation
    return eye + rays * torch.where(rays[..., 1:2] < 0, -eye[1] / rays[..., 1:2], 1e3)


def on_rug(where: Float[Tensor, "*n 3"]) -> Bool[Tensor, "*n"]:
    c, s = math.cos(TURN), math.sin(TURN)
    x, z = where[..., 0], where[..., 2]
    return ((c * x + s * z).abs() < LONG) & ((c * z - s * x).abs() < WIDE)


def frames() -> list[Frame]:
    """Ten, of which three call the rug floor; all of them call its middle so, where a table stands in seven."""
    found = []
    for number in range(10):
        where = points(camera(number))
        rug = on_rug(where)
        middle = where[..., 0].abs().maximum(where[..., 2].abs()) < 0.2
        labels = torch.full(SIZE, FLOOR, dtype=torch.uint8)
        labels[rug & ~middle & torch.tensor(number % 3 != 1)] = RUG
        labels[middle & (where[..., 0] > 0) & torch.tensor(number < 7)] = TABLE
        found.append(Frame(labels, torch.full(SIZE, 0.7), camera(number)))
    return found


def known() -> Rugs:
    found = rugs_on(PLANE, frames(), [RUG], [FLOOR])
    assert found is not None
    return found


def test_every_frame_shows_the_same_whole_rug() -> None:
    for number in range(10):
        shown, true = known().shown(camera(number), SIZE) > 0.5, on_rug(points(camera(number)))
        assert float((shown & true).sum() / (shown | true).sum()) > 0.93


def test_a_few_pixels_are_no_rug_and_frames_without_a_place_say_nothing() -> None:
    none = [Frame(torch.full(SIZE, FLOOR, dtype=torch.uint8), torch.ones(SIZE), camera(0))]
    assert rugs_on(PLANE, none, [RUG], [FLOOR]) is None
    none[0].labels[70:73, 60:63] = RUG
    assert rugs_on(PLANE, none, [RUG], [FLOOR]) is None
    assert rugs_on(PLANE, [Frame(one.labels, one.confidence, None) for one in frames()], [RUG], [FLOOR]) is None


def test_what_has_other_corners_keeps_its_outline() -> None:
    """A carpet round a corner is no quadrilateral."""
    some = []
    for number in range(10):
        where = points(camera(number))
        corner = (where[..., 0].abs() < 1.2) & (where[..., 2].abs() < 1.2)
        corner &= ~((where[..., 0] > -0.3) & (where[..., 2] > -0.3))
        labels = torch.where(corner, RUG, FLOOR).to(torch.uint8)
        some.append(Frame(labels, torch.ones(SIZE), camera(number)))
    found = rugs_on(PLANE, some, [RUG], [FLOOR])
    assert found is not None
    inside, outside = torch.tensor([[-0.8, 0.0, 0.5], [0.5, 0.0, -0.8]]), torch.tensor([[0.2, 0.0, 0.2]])
    assert bool(found.of_points(inside).all())
    assert not bool(found.of_points(outside).any())


def test_surfels_are_of_the_rug_where_it_lies() -> None:
    x, z = torch.meshgrid(torch.linspace(-1.2, 1.2, 40), torch.linspace(-1.2, 1.2, 40), indexing="ij")
    means = torch.stack([x.flatten(), torch.zeros(x.numel()), z.flatten()], 1)
    count = len(means)
    some = Gaussians(
        means,
        torch.tensor([1.0, 0, 0, 0]).expand(count, 4),
        torch.full((count, 3), 0.03),
        torch.ones(count),
        torch.zeros(count, 1, 3),
    )
    region = torch.where(torch.arange(count) % 5 == 0, TABLE, torch.where(means[:, 0] < 0, FLOOR, RUG))
    found = Decided(region, ("", "floor", "rug", "table"), PLANE, torch.zeros(4, 3))
    after, true = with_rugs(found, some, known()).region, on_rug(means)
    lies = region != TABLE
    assert torch.equal(after[~lies], region[~lies])
    assert float(((after == RUG) == true)[lies].float().mean()) > 0.95
