"""What stands on a rug and was taken for it."""

from __future__ import annotations

import pytest
import torch
from jaxtyping import Bool
from torch import Tensor

from relook.errors import SegmentsError
from relook.perceive.borders.standing import legs_given
from relook.types import Region, Segments, View

FLOOR, RUG, TABLE = 1, 2, 3


def room() -> tuple[View, Bool[Tensor, "H W"], Bool[Tensor, "H W"]]:
    """A table's top over a rug of two colours on a floor; its legs, and a shadow that lies before the top, are called rug."""
    labels = torch.full((240, 360), FLOOR)
    labels[80:220, 60:300] = RUG
    labels[60:120, 110:250] = TABLE
    draw = torch.Generator().manual_seed(0)
    image = torch.tensor([0.7, 0.6, 0.45])[:, None, None].expand(3, 240, 360).clone()
    pattern = torch.rand(35, 60, generator=draw).repeat_interleave(4, 0).repeat_interleave(4, 1) > 0.5
    colours = torch.tensor([[0.2, 0.25, 0.45], [0.3, 0.35, 0.5]])
    image[:, 80:220, 60:300] = colours[pattern.long()].permute(2, 0, 1)
    image[:, labels == TABLE] = torch.tensor([0.6, 0.35, 0.15])[:, None]
    legs, shadow = (torch.zeros(240, 360, dtype=torch.bool) for _ in range(2))
    legs[120:190, 115:125] = legs[120:190, 235:245] = True
    shadow[120:132, 140:220] = True
    image[:, legs] = torch.tensor([0.45, 0.25, 0.1])[:, None]
    image[:, shadow] = torch.tensor([0.05, 0.02, 0.02])[:, None]
    names = {FLOOR: Region("floor"), RUG: Region("rug"), TABLE: Region("table")}
    return (
        View((image + 0.01 * torch.randn(image.shape, generator=draw)).clamp(0, 1), Segments(labels, names)),
        legs,
        shadow,
    )


def test_legs_of_a_table_are_no_rug() -> None:
    """A shadow that lies before it stays: it is no leg. Nothing else changes."""
    view, legs, shadow = room()
    assert view.segments is not None
    found = legs_given(view)
    assert (found.labels[legs] == TABLE).float().mean() > 0.9
    assert (found.labels[shadow] == RUG).float().mean() > 0.9
    changed = found.labels != view.segments.labels
    assert (changed & ~legs).sum() < 0.2 * legs.sum()


def test_what_touches_no_thing_stays_rug() -> None:
    """It may be part of the design."""
    view, legs, _ = room()
    assert view.segments is not None
    apart = Segments(torch.where(view.segments.labels == TABLE, FLOOR, view.segments.labels), view.segments.regions)
    found = legs_given(View(view.image, apart))
    assert bool((found.labels == apart.labels).all())
    assert bool(legs.any())


def test_without_segments_is_refused() -> None:
    with pytest.raises(SegmentsError, match="without"):
        legs_given(View(torch.zeros(3, 8, 8)))
