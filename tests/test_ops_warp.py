"""Warping: against a slow twin, against exact views, and holes that are masks, not colours."""

from __future__ import annotations

import math

import pytest
import torch

from relook.errors import ShapeError
from relook.ops.geometry import flow_from_depth
from relook.ops.warp import COVERED, Warped, blended, look_up, nearness, softmax_splat
from walks import two_views


def slow_splat(values, flow, importance, size):
    """Pixel by pixel, as the equation says."""
    channels, height, width = values.shape
    colour, weight, coverage = torch.zeros(channels, *size), torch.zeros(size), torch.zeros(size)
    for y in range(height):
        for x in range(width):
            u, v = x + float(flow[0, y, x]), y + float(flow[1, y, x])
            if not (math.isfinite(u) and math.isfinite(v) and math.isfinite(float(importance[y, x]))):
                continue
            for row in range(size[0]):
                for column in range(size[1]):
                    kernel = max(0.0, 1 - abs(column - u)) * max(0.0, 1 - abs(row - v))
                    if kernel > 0:
                        colour[:, row, column] += kernel * math.exp(importance[y, x]) * values[:, y, x]
                        weight[row, column] += kernel * math.exp(importance[y, x])
                        coverage[row, column] += kernel
    known = coverage >= COVERED
    return torch.where(known, colour / weight.clamp_min(1e-30), 0.0), torch.where(known, coverage.clamp_max(1), 0.0)


def test_splatting_is_its_slow_twin() -> None:
    draws = torch.Generator().manual_seed(0)
    values, flow = torch.rand(3, 6, 7, generator=draws), 3 * torch.randn(2, 6, 7, generator=draws)
    importance = 4 * torch.randn(6, 7, generator=draws)
    flow[0, 1, 1], importance[2, 2] = float("nan"), float("-inf")
    found = softmax_splat(values, flow, importance, (5, 8))
    colour, confidence = slow_splat(values, flow, importance, (5, 8))
    torch.testing.assert_close(found.values, colour, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.confidence, confidence, atol=1e-6, rtol=1e-5)


def test_without_motion_nothing_changes() -> None:
    values = torch.rand(3, 5, 6)
    splatted = softmax_splat(values, torch.zeros(2, 5, 6), torch.zeros(5, 6), (5, 6))
    fetched = look_up(values, torch.zeros(2, 5, 6), torch.ones(5, 6))
    for found in (splatted, fetched):
        torch.testing.assert_close(found.values, values)
        assert not found.holes.any()


def test_the_nearer_of_two_surfaces_wins() -> None:
    """Two pixels land on one: a sharp importance leaves the nearer, even where it spans many powers of ten."""
    values = torch.tensor([1.0, 0.0]).view(1, 1, 2)
    flow = torch.zeros(2, 1, 2)
    flow[0, 0, 1] = -1
    depth = torch.tensor([[3.0, 1.0]])
    for sharpness in (50.0, 500.0):
        found = softmax_splat(values, flow, nearness(depth, sharpness), (1, 2))
        assert found.values[0, 0, 0] < 1e-6
    assert softmax_splat(values, flow, nearness(depth, 0.0), (1, 2)).values[0, 0, 0] == pytest.approx(0.5)


def test_black_is_no_hole() -> None:
    black = torch.zeros(3, 4, 4)
    shifted = torch.zeros(2, 4, 4)
    shifted[0] = 2
    for found in (softmax_splat(black, shifted, torch.zeros(4, 4), (4, 4)), look_up(black, -shifted, torch.ones(4, 4))):
        assert found.holes[:, :2].all()
        assert not found.holes[:, 2:].any()


def test_importance_as_published() -> None:
    """exp of 10 · normalised(0.5 / depth) - 10 (ReStyle3D's released code)."""
    depth = torch.tensor([[1.0, 2.0], [4.0, float("nan")]])
    scaled = (0.5 / depth[:1] - 0.125) / (0.5 - 0.125)
    torch.testing.assert_close(nearness(depth)[:1], 10 * scaled - 10)
    assert nearness(depth)[1, 1] == float("-inf")
    with pytest.raises(ShapeError, match="Expected depth"):
        nearness(torch.zeros(2, 2))


def test_both_warps_show_a_second_view() -> None:
    """Against the exact second view where it shows the same surfaces; looking up is the sharper one."""
    first, second = two_views(size=(96, 128))
    there = flow_from_depth(first.depth, first.camera, second.depth, second.camera)
    back = flow_from_depth(second.depth, second.camera, first.depth, first.camera)
    splatted = softmax_splat(first.image, there.flow, nearness(first.depth, 50.0), (96, 128))
    fetched = look_up(first.image, back.flow, back.visible.float())
    seen = ~splatted.holes & ~fetched.holes
    errors = [(found.values - second.image)[:, seen].square().mean().item() for found in (splatted, fetched)]
    unmoved = (first.image - second.image)[:, seen].square().mean().item()
    assert errors[1] < errors[0] < 0.5 * unmoved
    assert errors[1] < 0.1 * unmoved


def test_blending_weighs_by_place_and_by_rank() -> None:
    one, two = (
        Warped(torch.full((1, 1, 3), value), torch.tensor([sure]))
        for value, sure in ((1.0, [1.0, 1.0, 0.0]), (0.0, [1.0, 0.0, 0.0]))
    )
    found = blended([one, two], 2.0)
    assert found.values[0, 0, 0] == pytest.approx(1 / (1 + math.exp(-2)))
    assert found.values[0, 0, 1] == 1
    assert found.holes.tolist() == [[False, False, True]]
    turned = blended([one, two], 2.0, [torch.ones(1, 3), torch.zeros(1, 3)])
    assert turned.values[0, 0, 0] == pytest.approx(math.exp(-2) / (1 + math.exp(-2)))


def test_great_ranks_leave_no_hole() -> None:
    old = Warped(torch.ones(1, 1, 1), torch.ones(1, 1))
    found = blended([old], 4.0, [torch.full((1, 1), 400.0)])
    assert found.values.item() == 1
    assert found.confidence.item() == 1


def test_maps_that_do_not_fit_are_refused(unchecked: None) -> None:
    with pytest.raises(ShapeError, match="of 4 x 4 pixels"):
        softmax_splat(torch.zeros(3, 4, 4), torch.zeros(2, 4, 5), torch.zeros(4, 5), (4, 4))
    with pytest.raises(ShapeError, match="Expected warps"):
        blended([], 1.0)


def test_silhouettes_do_not_mix_with_what_lies_behind() -> None:
    """A guided look-up of an exact second view, in another look than the guide's, errs less than a plain one."""
    from relook.dollhouse import render, sample_layout, sample_style, walk

    layout = sample_layout(1_000_050)
    poses = walk(layout, 2, stride=0.5, turn=0.3)
    new, old = (
        [render(layout, sample_style(seed), (96, 96), pose) for pose in poses] for seed in (1_000_050, 1_000_150)
    )
    back = flow_from_depth(new[1].depth, new[1].camera, new[0].depth, new[0].camera)
    guides = (None, (old[0].image, old[1].image))
    errors = [
        (look_up(new[0].image, back.flow, back.visible.float(), guide).values - new[1].image)[:, back.visible]
        .square()
        .mean()
        for guide in guides
    ]
    assert errors[1] < 0.85 * errors[0]


def test_a_guide_that_says_nothing_changes_nothing() -> None:
    values, flow = torch.rand(4, 7, 9), torch.randn(2, 7, 9)
    flat = (torch.full((3, 7, 9), 0.4), torch.full((3, 7, 9), 0.7))
    plain, guided = (look_up(values, flow, torch.ones(7, 9), guide) for guide in (None, flat))
    torch.testing.assert_close(guided.values, plain.values, atol=1e-5, rtol=1e-4)
