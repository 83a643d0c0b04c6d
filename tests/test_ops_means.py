"""The blurred mean of what is known: against its definition, and where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from relook.ops.means import broad_mean_of_known, mean_of_known


def test_what_is_not_known_says_nothing() -> None:
    rng = np.random.default_rng(0)
    values, weight = rng.random((40, 50, 3)).astype(np.float32), (rng.random((40, 50)) < 0.3).astype(np.float32)
    wrong = np.where(weight[..., None] > 0, values, 99.0).astype(np.float32)
    found = mean_of_known(wrong, weight, 3.0)
    sums = np.stack([gaussian_filter(values[..., c] * weight, 3.0, mode="mirror") for c in range(3)], -1)
    expected = sums / gaussian_filter(weight, 3.0, mode="mirror")[..., None]
    assert np.abs(found - expected).max() < 1e-2
    assert np.allclose(mean_of_known(wrong[..., 0], weight, 3.0), found[..., 0], atol=1e-6)


def test_where_nothing_is_near_it_is_the_other_value() -> None:
    values, weight = np.ones((64, 64), np.float32), np.zeros((64, 64), np.float32)
    weight[:8] = 1.0
    found = mean_of_known(values, weight, 2.0, 5.0, doubt=1e-4)
    assert found[0, 0] == pytest.approx(1.0, abs=1e-3)
    assert found[-1, -1] == pytest.approx(5.0)


def test_a_broad_mean_is_the_same_found_at_a_smaller_size() -> None:
    draw = np.random.default_rng(2)
    values, weight = draw.random((203, 310, 3)).astype(np.float32), np.zeros((203, 310), np.float32)
    weight[30:150, 40:300] = draw.random((120, 260)) > 0.3
    values[:, 150:] += 1
    exact, fast = (mean(values, weight, 25.0, 0.5, doubt=1e-4) for mean in (mean_of_known, broad_mean_of_known))
    assert np.abs(exact - fast)[20:160, 20:].max() < 0.02
    assert np.ptp(exact[20:160, 20:]) > 0.8
