"""The readable twins of relook.ops.lifting, sample by sample: oracles for the tests, and what speed is measured against."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from relook.ops.geometry import inside, project, sample, to_world
from relook.ops.lifting.blending import Blending
from relook.types import Camera


def shown_at(
    target: Camera, pixel: tuple[float, float], depth: float, source: Camera, size: tuple[int, int]
) -> tuple[Float[Tensor, " 2"], bool]:
    """Where a source of `size` (H, W) sees the point at a depth behind a target's pixel, in pixels, and whether it does."""
    x, y = pixel
    local = torch.linalg.inv(target.K) @ torch.tensor([x, y, 1.0]) * depth
    pixels, z = project(to_world(local[None], target), source)
    return pixels[0], bool(z[0] > 0) and bool(inside(pixels, size)[0])


def composited(alpha: list[float]) -> list[float]:
    """What samples of these opacities, nearest first, add to a ray, normalised."""
    passed, weights = 1.0, []
    for one in alpha:
        weights.append(one * passed)
        passed *= 1 - one
    return [one / sum(weights) for one in weights]


def lifted_slowly(blending: Blending, maps: Float[Tensor, "V C h w"]) -> Float[Tensor, "R C"]:
    """Ray by ray, sample by sample, source by source."""
    rows, samples, views = blending.weights.shape
    size = torch.tensor([maps.shape[3], maps.shape[2]])
    out = torch.zeros(rows, maps.shape[1])
    for r in range(rows):
        for s in range(samples):
            for v in range(views):
                place = (blending.grid[v, r, s] + 1) / 2 * size
                out[r] += blending.weights[r, s, v] * sample(maps[v], place[None, None])[:, 0, 0]
    return out
