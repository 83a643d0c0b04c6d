"""Part coordinates: the same for one point from every view, carried along by the object, between 0 and 1."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from relook.dollhouse import Pose, exact_flow, render, sample_layout, sample_style, trace, walk
from relook.dollhouse.classes import CLASS_ID
from relook.dollhouse.furniture import sofa
from relook.dollhouse.layout import Layout
from relook.dollhouse.parts import FACING, part_coordinates

SIZE = (72, 96)


def room(x: float, z: float, yaw: float, pose: Pose, name: str = "sofa") -> Layout:
    """One sofa in a room of 8 x 3 x 8 metres."""
    parts = sofa(np.random.default_rng(0), 2.0)
    c, s = math.cos(yaw), math.sin(yaw)
    centres = [
        [x + c * p.centre[0] - s * p.centre[2], p.centre[1], z + s * p.centre[0] + c * p.centre[2]] for p in parts
    ]
    count = len(parts)
    return Layout(
        "living", (8.0, 3.0, 8.0), torch.tensor(centres), torch.tensor([p.half for p in parts]), torch.full((count,), yaw),
        torch.tensor([p.kind for p in parts]), torch.full((count,), CLASS_ID[name]), torch.zeros(count, dtype=torch.int64),
        torch.ones(count), pose,
    )  # fmt: skip


def coordinates(layout: Layout, size: tuple[int, int] = SIZE) -> tuple[torch.Tensor, torch.Tensor]:
    """Part coordinates and classes."""
    geometry = trace([layout], size)
    return part_coordinates(geometry, [layout])[0], geometry.classes[0]


@pytest.mark.parametrize("seed", [3, 8])
def test_a_point_keeps_its_coordinates_in_every_view(seed: int) -> None:
    layout, style = sample_layout(seed), sample_style(seed)
    poses = walk(layout, 2)
    first, second = (render(layout, style, SIZE, pose) for pose in poses)
    flow, visible = exact_flow(first, second)
    maps = [coordinates(replace(layout, pose=pose))[0] for pose in poses]
    rows, columns = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    x, y = columns + 0.5 + flow[0], rows + 0.5 + flow[1]
    column, row = x.long().clamp(0, SIZE[1] - 1), y.long().clamp(0, SIZE[0] - 1)
    # pixels whose counterpart lies near the middle of a pixel that shows the same object
    near = visible & ((x - column - 0.5).abs() < 0.2) & ((y - row - 0.5).abs() < 0.2)
    for name in ("classes", "instances"):
        near &= getattr(first, name) == getattr(second, name)[row, column]
    near &= (first.points - second.points[row, column]).norm(dim=-1) < 0.05
    apart = (maps[0] - maps[1][row, column])[near][:, :3].norm(dim=1)
    assert near.sum() > 300
    assert len(torch.unique(first.classes[near])) >= 5
    assert apart.median() < 0.01
    assert apart.quantile(0.98) < 0.3  # 5 cm on a cushion or a lamp's pole


def test_an_object_takes_its_coordinates_along_when_it_moves_and_turns() -> None:
    """A sofa moved and turned, and seen by a camera that went the same way: every pixel of it keeps its coordinates."""
    turn, (x, z) = 0.7, (0.4, 3.0)
    pose = Pose((0.0, 1.5, -0.6 + 3.0), 0.0, 0.35, math.radians(70))
    before = room(0.0, 4.6, 0.0, pose)
    # the camera stands (0, -2.2) from the sofa; turned about y by -yaw in the pose's sense of angles
    away = (2.2 * math.sin(turn), -2.2 * math.cos(turn))
    after = room(x, z + 2.0, turn, Pose((x + away[0], 1.5, z + 2.0 + away[1]), -turn, 0.35, math.radians(70)))
    (one, ours), (two, theirs) = coordinates(before), coordinates(after)
    both = (ours == CLASS_ID["sofa"]) & (theirs == CLASS_ID["sofa"])
    assert both.sum() > 800
    assert ((ours == CLASS_ID["sofa"]) == (theirs == CLASS_ID["sofa"])).float().mean() > 0.999
    assert (one - two)[both].abs().max(1).values.quantile(0.995) < 1e-3


def test_coordinates_span_the_box_and_face_its_way() -> None:
    pose = Pose((0.0, 1.6, 1.5), 0.0, 0.3, math.radians(70))
    found, classes = coordinates(room(0.0, 4.0, 0.0, pose), (144, 192))
    mine = found[classes == CLASS_ID["sofa"]]
    place, facing = mine[:, :3], mine[:, 3:]
    assert place.min() >= 0
    assert place.max() <= 1
    assert place[:, 0].max() - place[:, 0].min() > 0.95  # from arm to arm
    top, front = (facing[:, 1] - FACING).abs() < 1e-4, (facing[:, 2] + FACING).abs() < 1e-4
    assert top.sum() > 100
    assert front.sum() > 100
    torch.testing.assert_close(facing.norm(dim=1), torch.full((len(mine),), FACING))
    assert place[top & (place[:, 1] > 0.99), 2].min() > 0.7  # the highest part, the back, is at +z
    # the picture's left shows larger x, as the world has x to the left
    columns = torch.arange(192).expand(144, 192)[classes == CLASS_ID["sofa"]].float()
    assert torch.corrcoef(torch.stack([columns, place[:, 0]]))[0, 1] < -0.9
    wall, floor, ceiling = (found[classes == CLASS_ID[name]] for name in ("wall", "floor", "ceiling"))
    assert (floor[:, 1].abs() < 1e-4).all()
    assert ((ceiling[:, 1] - 1).abs() < 1e-4).all()
    on_a_wall = torch.stack([wall[:, 0].abs(), (wall[:, 0] - 1).abs(), (wall[:, 2] - 1).abs()]).amin(0)
    assert on_a_wall.max() < 1e-4


def test_two_of_a_kind_have_the_same_coordinates() -> None:
    """Instances are told apart: each has its own box."""
    pose = Pose((0.0, 1.6, 1.0), 0.0, 0.3, math.radians(75))
    left, right = room(1.4, 4.5, 0.0, pose), room(-1.4, 4.5, 0.0, pose)
    names = ("centres", "halves", "yaws", "kinds", "classes", "instances", "tints")
    both = {name: torch.cat([getattr(left, name), getattr(right, name)]) for name in names}
    both["instances"][len(left.yaws) :] = 1
    layout = replace(left, **both)
    found, classes = coordinates(layout)
    sofas = trace([layout], SIZE).instances[0]
    alone = coordinates(left)[0]
    first = (classes == CLASS_ID["sofa"]) & (sofas == 0)
    second = (classes == CLASS_ID["sofa"]) & (sofas == 1)
    torch.testing.assert_close(found[first], alone[first])
    assert min(int(first.sum()), int(second.sum())) > 100
    torch.testing.assert_close(found[second][:, :3].amin(0), found[first][:, :3].amin(0), atol=0.08, rtol=0)
    tops = [found[mask][:, 1].max() for mask in (first, second)]
    assert abs(tops[0] - tops[1]) < 0.02
