"""Which object goes with which: worked examples, and rooms of the dollhouse where the answer is known."""

from __future__ import annotations

from functools import cache
from itertools import permutations

import numpy as np
import pytest
import torch

from relook.correspond.instances import Outline, differences, matched_instances, outline, pair_instances
from relook.correspond.semantic import match_segments
from relook.dollhouse import exact_segments, sample_layout, trace, walk
from relook.types import Region, Segments

SEEDS = range(2_000_001, 2_000_013)


def boxes(size: tuple[int, int], *places: tuple[int, int, int, int], name: str = "chair", wall: int = 1) -> Segments:
    """Boxes (top, left, bottom, right) of one class on a wall; ids 2, 3, ..."""
    labels = torch.full(size, wall)
    regions = {wall: Region("wall")}
    for id, (top, left, bottom, right) in enumerate(places, start=2):
        labels[top:bottom, left:right] = id
        regions[id] = Region(name, id - 2)
    return Segments(labels, regions)


def matched(structure: Segments, style: Segments, **options: object) -> dict[int, tuple[int, ...]]:
    return dict(match_segments(structure, style, instances="matched", **options).allowed)


def test_outline_of_a_box() -> None:
    found = outline(boxes((40, 80), (10, 20, 30, 60)), 2)
    assert (found.left_right, found.foot) == (0.5, 0.75)
    assert found.size == pytest.approx((np.log(0.5), np.log(0.25)))
    assert found.shape.shape == (12, 12)
    assert found.shape.min() == 1


def test_left_goes_to_left_and_large_to_large() -> None:
    ours = boxes((60, 100), (40, 10, 55, 20), (40, 70, 55, 80))
    assert matched(ours, boxes((60, 100), (35, 75, 55, 85), (35, 5, 55, 15))) == {1: (1,), 2: (3,), 3: (2,)}
    stacked = boxes((60, 100), (10, 45, 20, 55), (30, 30, 58, 70))
    assert matched(stacked, boxes((60, 100), (32, 30, 59, 70), (8, 44, 19, 56))) == {1: (1,), 2: (3,), 3: (2,)}


def test_without_the_option_all_share() -> None:
    ours, theirs = (boxes((60, 100), (40, left, 55, left + 10), (40, 70, 55, 80)) for left in (10, 20))
    assert match_segments(ours, theirs).allowed == {1: (1,), 2: (2, 3), 3: (2, 3)}


def test_surplus_structure_objects_take_the_nearest_and_surplus_style_objects_are_left_out() -> None:
    three = boxes((60, 100), (40, 5, 55, 15), (40, 20, 55, 30), (40, 80, 55, 90))
    two = boxes((60, 100), (40, 5, 55, 15), (40, 82, 55, 92))
    assert matched(three, two) == {1: (1,), 2: (2,), 3: (2,), 4: (3,)}
    assert matched(two, three) == {1: (1,), 2: (2,), 3: (4,)}
    one = boxes((60, 100), (40, 82, 55, 92))
    assert matched(two, one) == {1: (1,), 2: (2,), 3: (2,)}
    assert matched(one, two) == {1: (1,), 2: (3,)}


def test_surfaces_keep_sharing_and_classes_joined_by_the_user_are_paired_together() -> None:
    ours = boxes((60, 100), (40, 10, 55, 20), (40, 70, 55, 80))
    halves = Segments(torch.tensor([[1, 2]]).repeat(4, 4), {1: Region("wall"), 2: Region("wall", 1)})
    assert matched(ours, halves) == {1: (1, 2), 2: (), 3: ()}
    mixed = Segments(ours.labels, {1: Region("wall"), 2: Region("stool"), 3: Region("chair")})
    theirs = boxes((60, 100), (38, 68, 55, 78), (38, 12, 55, 22))
    assert matched(mixed, theirs, matches={"stool": "chair"}) == {1: (1,), 2: (3,), 3: (2,)}


def test_regions_without_pixels_and_of_one_pixel_are_no_trouble() -> None:
    ours = boxes((60, 100), (40, 10, 41, 11), (40, 70, 55, 80))
    ours = Segments(ours.labels, {**ours.regions, 9: Region("chair", 7)})
    theirs = boxes((60, 100), (0, 0, 1, 1), (40, 75, 55, 85))
    found = matched(ours, theirs)
    assert {id: found[id] for id in (1, 2, 3)} == {1: (1,), 2: (2,), 3: (3,)}
    assert found[9] in {(2,), (3,)}


def test_a_shift_of_everything_does_not_matter() -> None:
    ours = [Outline(x, 0.9, (-1.0, -1.0), torch.ones(12, 12)) for x in (0.1, 0.4, 0.6)]
    theirs = [Outline(x + 0.35, 0.9, (-1.0, -1.0), torch.ones(12, 12)) for x in (0.4, 0.6, 0.1)]
    assert pair_instances(ours, theirs)[0] == [2, 0, 1]


def test_the_pairing_has_the_smallest_sum_of_all() -> None:
    draw = torch.Generator().manual_seed(3)
    sides = [
        [Outline(*torch.rand(2, generator=draw).tolist(), (0.0, float(i)), torch.rand(12, 12, generator=draw)) for i in range(4)]
        for _ in range(2)
    ]  # fmt: skip
    costs = differences(*sides)
    places, total = pair_instances(*sides)
    everyway = {order: sum(costs[row, column] for row, column in enumerate(order)) for order in permutations(range(4))}
    assert tuple(places) == min(everyway, key=lambda order: everyway[order])
    assert total == pytest.approx(min(everyway.values()))


@cache
def rooms() -> list[tuple[Segments, Segments]]:
    """Rooms from two poses more than half a metre apart."""
    pairs = []
    for seed in SEEDS:
        layout = sample_layout(seed)
        poses = [layout.pose, walk(layout, 3, stride=1.2)[1]]
        found = trace([layout] * 2, (60, 80), poses=poses)
        first, second = (exact_segments(found.classes[i], found.instances[i]) for i in (0, 1))
        pairs.append((first, second))
    return pairs


def right(pairs: list[tuple[Segments, Segments]]) -> tuple[float, float]:
    """(share of objects paired with themselves, the same by chance) among those that both pictures show, in classes of several."""
    hits, chances = [], []
    for ours, theirs in pairs:
        shared = match_segments(ours, theirs).allowed
        found = matched_instances(ours, theirs, shared)
        for id, ids in shared.items():
            if len(ids) > 1 and id in ids:
                hits.append(found[id] == (id,))
                chances.append(1 / len(ids))
    assert len(hits) > 20
    return float(np.mean(hits)), float(np.mean(chances))


def test_objects_find_themselves_from_another_place_in_the_room() -> None:
    share, chance = right(rooms())
    assert share > 0.85 > 0.55 > chance


def test_objects_find_themselves_in_the_mirror_image() -> None:
    mirrored = [(first, Segments(first.labels.flip(1), first.regions)) for first, _ in rooms()]
    assert right(mirrored)[0] == 1.0
