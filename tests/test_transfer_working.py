"""Working size: large pictures are restyled small, and the change is carried up."""

from __future__ import annotations

import torch

from relook.dollhouse import render, sample_layout, sample_style
from relook.transfer.working import carried, shrunk


def test_small_views_are_left_alone():
    view = render(sample_layout(1), sample_style(1), (40, 60)).view()
    assert shrunk(view, 60) is view


def test_shrunk_views_agree_with_themselves():
    view = render(sample_layout(1), sample_style(1), (80, 120)).view()
    small = shrunk(view, 60)
    assert small.size == (40, 60)
    assert small.segments is not None
    assert small.depth is not None
    assert small.segments.labels.shape == small.depth.values.shape == (40, 60)
    assert set(small.segments.names) <= set(view.segments.names)
    whole = set(view.segments.labels.unique().tolist())
    assert set(small.segments.labels.unique().tolist()) <= whole


def test_a_shrunk_view_is_seen_by_its_own_camera():
    view = render(sample_layout(1), sample_style(1), (80, 120)).view()
    small = shrunk(view, 60)
    assert view.camera is not None
    assert small.camera is not None
    torch.testing.assert_close(small.camera.K[:2], view.camera.K[:2] / 2)
    torch.testing.assert_close(small.camera.K[2], torch.tensor([0.0, 0.0, 1.0]))


def test_no_change_is_carried_as_no_change():
    view = render(sample_layout(1), sample_style(1), (80, 120)).view()
    small = shrunk(view, 60)
    torch.testing.assert_close(carried(view.image, small.image, small.image), view.image, atol=1e-5, rtol=0)


def test_a_change_is_carried_and_detail_stays():
    full = torch.full((3, 80, 120), 0.5)
    full[:, ::2] += 0.05
    small = torch.full((3, 40, 60), 0.525)
    new = carried(full, small, small + torch.tensor([0.1, 0.0, -0.1])[:, None, None])
    torch.testing.assert_close(new, full + torch.tensor([0.1, 0.0, -0.1])[:, None, None], atol=0.02, rtol=0)
    assert (new[:, 0] - new[:, 1]).mean() > 0.045
