"""Coarse depth at full size: planes stay planes, steps follow the picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from relook.dollhouse import render, sample_layout, sample_style
from relook.ops.guided import guided_filter
from relook.ops.upsample import steepness, upsample_depth

UNSEEN = (1 << 40) + 900


def test_a_plane_comes_back_exactly() -> None:
    """Disparity is linear on a plane, whatever is painted on it."""
    y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(96) + 0.5, indexing="ij")
    plane = 1 / (0.2 + 0.003 * x + 0.002 * y)
    coarse = 1 / functional.avg_pool2d((1 / plane)[None], 8)[0]
    full = upsample_depth(torch.rand(3, 64, 96), coarse)
    inner = (slice(4, -4), slice(4, -4))
    assert torch.allclose(full[inner], plane[inner], rtol=1e-4)


def test_a_step_is_where_the_colours_change() -> None:
    image = torch.zeros(3, 64, 64)
    image[:, :, 29:] = 1
    depth = torch.where(torch.arange(64) < 29, 2.0, 4.0).expand(64, 64)
    coarse = functional.avg_pool2d(depth[None], 4)[0]
    full = upsample_depth(image, coarse)
    assert torch.allclose(full[:, 28], torch.full((64,), 2.0), rtol=0.01)
    assert torch.allclose(full[:, 29], torch.full((64,), 4.0), rtol=0.01)


def test_smooth_surfaces_have_no_steps() -> None:
    disparity = torch.linspace(0.2, 0.5, 20).expand(16, 20).clone()
    assert float(steepness(disparity)[:, 2:-2].max()) == 0
    disparity[:, 10:] += 1
    assert (steepness(disparity)[:, 9:11] == 1).all()


@pytest.mark.parametrize("cells", [(2, 2), (64, 96), (1, 1)])
def test_nothing_to_sharpen_is_interpolated(cells: tuple[int, int]) -> None:
    coarse = 1 + torch.rand(*cells)
    full = upsample_depth(torch.rand(3, 64, 96), coarse)
    assert full.shape == (64, 96)
    assert float(coarse.min()) <= float(full.min()) <= float(full.max()) <= float(coarse.max())


def test_large_pictures_are_worked_on_at_a_smaller_size() -> None:
    image = torch.zeros(3, 900, 1200)
    image[:, :, 600:] = 1
    coarse = torch.where(torch.arange(40) < 20, 2.0, 4.0).expand(30, 40)
    full = upsample_depth(image, coarse)
    assert full.shape == (900, 1200)
    assert float(full[450, 590]) == pytest.approx(2, rel=0.01)
    assert float(full[450, 610]) == pytest.approx(4, rel=0.01)


def test_rooms_are_better_at_edges_and_elsewhere_than_with_a_guided_filter() -> None:
    """Blurred depth at an eighth of the side: mean relative error within 3 pixels of depth edges, and away from them."""
    errors = {"guided": [0.0, 0.0], "ours": [0.0, 0.0]}
    for number in range(3):
        room = render(sample_layout(UNSEEN + number), sample_style(UNSEEN + number), (192, 256))
        coarse = functional.interpolate(room.depth.log()[None, None], (24, 32), mode="area")
        coarse = functional.avg_pool2d(functional.pad(coarse, (1,) * 4, mode="replicate"), 3, 1)[0, 0].exp()
        logs = room.depth.log().numpy()
        jump = np.zeros(logs.shape, np.uint8)
        jump[1:] |= np.abs(np.diff(logs, axis=0)) > 0.08
        jump[:, 1:] |= np.abs(np.diff(logs, axis=1)) > 0.08
        near = torch.from_numpy(cv2.dilate(jump, np.ones((7, 7), np.uint8))).bool()
        for name, full in (
            (
                "guided",
                guided_filter(room.image, coarse[None], 0.015, 1e-3)[0].clamp(float(coarse.min()), float(coarse.max())),
            ),
            ("ours", upsample_depth(room.image, coarse)),
        ):
            wrong = (full / room.depth - 1).abs()
            errors[name][0] += float(wrong[near].mean()) / 3
            errors[name][1] += float(wrong[~near].mean()) / 3
    assert errors["ours"][0] < 0.85 * errors["guided"][0]
    assert errors["ours"][1] < errors["guided"][1]
