"""Soft weights of masks: sums, straight lines without an edge, fringes with one."""

from __future__ import annotations

import pytest
import torch

from relook.errors import ShapeError
from relook.ops.soft import flowing_weights, soft_weight, soft_weights, straightness


def halves(height: int = 200, width: int = 300) -> torch.Tensor:
    """Left and right of a slanted line."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    left = x + 0.3 * y < 180
    return torch.stack([left, ~left])


def test_weights_sum_to_one() -> None:
    weights = soft_weights(torch.rand(3, 200, 300, generator=torch.Generator().manual_seed(0)), halves())
    assert torch.allclose(weights.sum(0), torch.ones(200, 300), atol=1e-5)
    assert bool((weights >= 0).all())


def test_a_straight_border_without_an_edge_stays_a_line() -> None:
    weights = soft_weights(torch.full((3, 200, 300), 0.9), halves())
    between = (weights[0] > 0.02) & (weights[0] < 0.98)
    assert between[20:-20].sum(1).float().mean() < 4.5  # a guided filter alone spreads it over some ten pixels
    assert bool(((weights[0] > 0.5) == halves()[0]).float().mean() > 0.999)


def test_noise_beside_a_faint_border_does_not_fray_it() -> None:
    """A white wall and a white ceiling, a hundredth apart: less than the noise, which guided weights follow."""
    masks = halves()
    noise = 0.02 * torch.randn(3, 200, 300, generator=torch.Generator().manual_seed(5))
    weights = soft_weights(torch.where(masks[0], 0.8, 0.81) + noise, masks)[0]
    assert ((weights - masks[0].float()).abs() > 0.1).sum() < 2.5 * 200


def test_a_border_beside_an_edge_of_the_picture_moves_onto_it() -> None:
    masks = halves(400, 600)
    true = masks[0].roll(2, 1)  # the mask ends two pixels before the picture's edge
    moved = soft_weights(torch.where(true, 0.2, 0.8).expand(3, -1, -1), masks)[0] > 0.5
    inner = slice(60, 340), slice(30, 570)
    assert (moved != true)[inner].sum() < 0.2 * (masks[0] != true)[inner].sum()


def test_ragged_borders_are_told_from_straight_ones() -> None:
    line, comb = halves()[0].float(), halves()[0].float()
    comb[::2] = line[::2].roll(6, 1)
    near = (line - line.roll(1, 1)).abs() > 0
    assert straightness(line, 3.0)[20:-20][near[20:-20]].median() > 0.95
    assert straightness(comb, 3.0)[20:-20][near[20:-20]].median() < 0.8


@pytest.mark.parametrize("size", [(200, 300), (1000, 1500)])
def test_what_was_perceived_fades_where_the_picture_has_no_edge_and_ends_at_the_next(size: tuple[int, int]) -> None:
    """A bed whose mask reaches over the plain wall behind it, and ends short of a dark picture."""
    left, none = torch.arange(size[1]) < 0.6 * size[1], torch.zeros(size, dtype=torch.bool)
    masks = torch.stack([left, ~left])[:, None].expand(-1, *size)
    edge = int(0.8 * size[1])
    image = torch.where(torch.arange(size[1]) < edge, 0.9, 0.3).expand(3, *size)
    hard, found = soft_weights(image, masks), flowing_weights(image, masks, none)
    assert torch.allclose(found.sum(0), torch.ones(size), atol=1e-4)
    row = size[0] // 2
    assert float(found[0, row].diff().abs()[: edge - 3].max()) < 0.2 * float(
        hard[0, row].diff().abs()[: edge - 3].max()
    )
    assert float(found[1, row, edge + 3 :].min()) > 0.99
    assert float(found[0, row, 0]) > 0.99
    assert float(found[1, row, 0]) == 0  # far away it is none at all, so that what stays is left bit for bit


def test_what_is_known_does_not_flow() -> None:
    masks = halves()
    image = torch.full((3, 200, 300), 0.9)
    assert torch.equal(
        flowing_weights(image, masks, torch.ones(200, 300, dtype=torch.bool)), soft_weights(image, masks)
    )
    half = torch.zeros(200, 300, dtype=torch.bool)
    half[:100] = True
    found = flowing_weights(image, masks, half)
    assert torch.allclose(found[:, :90], soft_weights(image, masks)[:, :90], atol=0.03)
    assert not torch.allclose(found[:, 110:], soft_weights(image, masks)[:, 110:], atol=0.2)


def test_masks_of_another_size_are_refused() -> None:
    with pytest.raises(ShapeError, match="resize"):
        soft_weights(torch.rand(3, 20, 30), torch.ones(2, 10, 15, dtype=torch.bool))


def test_the_weight_of_one_mask_is_what_it_has_beside_all_else() -> None:
    image = torch.rand(3, 120, 160, generator=torch.Generator().manual_seed(3))
    mask = torch.zeros(120, 160, dtype=torch.bool)
    mask[40:80, 30:90] = True
    assert torch.allclose(soft_weight(image, mask), soft_weights(image, torch.stack([mask, ~mask]))[0], atol=1e-4)
