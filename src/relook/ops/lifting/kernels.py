"""The compiled loop that carries maps along a blending (numba). It releases the interpreter, so bands of rays run on several threads."""

from __future__ import annotations

from typing import no_type_check

import numba
import numpy as np

compiled = numba.njit(nogil=True, cache=True, fastmath=True)
"""Once, then kept on disk; `no_type_check` keeps the tests' shape checks out of what is compiled."""


@compiled
@no_type_check
def lift_rows(first, last, grid, weights, maps, out):
    """out[r] = sum over samples and views of weights[r, s, v] * maps[v] at grid[v, r, s], bilinear with repeated borders.

    grid (V, R, S, 2) in [-1, 1]; weights (R, S, V), zeros are skipped; maps (V, h, w, C); out (R, C) of zeros.
    """
    views, height, width, channels = maps.shape
    samples = weights.shape[1]
    for r in range(first, last):
        for s in range(samples):
            for v in range(views):
                weight = weights[r, s, v]
                if weight == 0.0:
                    continue
                x = min(max((grid[v, r, s, 0] + 1) * width / 2 - 0.5, 0.0), width - 1.0)
                y = min(max((grid[v, r, s, 1] + 1) * height / 2 - 0.5, 0.0), height - 1.0)
                left, top = int(x), int(y)
                right, below = min(left + 1, width - 1), min(top + 1, height - 1)
                a, b = np.float32(x - left), np.float32(y - top)
                one, two = weight * (1 - a) * (1 - b), weight * a * (1 - b)
                three, four = weight * (1 - a) * b, weight * a * b
                for c in range(channels):
                    out[r, c] += (
                        one * maps[v, top, left, c]
                        + two * maps[v, top, right, c]
                        + three * maps[v, below, left, c]
                        + four * maps[v, below, right, c]
                    )
