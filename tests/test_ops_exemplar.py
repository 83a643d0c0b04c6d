"""Straightened pieces of surfaces, and what is fetched from them."""

from __future__ import annotations

import pytest
import torch

from relook.ops.exemplar import Exemplar, coarser, fetched, halved, rectified


def floor(size: int = 96) -> tuple[torch.Tensor, torch.Tensor]:
    """Places and grain of the pixels of a floor that runs away from the camera, 1.5 below it."""
    rows, columns = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    down, across = rows / size * 0.9 + 0.3, columns / size - 0.5
    depth = 1.5 / down
    return torch.stack([across * depth, -depth]).flatten(1), (depth / size / down.sqrt()).flatten()


def checks(place: torch.Tensor) -> torch.Tensor:
    return ((place / 0.4).floor().sum(0) % 2)[None]


def test_a_floor_is_seen_straight_on() -> None:
    place, grain = floor()
    found = rectified(place, checks(place), grain)
    assert found is not None
    rows, columns = found.known.nonzero().T
    centre = torch.stack([columns, rows]) + 0.5
    wanted = checks(centre * found.cell + torch.tensor(found.corner)[:, None])[0]
    right = ((found.values[0][found.known] > 0.5) == (wanted > 0.5)).float().mean()
    assert float(right) > 0.9
    assert float(found.known.float().mean()) > 0.3


def test_what_was_laid_out_is_fetched_again() -> None:
    place, grain = floor()
    smooth = torch.stack([torch.sin(3 * place[0]), torch.cos(2 * place[1])])
    found = rectified(place, smooth, grain)
    assert found is not None
    near = grain < grain.quantile(0.3)
    assert float((fetched(found, place[:, near], grain[near]) - smooth[:, near]).abs().mean()) < 0.03


def test_a_pixel_that_sees_much_sees_the_mean() -> None:
    place, grain = floor()
    found = rectified(place, checks(place), grain)
    assert found is not None
    middle = (
        torch.tensor(found.corner)[:, None]
        + found.cell * torch.tensor([found.known.shape[1], found.known.shape[0]])[:, None] / 2
    )
    wide = fetched(found, middle.expand(2, 5), torch.full((5,), 64 * found.cell))
    assert float((wide - found.values.mean()).abs().max()) < 0.15
    sharp = fetched(found, place[:, grain < 2 * found.cell], grain[grain < 2 * found.cell])
    assert float(sharp.std()) > 3 * float(wide.std()) + 0.3


def test_copies_that_are_kept_show_the_same() -> None:
    place, grain = floor()
    found = rectified(place, checks(place), grain)
    assert found is not None
    along = torch.stack([torch.zeros_like(grain), 3 * grain])
    kept = halved(found)
    assert torch.equal(fetched(found, place, grain, along), fetched(found, place, grain, along, kept))
    assert [one.shape[1] for one in kept[:2]] == [found.values.shape[1], -(-found.values.shape[1] // 2)]
    assert float(fetched(found, place, grain, along, kept[:1]).std()) > float(fetched(found, place, grain, along).std())


def test_coarse_cells_are_known_where_all_of_them_is() -> None:
    known = torch.ones(4, 7, dtype=torch.bool)
    known[0, 0] = False
    fine = Exemplar(torch.arange(28.0).view(1, 4, 7), known, 0.5, (1.0, 2.0))
    found = coarser(fine, 2)
    assert found.known.tolist() == [[False, True, True], [True, True, True]]
    assert float(found.values[0, 0, 1]) == pytest.approx((2 + 3 + 9 + 10) / 4)
    assert (found.cell, found.corner) == (1.0, (1.0, 2.0))
    assert coarser(fine, 1) is fine


def test_too_little_says_nothing() -> None:
    place, grain = floor()
    few = grain < grain.quantile(0.004)
    assert rectified(place[:, few], checks(place[:, few]), grain[few]) is None
    line = place[:, :96]  # one row of pixels: no surface
    assert rectified(line, checks(line), grain[:96]) is None


def test_a_pixel_counts_most_in_the_nearest_cell() -> None:
    """A step from 0 to 1 at 8: half a cell before it a triangle of width 2 sees 1/8 of the other side."""
    place = 16 * torch.rand(2, 60_000, generator=torch.Generator().manual_seed(0))
    found = rectified(place, (place[1:] > 8).float(), torch.ones(60_000))
    assert found is not None
    assert float(found.values[0, 7, 2:14].mean()) == pytest.approx(1 / 8, abs=0.03)
    assert float(found.values[0, 8, 2:14].mean()) == pytest.approx(7 / 8, abs=0.03)
