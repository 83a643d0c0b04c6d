"""Edits of label maps, and the things of a room with what they take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from relook.config import PhotoConfig
from relook.errors import GeometryError, SegmentsError
from relook.models.catalogue import CATALOGUE
from relook.present.studio.choices import hexadecimal
from relook.present.studio.corners import corners_of, dragged, handles_of, lines_of, taken
from relook.present.studio.edits import (
    drawn,
    merged,
    painted,
    parted,
    region_at,
    renamed,
    taken_off,
    taken_on,
)
from relook.present.studio.gains import Seen, gain
from relook.present.studio.look import Choice, Look
from relook.present.studio.mapped import Edit, edited
from relook.present.studio.things import things_of
from relook.types import Camera, Layout, Region, Segments, View, Wall


@pytest.fixture
def room() -> Segments:
    """A wall above a floor, with two parts of one sofa before them."""
    labels = torch.ones(20, 40, dtype=torch.int64)
    labels[12:] = 2
    labels[8:16, 2:10] = 3
    labels[8:16, 30:36] = 3
    return Segments(labels, {1: Region("wall"), 2: Region("floor", confidence=0.4), 3: Region("sofa")})


def test_regions_are_found_and_renamed(room: Segments) -> None:
    assert [region_at(room, point) for point in ((0.5, 0.1), (0.5, 0.99), (0.1, 0.5), (1.0, 1.0))] == [1, 2, 3, 2]
    assert renamed(room, 3, " Couch ").names == ("couch", "floor", "wall")
    with pytest.raises(SegmentsError, match="a name for the region"):
        renamed(room, 3, " , ")
    with pytest.raises(SegmentsError, match="click one first"):
        renamed(room, 0, "sofa")


def test_regions_are_joined_and_parted(room: Segments) -> None:
    both = parted(room, 3)
    assert both.names == ("floor", "sofa", "sofa 2", "wall")
    assert int(both.mask("sofa").sum()) == 64  # the larger part keeps the name
    assert int(both.mask("sofa 2").sum()) == 48
    again = merged(both, 4, "sofa")
    assert torch.equal(again.labels, room.labels)
    with pytest.raises(SegmentsError, match="one piece"):
        parted(room, 1)
    with pytest.raises(SegmentsError, match="bed"):
        merged(room, 3, "bed")


def test_shapes_and_brushes_make_regions(room: Segments) -> None:
    mask = drawn([(0.25, 0.0), (0.75, 0.0), (0.75, 0.5), (0.25, 0.5)], (20, 40))
    assert mask[5, 20]
    assert not mask[15, 20]
    new = painted(room, mask, "window")
    assert region_at(new, (0.5, 0.2)) == 4
    assert int(new.mask("window").sum()) == int(mask.sum())
    stroke = drawn([(0.1, 0.5), (0.9, 0.5)], (20, 40), 0.1)
    assert stroke[10, 5:35].all()
    assert not stroke[2].any()
    with pytest.raises(SegmentsError, match="draw it first"):
        painted(room, np.zeros((20, 40), bool), "window")


def test_things_say_what_is_missing_and_uncertain(room: Segments) -> None:
    image = torch.zeros(3, 20, 40)
    style = renamed(renamed(room, 3, "armchair"), 2, "floor")
    look = Look("room.jpg", ("look.jpg",))
    found = {one.name: one for one in things_of(View(image, room), View(image, style), look, PhotoConfig())}
    assert [one.counterparts for one in (found["wall"], found["sofa"])] == [("wall",), ()]
    assert found["sofa"].missing
    assert found["sofa"].suggestions == ("armchair",)
    assert found["floor"].unsure
    chosen = look.choosing("sofa", Choice("region", "armchair"))
    found = {one.name: one for one in things_of(View(image, room), View(image, style), chosen, PhotoConfig())}
    assert found["sofa"].counterparts == ("armchair",)


@pytest.mark.parametrize(("said", "held"), [("#D8cfc0ff", "#D8cfc0"), ("rgba(216, 207.4, 192, 1)", "#d8cfc0")])
def test_colours_come_in_two_ways(said: str, held: str) -> None:
    assert hexadecimal(said) == held


@pytest.fixture
def box() -> Layout:
    """A room 4 m wide and 2.5 m high, seen from its middle, 1.2 m above the floor; the far wall is 5 m away."""
    pose = torch.eye(4)
    pose[1, 3] = 1.2
    camera = Camera(torch.tensor([[100.0, 0, 100], [0, 100, 60], [0, 0, 1]]), pose)
    walls = (Wall((-2.0, 1.0), (-2.0, 5.0), 0.6), Wall((-2.0, 5.0), (2.0, 5.0), 0.6), Wall((2.0, 5.0), (2.0, 1.0), 0.6))
    return Layout((120, 200), camera, 2.5, walls, 0.9, 0.9, 0.9)


def test_lines_of_a_layout_are_where_its_walls_meet(box: Layout) -> None:
    far = next(one for one in lines_of(box) if one.kind == "floor" and one.number == 1)
    assert (*far.start, *far.end) == pytest.approx((60, 84, 140, 84))  # 100 x (-2 / 5), 100 x 1.2 / 5 from the middle
    assert sum(one.kind == "upright" for one in lines_of(box)) == 2  # the near corners are out of the picture
    assert {one.grip for one in handles_of(box)} == {"wall", "ceiling", "corner"}


def test_a_dragged_wall_takes_its_neighbours_along(box: Layout) -> None:
    new = dragged(box, "wall", 1, (90.0, 90.0))  # 100 x 1.2 / 4 below the middle: 4 m away
    assert [(one.start, one.end) for one in new.walls] == [
        (pytest.approx(start), pytest.approx(end))
        for start, end in (((-2, 1), (-2, 4)), ((-2, 4), (2, 4)), ((2, 4), (2, 1)))
    ]
    assert all(one.confidence == 1 for one in new.walls)
    assert (new.floor, new.ceiling, new.height) == (1.0, 0.9, 2.5)


def test_a_dragged_ceiling_and_corner(box: Layout) -> None:
    new = dragged(box, "ceiling", 1, (100.0, 24.0))  # 36 / 100 x 5 m above the eye
    assert new.height == pytest.approx(3.0)
    assert new.walls == box.walls
    new = dragged(box, "corner", corners_of(box).index((-2.0, 5.0)), (50.0, 84.0))
    assert new.walls[0].end == new.walls[1].start == pytest.approx((-2.5, 5.0))
    assert new.walls[2] == box.walls[2]
    for grip, number, to in (("wall", 1, (90.0, 40.0)), ("ceiling", 1, (90.0, 84.0)), ("wall", 7, (90.0, 90.0))):
        with pytest.raises(GeometryError, match="drag"):
            dragged(box, grip, number, to)


def test_a_line_moves_parallel_wherever_it_is_taken(box: Layout) -> None:
    for at in ((90.0, 84.0), (130.0, 86.5), (20.0, 84.0)):  # on it, beside it, and beyond its end
        new = taken(box, "wall", 1, at, (at[0] + 7, at[1] + 6))  # 100 x 1.2 / 4 below the middle
        assert new.walls[1].start == pytest.approx((-2, 4))
        assert new.walls[1].end == pytest.approx((2, 4))
    assert taken(box, "ceiling", 1, (70.0, 34.0), (70.0, 24.0)).height == pytest.approx(3.0)
    corner = corners_of(box).index((-2.0, 5.0))
    for high in (84.0, 50.0):  # at its foot, and above
        new = taken(box, "corner", corner, (60.0, high), (50.0, high))
        assert new.walls[1].start == pytest.approx((-2.5, 5.0))
    with pytest.raises(GeometryError, match="drag one"):
        taken(box, "wall", 7, (90.0, 84.0), (90.0, 90.0))
    with pytest.raises(GeometryError, match="drag the line lower"):
        taken(box, "wall", 1, (90.0, 84.0), (90.0, 50.0))
    cropped = replace(box, size=(80, 200))  # the foot of the corner is below the picture
    assert not [one for one in handles_of(cropped) if one.grip == "corner"]
    assert taken(cropped, "corner", corner, (60.0, 50.0), (50.0, 50.0)).walls[1].start == pytest.approx((-2.5, 5.0))


def test_a_brush_adds_to_a_region_and_takes_off_it(room: Segments) -> None:
    mask = np.zeros((20, 40), bool)
    mask[4:8, 2:10] = True  # above the sofa's left part
    more = taken_on(room, 3, mask)
    assert int(more.mask("sofa").sum()) == int(room.mask("sofa").sum()) + 32
    mask[8:16, 2:10] = True
    less = taken_off(more, 3, mask)
    assert int(less.mask("sofa").sum()) == 48  # the right part is left
    assert region_at(less, (0.14, 0.25)) == 1  # to the wall, which is nearest there
    assert region_at(less, (0.14, 0.78)) == 2  # to the floor
    with pytest.raises(SegmentsError, match="click one first"):
        taken_on(room, 0, mask)
    with pytest.raises(SegmentsError, match="draw it first"):
        taken_off(room, 3, np.zeros((20, 40), bool))
    with pytest.raises(SegmentsError, match="a region beside wall"):
        taken_off(Segments(torch.ones(20, 40, dtype=torch.int64), {1: Region("wall")}), 1, mask)


def test_strokes_of_a_brush_are_one_region(room: Segments) -> None:
    strokes = [[(0.1, 0.1), (0.3, 0.1)], [(0.7, 0.1), (0.9, 0.1)]]
    brushed = edited(room, Edit("draw", name="painting", strokes=strokes, width=0.1))
    assert [region_at(brushed, (x, 0.1)) for x in (0.2, 0.5, 0.8)] == [4, 1, 4]
    cornered = edited(room, Edit("draw", name="painting", strokes=[[(0.1, 0.1)], [(0.9, 0.1)], [(0.5, 0.5)]]))
    assert region_at(cornered, (0.5, 0.2)) == 4


def test_what_a_picture_would_gain_comes_from_what_was_seen_of_it(room: Segments) -> None:
    image, config = torch.zeros(3, 20, 40), PhotoConfig(segmenter="ade20k")
    view, style = View(image, room), View(image, renamed(renamed(room, 3, "armchair"), 2, "floor"))
    things = things_of(view, style, Look("room.jpg", ("look.jpg",)), config)

    def said(name: str, config: PhotoConfig = config, style: View = style) -> str:
        return gain(CATALOGUE[name], Seen(view, style, things, config))

    assert said("eomt-ade20k").startswith("Perhaps surer names for floor (40 % sure); words for lamp, cushion")
    bare = replace(style, segments=Segments(torch.zeros_like(room.labels)))
    assert "names for the 50 % of both pictures that have none" in said("eomt-ade20k", style=bare)
    assert "lamp" in said("oneformer-ade20k", PhotoConfig(segmenter="layout"))
    assert "lamp" not in said("ade20k", PhotoConfig(segmenter="layout"))  # which has no word for it either
    assert "which layout has not" in said("ade20k", PhotoConfig(segmenter="layout"))
    assert said("sam") == "Masks at a click for floor (40 % sure)."
    assert "sofa" in said("clipseg")  # the look has none
    assert "its lines show no room" in said("zoedepth")
    assert said("sd15") == "New patterns and forms on sofa, which take colours alone now."
    assert "family denoises" in said("taesd")
    assert not said("taesd", PhotoConfig(method="restyle3d"))
    sure = Seen(view, view, [replace(one, confidence=0.9) for one in things], PhotoConfig(segmenter="whole"))
    certain = Segments(room.labels, {id: replace(one, confidence=0.9) for id, one in room.regions.items()})
    sure = replace(sure, room=View(image, certain), style=View(image, certain))
    assert gain(CATALOGUE["eomt-ade20k"], sure) == "Little: the least sure name is wall, 90 %."
