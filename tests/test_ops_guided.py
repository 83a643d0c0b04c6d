"""The guided filter and OKLab against what is known of them."""

from __future__ import annotations

import pytest
import torch

from relook.errors import ShapeError
from relook.ops.guided import guided_filter
from relook.ops.oklab import oklab_to_displayable, oklab_to_rgb, rgb_to_oklab


def reference(guide: torch.Tensor, values: torch.Tensor, radius: int, epsilon: float) -> torch.Tensor:
    """The filter by its definition, at one pixel whose windows all lie inside: least squares in every window, then the mean."""
    y, x = guide.shape[-2] // 2, guide.shape[-1] // 2
    fits = []
    for cy in range(y - radius, y + radius + 1):
        for cx in range(x - radius, x + radius + 1):
            rows, columns = slice(cy - radius, cy + radius + 1), slice(cx - radius, cx + radius + 1)
            colours, target = guide[:, rows, columns].flatten(1), values[0, rows, columns].flatten()
            centred = colours - colours.mean(1, keepdim=True)
            covariance = centred @ centred.T / centred.shape[1] + epsilon * torch.eye(3, dtype=guide.dtype)
            slope = torch.linalg.solve(covariance, centred @ (target - target.mean()) / centred.shape[1])
            fits.append(slope @ (guide[:, y, x] - colours.mean(1)) + target.mean())
    return torch.stack(fits).mean()


def test_guided_filter_is_windowed_least_squares() -> None:
    draw = torch.Generator().manual_seed(0)
    guide = torch.rand(3, 20, 20, generator=draw, dtype=torch.float64)
    values = torch.rand(1, 20, 20, generator=draw, dtype=torch.float64)
    found = guided_filter(guide, values, radius=0.1, epsilon=0.01)
    assert torch.allclose(found[0, 10, 10], reference(guide, values, 2, 0.01), atol=1e-9)


def test_a_blurred_mask_snaps_to_the_edge_of_the_picture() -> None:
    guide = torch.zeros(3, 64, 64)
    guide[:, :, 32:] = 1
    blurred = torch.sigmoid((torch.arange(64) - 31.5) / 3).expand(1, 64, 64)
    sharp = guided_filter(guide, blurred, radius=0.1, epsilon=1e-4)
    assert sharp[0, 32, 32] - sharp[0, 32, 31] > 0.4 > 0.2 > blurred[0, 32, 32] - blurred[0, 32, 31]


def test_at_an_edge_from_black_to_white_single_precision_is_enough() -> None:
    draw = torch.Generator().manual_seed(0)
    guide = torch.zeros(1, 60, 90, dtype=torch.float64)
    guide[:, :, 45:] = 0.99
    guide = (guide + 0.004 * torch.rand(3, 60, 90, generator=draw, dtype=torch.float64)).float()
    mask = (torch.arange(90) >= 47).expand(1, 60, 90)
    found = guided_filter(guide, mask.float(), 0.04, 1e-5)
    assert (found - guided_filter(guide.double(), mask.double(), 0.04, 1e-5)).abs().max() < 0.02


@pytest.mark.parametrize("working_side", [640, 60])
def test_what_is_left_out_far_from_a_map_is_nothing(working_side: int) -> None:
    """A map that is zero but for a corner is read there alone; less a constant, everywhere: the filter is linear and keeps constants."""
    guide = torch.rand(3, 90, 120, generator=torch.Generator().manual_seed(2))
    mask = torch.zeros(1, 90, 120)
    mask[0, 30:50, 10:40] = 1
    found, whole = (guided_filter(guide, one, 0.03, 1e-3, working_side=working_side) for one in (mask, mask + 1))
    assert torch.allclose(found, whole - 1, atol=1e-4)
    assert bool((found[0, 20:60, 5:50] != 0).any())
    assert bool((found[0, :, 70:] == 0).all())


def test_values_may_be_coarser_than_the_guide() -> None:
    assert guided_filter(torch.rand(3, 40, 60), torch.rand(2, 5, 7), 0.1, 0.01).shape == (2, 40, 60)


def test_missing_channel_is_refused() -> None:
    with pytest.raises((ShapeError, TypeError)):
        guided_filter(torch.rand(3, 8, 8), torch.rand(8, 8), 0.1, 0.01)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((1.0, 1.0, 1.0), (1.0, 0.0, 0.0)),
        ((1.0, 0.0, 0.0), (0.62796, 0.22486, 0.12585)),
        ((0.0, 0.0, 1.0), (0.45201, -0.03246, -0.31153)),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    ],
)
def test_oklab_of_known_colours(rgb: tuple[float, ...], lab: tuple[float, ...]) -> None:
    found = rgb_to_oklab(torch.tensor(rgb)[:, None, None])
    assert torch.allclose(found.flatten(), torch.tensor(lab), atol=1e-4)


def test_oklab_round_trip_and_displayable_colours_are_untouched() -> None:
    rgb = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    lab = rgb_to_oklab(rgb)
    assert torch.allclose(oklab_to_rgb(lab), rgb, atol=2e-4)
    assert torch.allclose(oklab_to_displayable(lab), rgb, atol=2e-4)


def test_colours_beyond_the_screen_keep_lightness_and_hue() -> None:
    lab = torch.tensor([0.7, 0.3, 0.2])[:, None, None]
    shown = rgb_to_oklab(oklab_to_displayable(lab)).flatten()
    assert abs(shown[0] - 0.7) < 0.01
    assert abs(shown[2] / shown[1] - 2 / 3) < 0.02
    assert 0.1 < shown[1] < 0.3
