"""Edits of label maps, and the things of a room with what they take."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relook.config import PhotoConfig
from relook.errors import SegmentsError
from relook.present.studio.choices import hexadecimal
from relook.present.studio.edits import drawn, merged, painted, parted, region_at, renamed
from relook.present.studio.look import Choice, Look
from relook.present.studio.things import things_of
from relook.types import Region, Segments, View


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
    with pytest.raises(SegmentsError, match="corners"):
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
