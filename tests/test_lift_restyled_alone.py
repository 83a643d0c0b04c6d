"""Scenes of things before nothing: told from rooms, looked at in a plain room that has no part in the change, and named thing by thing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import alone as drawn
from boxes import box_room
from relook.captures import camera_for
from relook.correspond.kin import families
from relook.gaussians import SH_ZERO, Gaussians
from relook.lift.restyled import regions
from relook.lift.restyled.alone import FLOOR, WALL, agreed, agreement, plain_room, shaped, things_alone
from relook.lift.restyled.regions import scene_regions
from relook.lift.restyled.shapes import by_shape
from relook.lift.restyled.views import rendered, scene_of
from relook.ops.poses import looking
from relook.ops.splats import Blends
from relook.progress import SILENT
from relook.types import UNLABELLED, Camera, Region, Segments, View

SIZE = (48, 64)


def eye(place: tuple[float, float, float], ahead: tuple[float, float, float]) -> Camera:
    """A camera that looks there; up is the third axis."""
    return looking(camera_for(SIZE, 60.0).K, *torch.tensor([place, ahead, (0.0, 0.0, 1.0)]))


CAMERA = eye((-1.0, -1.0, 1.6), (1.0, 1.0, -0.9))
AROUND = [eye((-a, -b, 1.6), (a, b, -0.9)) for a, b in ((1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0))]
"""From four sides: their mean is upright."""


def block() -> Gaussians:
    """A level square at a height of .7, alone."""
    thing = box_room(walls=1, ceiling=False)
    return thing[thing.means[:, 2] == 0.7]


def called(names: dict[int, str], labels: torch.Tensor) -> Segments:
    return Segments(labels, {number: Region(name, confidence=0.8) for number, name in names.items()})


def test_a_thing_is_alone_and_a_room_is_not() -> None:
    assert things_alone(block(), [CAMERA] * 3, SIZE)
    assert not things_alone(box_room(), [eye((0.0, 0.0, 1.2), (1.0, 0.3, -0.2))] * 3, SIZE)


def test_a_plain_room_has_a_floor_where_things_stand_and_a_wall_behind() -> None:
    thing = block()
    room = plain_room(thing, AROUND)
    picture = room.seen_by(CAMERA, SIZE)

    def tinted(row: torch.Tensor, colour: tuple[float, ...]) -> bool:
        light = row / torch.tensor(colour)[:, None]
        return bool((light.amax(0) - light.amin(0) < 1e-4).all())

    assert tinted(picture[:, -1], FLOOR)
    assert float(picture[:, -1].std(1).max()) > 0.01  # boards
    level = room.seen_by(eye((-1.0, -1.0, 1.6), (1.0, 1.0, 0.6)), SIZE)
    assert tinted(level[:, 0], WALL)
    below = room.seen_by(eye((0.0, 0.0, 0.2), (1.0, 0.0, -0.2)), SIZE)
    assert not tinted(below[:, -1], FLOOR)
    height = (room.axes @ torch.tensor([0.0, 0.0, 0.7]))[2]
    assert abs(float(room.middle[2] - height)) < 0.05


def test_what_is_about_things_is_a_room_to_look_at_and_has_no_part_in_the_change() -> None:
    thing = block()
    room = plain_room(thing, AROUND)
    views = rendered(thing, [CAMERA], SIZE, room)
    blend, alone = Blends(thing, [CAMERA], SIZE)[0], room.seen_by(CAMERA, SIZE)

    def plain(image: torch.Tensor) -> torch.Tensor:
        return (image - alone).abs().amax(0) < 1e-6

    assert bool(plain(views[0].image)[~blend.seen].all())
    found = scene_of(thing, views, 1, lambda view: called({1: "sofa"}, torch.ones(SIZE, dtype=torch.int64)), SILENT)
    view: View = found.views[0]
    assert view.segments is not None
    assert bool((view.segments.labels[~blend.seen] == UNLABELLED).all())
    assert bool((view.segments.labels[blend.seen] != UNLABELLED).all())
    assert not bool(plain(view.image).any())


def test_a_thing_before_nothing_is_no_wall_whatever_most_views_call_it() -> None:
    """Three of four pixels are called a wall or a building; where nothing else is ever said, that stays."""
    thing = block()
    views = rendered(thing, [CAMERA] * 2, SIZE)
    said = {number: Region(name, confidence=0.8) for number, name in ((1, "wall"), (2, "building"), (3, "sofa"))}
    labels = torch.ones(48, 64, dtype=torch.int64)
    labels[:, 32:] = 2
    every = Blends(thing, [CAMERA] * 2, SIZE)
    for last, names in ((3, {"sofa"}), (1, {"wall", "building"})):
        other = torch.where(torch.arange(64) < 32, torch.full_like(labels, last), labels)
        seen = [replace(view, segments=Segments(one, said)) for view, one in zip(views, (labels, other), strict=True)]
        found = scene_regions(thing, every, seen, alone=True)
        assert {found.regions[id].name for id in found.labels.unique().tolist()} <= names


def test_of_large_scenes_some_that_stand_for_all_are_decided_as_all_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A floor, a third of it blue, of which half is called a bed in one of three views: one in four Gaussians knows its neighbours, too."""
    room = box_room()
    room = room[torch.randperm(len(room), generator=torch.Generator().manual_seed(0))]
    floor = room.means[:, 2] == 0
    blue = floor & (room.means[:, 0] > 0.7)
    room.sh[blue, 0] = (torch.tensor([0.1, 0.2, 0.7]) - 0.5) / SH_ZERO
    cameras = [eye((-1.5, y, 1.6), (1.0, -0.3 * y, -0.5)) for y in (-1.0, 0.0, 1.0)]
    every, seen = Blends(room, cameras, SIZE), []
    names = {1: "wall", 2: "floor", 3: "bed"}
    for number, (blend, camera) in enumerate(zip(every, cameras, strict=True)):
        wrong = blue & (room.means[:, 1] > 0) if number == 1 else blue & False
        labels = blend.render(torch.stack([~floor, floor & ~wrong, wrong], 1).float()).argmax(0) + 1
        seen.append(View(torch.zeros(3, *SIZE), camera=camera, segments=called(names, labels)))
    known = torch.stack([blend.transposed(torch.ones(1, *SIZE))[:, 0] > 0 for blend in every]).any(0)
    monkeypatch.setattr(regions, "MOST", -(-len(room) // 4))
    found = regions.scene_regions(room, every, seen)
    parts = [
        (found.labels[0][blue & known] == id).float().mean() for id, one in found.regions.items() if one.name == "floor"
    ]
    assert max(parts) > 0.85


def test_a_connected_thing_is_one_kind_of_seat_and_as_sure_as_votes_agree() -> None:
    """Two squares far apart: one is called sofa by 3 and bed by 2, the other bed by 3, sofa by 1 and a table by 1; walls and water are no things."""
    one = block()
    both = Gaussians(
        *(torch.cat([a, b]) for a, b in zip(parts(one), parts(replace(one, means=one.means + 9)), strict=True))
    )
    names = ("", "wall", "water", "couch", "bed", "table")
    votes = torch.cat(
        [
            torch.tensor([[0.0, 9, 1, 3, 2, 0]]).expand(len(one), -1),
            torch.tensor([[0.0, 9, 1, 1, 3, 1]]).expand(len(one), -1),
        ]
    )
    found = agreed(both, votes, names)
    assert found[0].tolist() == [0, 0, 0, 5, 0, 0]
    assert found[-1].tolist() == [0, 0, 0, 0, 4, 1]
    sure = agreement(found.argmax(1), found)
    assert torch.allclose(sure[3:], torch.tensor([1.0, 0.8, 0.0]))
    alone = torch.tensor([[0.0, 2, 1, 0, 0, 0]]).expand(len(one), -1)
    assert torch.equal(agreed(one, alone, names), alone)


def parts(some: Gaussians) -> tuple[torch.Tensor, ...]:
    return some.means, some.quats, some.scales, some.opacities, some.sh


def test_furniture_is_no_person_unless_there_is_nothing_else() -> None:
    one = block()
    votes = torch.tensor([[0.0, 9, 2]]).expand(len(one), -1)
    assert agreed(one, votes, ("", "person", "armchair"))[0].tolist() == [0, 0, 2]
    assert torch.equal(agreed(one, votes[:, :2], ("", "person")), votes[:, :2])


def test_a_thing_that_nobody_knows_has_one_look() -> None:
    one, names = block(), ("", "wall", "bed", "plant")
    votes = torch.tensor([[0.0, 9, 2, 0], [0, 9, 0, 1]]).repeat(len(one), 1)[: len(one)]
    assert agreed(one, votes, names)[:2].tolist() == [[0, 0, 2, 0], [0, 0, 1, 0]]
    known = votes * torch.tensor([1.0, 0.1, 1, 1])
    assert agreed(one, known, names)[:2].tolist() == [[0, 0, 2, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("table", "table"), ("low table", "table"), ("cabinet", "cabinet"), ("shelf", "cabinet"), ("bed", "bed"), ("sofa", "sofa"),
        ("armchair", "armchair"), ("chair", "chair"), ("floor lamp", "lamp"), ("table lamp", "lamp"), ("plant", "plant"),
    ],
)  # fmt: skip
def test_drawn_furniture_is_known_by_its_shape(kind: str, name: str) -> None:
    """Nine in ten at least, none of which chose a constant; a ball is nothing."""
    called = []
    for seed in range(700, 704):
        thing = drawn.thing(kind, seed)
        called.append(by_shape(thing.means @ UPRIGHT, thing.normals @ UPRIGHT, areas(thing)))
    assert called.count(name) >= 3
    assert set(called) <= {name, None}


UPRIGHT = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
"""Drawn furniture has its second axis up."""


def areas(thing: Gaussians) -> torch.Tensor:
    return 4 * thing.scales.sort(1).values[:, 1:].prod(1)


def test_a_ball_is_no_furniture_that_is_known() -> None:
    places = torch.nn.functional.normalize(torch.randn(3000, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    assert by_shape(places, places, torch.full((3000,), 4 * torch.pi / 3000)) is None
    assert by_shape(places[:20], places[:20], torch.ones(20)) is None


@pytest.mark.parametrize(
    ("kind", "said", "share", "wanted"),
    [
        ("table", "desk", 2, "table"), ("table", "desk", 18, "desk"), ("table", "bed", 18, "table"),
        ("armchair", "bed", 18, "armchair"), ("bed", "bed", 18, "bed"),
    ],
)  # fmt: skip
def test_a_thing_is_what_its_shape_is_where_hardly_anybody_knows_it_or_all_say_bed(
    kind: str, said: str, share: int, wanted: str
) -> None:
    """Called a wall by nine and `said` by so many; a network calls what it does not know a bed, and only what looks like one is."""
    thing, names = drawn.thing(kind, 702), ("", "wall", said)
    votes = torch.tensor([[0.0, 9, share]]).expand(len(thing), -1)
    found, new = shaped(thing, agreed(thing, votes, names), votes, names, torch.tensor([0.0, 1, 0]))
    assert {found[id] for id in new.argmax(1).tolist()} == {wanted}


def test_kin_of_kin_are_one_family() -> None:
    found = families()
    assert {"sofa", "armchair", "chair", "bed"} in found
    assert {"table", "desk"} in found
    assert sum(len(one) for one in found) == len(set().union(*found))
