"""Structure and depth: edges, masks and depths against naive loops, torchmetrics and examples worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_jaccard_index

from relook.errors import ShapeError
from relook.evaluate.metrics.depth import (
    abs_rel,
    abs_rel_scaled,
    delta1,
    depth_abs_rel,
    depth_delta1,
    depth_sq_rel,
    sq_rel,
)
from relook.evaluate.metrics.structure import boundary_f1, edge_f1, mask_ious, mask_miou
from relook.types import Region, Segments


def slow_f1(found: np.ndarray, true: np.ndarray, reach: float) -> float:
    """Precision and recall by looking at every pair of edge pixels."""

    def share(places: np.ndarray, others: np.ndarray) -> float:
        near = [min(math.hypot(*(p - q)) for q in others) <= reach for p in places]
        return sum(near) / len(near)

    ours, theirs = (np.argwhere(mask) for mask in (found, true))
    precision, recall = share(ours, theirs), share(theirs, ours)
    return 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("tolerance", [0.0075, 0.06])
def test_boundary_f1_is_that_of_all_pairs(tolerance: float) -> None:
    draw = np.random.default_rng(0)
    found, true = (draw.random((24, 31)) < share for share in (0.04, 0.07))
    reach = max(1.0, tolerance * math.hypot(24, 31))
    expected = slow_f1(found, true, reach)
    assert 0.05 < expected < 0.95
    assert boundary_f1(torch.from_numpy(found), torch.from_numpy(true), tolerance) == pytest.approx(expected)


def test_boundary_f1_by_hand() -> None:
    true, found = torch.zeros(40, 40, dtype=torch.bool), torch.zeros(40, 40, dtype=torch.bool)
    true[10, :20], found[11, :10] = (
        True,
        True,
    )  # one row beside; half of it, and a pixel beyond the end counts as near: 11 of 20
    recall = sum(min(math.hypot(1, column - x) for x in range(10)) <= 1 for column in range(20)) / 20
    assert recall == 0.5
    assert boundary_f1(found, true) == pytest.approx(2 * 1 * 0.5 / 1.5)
    assert boundary_f1(torch.zeros_like(found), true) == 0
    assert boundary_f1(found, torch.zeros_like(true)) is None


def room(shift: int = 0, colour: float = 0.0) -> Tensor:
    picture = torch.full((3, 64, 96), 0.2)
    picture[:, 16 + shift : 48 + shift, 20 + shift : 70 + shift] = torch.tensor([0.9, 0.8 - colour, 0.1 + colour])[
        :, None, None
    ]
    return picture


def test_edges_stay_under_new_colours_and_go_with_what_moves() -> None:
    assert edge_f1(room(colour=0.5), room()) == pytest.approx(1)
    moved = edge_f1(room(shift=6), room())
    assert moved is not None
    assert moved < 0.3
    assert edge_f1(torch.full((3, 64, 96), 0.5), room()) == 0
    assert edge_f1(room(), torch.full((3, 64, 96), 0.5)) is None
    assert edge_f1(torch.rand(3, 1, 1), torch.rand(3, 1, 1)) is None


@pytest.mark.usefixtures("unchecked")
def test_other_sizes_are_refused() -> None:
    with pytest.raises(ShapeError, match="one size"):
        edge_f1(room(), room()[:, :32])
    with pytest.raises(ShapeError, match="one size"):
        mask_miou(
            Segments(torch.ones(3, 3, dtype=torch.int64), {1: Region("wall")}),
            Segments(torch.ones(3, 4, dtype=torch.int64), {1: Region("wall")}),
        )
    with pytest.raises(ShapeError, match="one size"):
        sq_rel(torch.ones(3, 3), torch.ones(3, 4))


NAMES = ("wall", "sofa", "rug", "lamp")


def segments(ids: Tensor, names: tuple[str, ...] = NAMES) -> Segments:
    return Segments(ids, {id: Region(name) for id, name in enumerate(names, start=1)})


def test_mask_miou_is_torchmetrics() -> None:
    draw = torch.Generator().manual_seed(0)
    theirs = torch.randint(1, 4, (20, 30), generator=draw)  # no lamp
    ours = torch.where(torch.rand(20, 30, generator=draw) < 0.3, torch.randint(1, 5, (20, 30), generator=draw), theirs)
    each = multiclass_jaccard_index(ours - 1, theirs - 1, num_classes=4, average="none")
    found = mask_ious(segments(ours), segments(theirs))
    assert list(found) == list(
        NAMES[:3]
    )  # lamps that the structure does not have cost the others, and are no class of their own
    assert list(found.values()) == pytest.approx(each[:3].tolist(), abs=1e-6)
    assert mask_miou(segments(ours), segments(theirs)) == pytest.approx(float(each[:3].mean()), abs=1e-6)


def test_masks_are_compared_by_meaning_where_the_structure_has_regions() -> None:
    theirs = torch.tensor([[1, 1, 2, 0]])
    assert mask_ious(segments(theirs, ("wall", "couch")), segments(theirs)) == {"wall": 1.0, "sofa": 1.0}
    everywhere = segments(torch.tensor([[1, 1, 2, 2]]))
    assert mask_ious(everywhere, segments(theirs))["sofa"] == 1  # nothing is known of the last pixel
    two_sofas = segments(torch.tensor([[1, 1, 2, 3]]), ("wall", "sofa", "couch"))
    assert mask_ious(everywhere, two_sofas) == {"wall": 1.0, "sofa": 1.0}
    assert mask_miou(everywhere, segments(theirs * 0)) is None
    assert mask_miou(segments(theirs * 0), segments(theirs)) == 0


def test_depth_numbers_are_those_of_a_loop() -> None:
    draw = torch.Generator().manual_seed(1)
    truth = 1 + 4 * torch.rand(9, 11, generator=draw)
    found = truth * (0.7 + 0.6 * torch.rand(9, 11, generator=draw))
    pairs = [(float(f), float(t)) for f, t in zip(found.flatten(), truth.flatten(), strict=True)]
    assert abs_rel(found, truth) == pytest.approx(sum(abs(f - t) / t for f, t in pairs) / 99)
    assert sq_rel(found, truth) == pytest.approx(sum((f - t) ** 2 / t for f, t in pairs) / 99)
    assert delta1(found, truth) == pytest.approx(sum(max(f / t, t / f) < 1.25 for f, t in pairs) / 99)
    factor = float(truth.median() / found.median())
    middle = float(truth.median())
    assert abs_rel_scaled(found, truth) == pytest.approx(sum(abs(factor * f - t) / t for f, t in pairs) / 99)
    assert depth_abs_rel(found, truth) == pytest.approx(abs_rel_scaled(found, truth))
    expected = sum((factor * f - t) ** 2 / t for f, t in pairs) / 99 / middle
    assert depth_sq_rel(found, truth) == pytest.approx(expected)


def test_depth_of_the_structure_has_no_unit() -> None:
    draw = torch.Generator().manual_seed(2)
    truth, found = (1 + torch.rand(8, 8, generator=draw) for _ in range(2))
    for number in (depth_abs_rel, depth_sq_rel, depth_delta1):
        assert number(7 * found, truth) == pytest.approx(number(found, truth), rel=1e-5)
        assert number(7 * found, 3 * truth) == pytest.approx(number(found, truth), rel=1e-5)
    assert depth_abs_rel(5 * truth, truth) == pytest.approx(0, abs=1e-6)
    assert depth_delta1(5 * truth, truth) == 1


def test_unknown_depth_does_not_count() -> None:
    truth = torch.tensor([[1.0, 2.0, math.nan, 0.0, 4.0]])
    found = torch.tensor([[1.1, math.nan, 3.0, 3.0, 4.0]])
    assert abs_rel(found, truth) == pytest.approx(0.05)
    assert sq_rel(found, truth) == pytest.approx(0.005)
    nothing = torch.full((2, 2), math.nan)
    for number in (abs_rel, sq_rel, delta1, abs_rel_scaled, depth_abs_rel, depth_sq_rel, depth_delta1):
        assert number(nothing, torch.ones(2, 2)) is None
