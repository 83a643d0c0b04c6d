"""The search for the lowest place without slopes: the steps of scipy's."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import minimize

from relook.ops.simplex import lowest


def _valley(numbers: list[float]) -> float:
    """A bent valley (Rosenbrock 1960)."""
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in pairwise(numbers))


def _dents(numbers: list[float]) -> float:
    """Steep dents in a bowl: corners are drawn together there."""
    return sum(one * one + 3 * math.cos(9 * one) for one in numbers)


@pytest.mark.parametrize("cost", [_valley, _dents])
@pytest.mark.parametrize("rounds", [1, 2, 40, 90, 2000])
@pytest.mark.parametrize("start", [[-1.2, 1.0], [0.4, -0.3, 0.8, 2.0, -1.5]])
def test_steps_are_those_of_scipy(cost: Callable[[list[float]], float], rounds: int, start: list[float]) -> None:
    corners = [start, *(np.array(start) + 0.3 * np.eye(len(start))).tolist()]
    options = {"initial_simplex": np.array(corners), "maxiter": rounds}
    known = minimize(lambda numbers: cost(numbers.tolist()), start, method="Nelder-Mead", options=options)
    found, numbers = lowest(cost, corners, rounds)
    assert np.allclose(numbers, known.x, rtol=0, atol=1e-9)
    assert found == pytest.approx(known.fun, abs=1e-9)
    assert found == cost(numbers)
