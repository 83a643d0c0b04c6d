"""A class takes from the things of the style that look alike, not from a mixture."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from relook.correspond.alike import with_alike
from relook.correspond.semantic import Correspondence, match_segments
from relook.types import Region, Segments

WALL, FIRST, SECOND, THIRD = 1, 2, 3, 4
CREAM, BRICK, PALE = (0.85, 0.82, 0.75), (0.45, 0.28, 0.2), (0.8, 0.78, 0.72)
SIZE = (60, 90)


def matched(
    sure: Mapping[int, float], places: Mapping[int, tuple[slice, slice]], colours: Mapping[int, tuple[float, ...]]
) -> Correspondence:
    """A sofa and an armchair, which stands apart, before a style of several sofas before a wall."""
    labels, image = torch.full(SIZE, WALL), torch.full((3, *SIZE), 0.5)
    for id, place in places.items():
        labels[place] = id
        image[:, place[0], place[1]] = torch.tensor(colours[id])[:, None, None]
    style = Segments(
        labels,
        {WALL: Region("wall"), **{id: Region("sofa", number, confidence=sure[id]) for number, id in enumerate(places)}},
    )
    rooms = torch.full(SIZE, WALL)
    rooms[30:, :40], rooms[30:, 50:] = FIRST, SECOND
    structure = Segments(rooms, {WALL: Region("wall"), FIRST: Region("sofa"), SECOND: Region("sofa", 1)})
    return with_alike(match_segments(structure, style), image)


MIDDLE, CORNER, SMALL = (slice(25, 40), slice(30, 60)), (slice(40, 60), slice(60, 90)), (slice(25, 30), slice(70, 76))


def test_a_sofa_takes_from_the_sofa_in_the_middle_not_from_what_was_called_one_in_the_corner() -> None:
    found = matched({FIRST: 0.6, SECOND: 0.62}, {FIRST: MIDDLE, SECOND: CORNER}, {FIRST: CREAM, SECOND: BRICK})
    assert found.allowed == {WALL: (WALL,), FIRST: (FIRST,), SECOND: (FIRST,)}


def test_the_surer_one_is_the_better() -> None:
    found = matched({FIRST: 0.3, SECOND: 0.9}, {FIRST: MIDDLE, SECOND: CORNER}, {FIRST: CREAM, SECOND: BRICK})
    assert found.allowed[FIRST] == (SECOND,)


def test_sofas_that_look_alike_all_serve() -> None:
    places = {FIRST: MIDDLE, SECOND: CORNER, THIRD: SMALL}
    found = matched(dict.fromkeys(places, 0.6), places, {FIRST: CREAM, SECOND: PALE, THIRD: BRICK})
    assert found.allowed[FIRST] == found.allowed[SECOND] == (FIRST, SECOND)


def test_something_small_is_not_the_best() -> None:
    found = matched({FIRST: 0.5, THIRD: 0.99}, {FIRST: MIDDLE, THIRD: SMALL}, {FIRST: CREAM, THIRD: BRICK})
    assert found.allowed[FIRST] == (FIRST,)


def test_regions_that_a_user_gave_all_serve() -> None:
    found = matched({FIRST: 1.0, SECOND: 1.0}, {FIRST: MIDDLE, SECOND: CORNER}, {FIRST: CREAM, SECOND: BRICK})
    assert found.allowed[FIRST] == (FIRST, SECOND)
