"""Which style regions a structure region may take from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from oracles import mask_of
from relook.correspond.kin import with_kin
from relook.correspond.semantic import Correspondence, Source, at_grid, match_segments
from relook.errors import SegmentsError
from relook.types import Region, Segments


def segments(rows: list[list[int]], **names: int) -> Segments:
    """Label map with one region per keyword, `sofa_2=5` being instance 2 of class sofa."""
    regions = {}
    for key, id in names.items():
        name, _, instance = key.partition("_")
        regions[id] = Region(name, int(instance or 0))
    return Segments(torch.tensor(rows), regions)


STRUCTURE = segments([[1, 1, 2, 2], [1, 1, 3, 0]], wall=1, sofa=2, lamp=3)
STYLE = segments([[7, 7, 8], [7, 9, 5]], wall=7, sofa=8, sofa_1=9, rug=5)


def test_equal_names_match_and_instances_share() -> None:
    found = match_segments(STRUCTURE, STYLE)
    assert found.allowed == {1: (7,), 2: (8, 9), 3: ()}


def test_common_ids_are_equal_exactly_where_regions_correspond() -> None:
    found = match_segments(STRUCTURE, STYLE)
    wall, sofa = found.structure_classes[0, 0], found.structure_classes[0, 2]
    assert wall != sofa
    assert min(wall, sofa) > 0
    assert found.structure_classes.tolist() == [[wall, wall, sofa, sofa], [wall, wall, 0, 0]]
    assert found.style_classes.tolist() == [[wall, wall, sofa], [wall, sofa, 0]]
    assert found.class_name(int(sofa)) == "sofa"


def test_user_matches_win_and_join_classes() -> None:
    found = match_segments(STRUCTURE, STYLE, matches={"Lamp ": "sofa", "wall": "rug"})
    assert found.allowed == {1: (5,), 2: (8, 9), 3: (8, 9)}
    assert found.structure_classes[1, 2] == found.structure_classes[0, 2] > 0


@pytest.mark.parametrize("arguments", [{"matches": {"piano": "sofa"}}, {"keep": ["piano"]}])
def test_unknown_structure_name_lists_the_names(arguments: dict) -> None:
    with pytest.raises(SegmentsError, match="structure picture, got 'piano'; it has: lamp, sofa, wall"):
        match_segments(STRUCTURE, STYLE, **arguments)


def test_unknown_style_name_lists_the_names() -> None:
    with pytest.raises(SegmentsError, match="style picture, got 'lamp'; it has: rug, sofa, wall"):
        match_segments(STRUCTURE, STYLE, matches={"lamp": "lamp"})


def test_picture_without_any_region_says_so() -> None:
    with pytest.raises(SegmentsError, match="none at all"):
        match_segments(STRUCTURE, Segments(torch.zeros(2, 2, dtype=torch.int64)), matches={"lamp": "lamp"})


def test_minimum_area_unmatches_small_classes_unless_the_user_insists() -> None:
    small = segments([[1] * 50, [1] * 49 + [2]], wall=1, sofa=2)
    assert match_segments(small, STYLE, minimum_area=0.02).allowed[2] == ()
    assert match_segments(small, STYLE, minimum_area=0.01).allowed[2] == (8, 9)
    assert match_segments(small, STYLE, minimum_area=0.02, matches={"sofa": "sofa"}).allowed[2] == (8, 9)


def test_kept_pixels_under_locks_and_under_the_keep_policy() -> None:
    assert match_segments(STRUCTURE, STYLE, keep=["sofa"]).kept.tolist() == [[0, 0, 1, 1], [0, 0, 0, 0]]
    assert match_segments(STRUCTURE, STYLE, unmatched="keep").kept.tolist() == [[0, 0, 0, 0], [0, 0, 1, 1]]
    assert not match_segments(STRUCTURE, STYLE, unmatched="colour").kept.any()


@pytest.mark.parametrize(("policy", "free"), [("everything", True), ("colour", False), ("keep", False)])
def test_mask_of_matched_and_unmatched_tokens(policy: str, free: bool) -> None:
    mask = match_segments(STRUCTURE, STYLE, unmatched=policy).groups((2, 4), (2, 3)).matrix[0]
    assert mask.shape == (8, 6)
    assert mask[0].tolist() == [True, True, False, True, False, False]
    assert mask[2].tolist() == [False, False, True, False, True, False]
    assert mask[6].tolist() == mask[7].tolist() == [free] * 6


@pytest.mark.parametrize("policy", ["everything", "colour", "keep"])
@pytest.mark.parametrize("grids", [((2, 4), (2, 3)), ((2, 4), (1, 1)), ((1, 2), (2, 3)), ((4, 4), (3, 5))])
def test_groups_are_the_mask_by_classes(policy: str, grids: tuple[tuple[int, int], tuple[int, int]]) -> None:
    found = match_segments(STRUCTURE, STYLE, unmatched=policy)
    groups = found.groups(*grids)
    assert torch.equal(groups.matrix[0], mask_of(found, *grids))
    assert len(groups.samples[0]) <= 3


def test_mask_row_is_never_empty_when_its_counterpart_is_too_small_for_the_grid() -> None:
    mask = match_segments(STRUCTURE, STYLE, unmatched="colour").groups((2, 4), (1, 1)).matrix[0]
    assert mask[:6].all()
    assert not mask[6:].any()


def test_grid_takes_the_majority() -> None:
    labels = torch.tensor([[1, 1, 2, 2], [1, 2, 2, 2]])
    assert at_grid(labels, (1, 2)).tolist() == [[1, 2]]


def test_grid_keeps_thin_classes_without_removing_another() -> None:
    labels = torch.ones(16, 16, dtype=torch.int64)
    labels[:, 5] = 2
    found = at_grid(labels, (4, 4))
    assert (found[:, 1] == 2).all()
    assert (found[:, [0, 2, 3]] == 1).all()
    assert at_grid(labels, (1, 1)).tolist() == [[1]]


def test_grid_finer_than_the_labels_repeats_them() -> None:
    assert at_grid(torch.tensor([[1, 2]]), (2, 4)).tolist() == [[1, 1, 2, 2]] * 2


def test_half_shared_regions_are_refused() -> None:
    with pytest.raises(SegmentsError, match="all their style regions or none"):
        Correspondence(STRUCTURE, STYLE, {1: (7,), 2: (7, 8), 3: ()})


def test_names_of_one_meaning_correspond_and_keep_the_names_they_were_given() -> None:
    structure = segments([[1, 2, 3, 4, 5]], couch=1, picture=2, fridge=3, windowpane=4, armchair=5)
    style = segments([[1, 2, 3, 4, 5, 6]], settee=1, painting=2, refrigerator=3, window=4, couch=5, chair=6)
    found = match_segments(structure, style)
    assert found.allowed == {1: (1, 5), 2: (2,), 3: (3,), 4: (4,), 5: ()}
    assert found.structure.names == ("armchair", "couch", "fridge", "picture", "windowpane")
    assert found.class_name(int(found.structure_classes[0, 2])) == "refrigerator"


def test_statements_and_locks_take_any_name_of_the_same_meaning() -> None:
    structure = segments([[1, 2, 3]], couch=1, television=2, wall=3)
    style = segments([[1, 2]], armchair=1, wall=2)
    found = match_segments(structure, style, matches={"Sofa": "easy chair"}, keep=["TV"])
    assert found.allowed == {1: (1,), 2: (), 3: (2,)}
    assert found.kept.tolist() == [[False, True, False]]


def test_the_exact_name_is_preferred_and_takes_its_regions_out_of_the_group() -> None:
    structure = segments([[1, 2, 3]], lamp=1, **{"floor lamp": 2}, wall=3)
    style = segments([[4, 5, 6]], **{"table lamp": 4, "floor lamp": 5}, wall=6)
    assert match_segments(structure, style).allowed == {1: (4, 5), 2: (4, 5), 3: (6,)}
    found = match_segments(structure, style, matches={"lamp": "table lamp"})
    assert found.allowed == {1: (4,), 2: (5,), 3: (6,)}
    locked = match_segments(structure, style, keep=["floor lamp"]).kept
    assert locked.tolist() == [[False, True, False]]
    apart = match_segments(structure, style, matches={"lamp": "table lamp", "wall": "floor lamp"})
    assert apart.allowed == {1: (4,), 2: (4,), 3: (5,)}


def test_a_class_is_as_large_as_all_its_synonyms() -> None:
    halves = segments([[1] * 49 + [2], [1] * 49 + [3]], wall=1, sofa=2, couch=3)
    assert match_segments(halves, STYLE, minimum_area=0.02).allowed[2] == (8, 9)
    assert match_segments(halves, STYLE, minimum_area=0.021).allowed[2] == ()


def test_regions_that_the_style_lists_but_does_not_show_are_no_counterparts() -> None:
    style = Segments(torch.tensor([[7]]), {7: Region("wall"), 8: Region("sofa")})
    assert match_segments(STRUCTURE, style).allowed == {1: (7,), 2: (), 3: ()}


MAIN = segments([[1, 1, 2], [3, 3, 2]], wall=1, sofa=2, floor=3)
OTHER = Segments(
    torch.tensor([[4, 4, 5], [6, 6, 5]]),
    {4: Region("wall", 0, 1), 5: Region("lamp", 0, 1), 6: Region("table lamp", 1, 1)},
)


def test_of_several_pictures_the_first_that_has_a_counterpart_gives_it() -> None:
    found = match_segments(STRUCTURE, [MAIN, OTHER])
    assert found.allowed == {1: (1,), 2: (2,), 3: (5, 6)}
    assert not found.aside


def test_a_match_may_name_a_picture_which_then_serves_nothing_else() -> None:
    found = match_segments(STRUCTURE, [MAIN, OTHER], matches={"sofa": Source("wall", 1)})
    assert found.allowed == {1: (1,), 2: (4,), 3: ()}
    assert found.aside == {1}
    whole = match_segments(
        STRUCTURE, [MAIN, OTHER], matches={"sofa": Source(picture=1), "wall": Source("table lamp", 1)}
    )
    assert whole.allowed == {1: (6,), 2: (4, 5), 3: ()}, "all of the picture, less what somebody else takes by name"
    own = match_segments(STRUCTURE, [MAIN, OTHER], matches={"wall": Source(picture=1)})
    assert own.allowed[1] == (4,)
    with pytest.raises(SegmentsError, match="style picture, got 'sofa'; it has: lamp, table lamp, wall"):
        match_segments(STRUCTURE, [MAIN, OTHER], matches={"sofa": Source("sofa", 1)})


def test_a_picture_set_aside_has_no_part_in_the_look_of_the_whole() -> None:
    found = match_segments(STRUCTURE, [MAIN, OTHER], matches={"sofa": Source(picture=1)})
    joint = Segments(torch.cat([MAIN.labels, OTHER.labels], 1), {**MAIN.regions, **OTHER.regions})
    found = replace(found, style=joint)
    assert found.overall.tolist() == [[True] * 3 + [False] * 3] * 2
    allowed = found.groups((2, 4), (2, 6)).matrix[0]
    lamp = allowed[6]  # unmatched
    assert torch.equal(lamp, found.overall.flatten())
    assert torch.equal(allowed[2], ~found.overall.flatten()), "the sofa takes from the second picture alone"


def test_an_armchair_that_was_seen_takes_from_a_sofa_where_the_style_has_none() -> None:
    """Not one of doubt, and not what is certain."""
    seen = {1: 0.8, 2: 0.5, 3: 1.0}
    names = {1: "armchair", 2: "chair", 3: "armchair"}
    labels = Segments(torch.tensor([[1, 2, 3]]), {id: Region(names[id], id, confidence=seen[id]) for id in names})
    style = segments([[7, 8]], sofa=7, wall=8)
    found = match_segments(labels, style)
    assert found.allowed == {1: (), 2: (), 3: ()}
    assert with_kin(found).allowed == {1: (7,), 2: (), 3: ()}


def test_a_sofa_takes_from_a_bed_where_the_style_has_no_seat() -> None:
    sofa = Segments(torch.tensor([[1]]), {1: Region("sofa", confidence=0.8)})
    found = with_kin(match_segments(sofa, segments([[7, 8]], bed=7, wall=8)))
    assert found.allowed == {1: (7,)}
    assert found.from_kin(1)
    assert not with_kin(match_segments(sofa, segments([[7, 8]], sofa=7, wall=8))).from_kin(1)
    assert with_kin(match_segments(sofa, segments([[7, 9]], bed=7, armchair=9))).allowed == {1: (9,)}
