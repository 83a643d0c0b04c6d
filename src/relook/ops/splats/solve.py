"""Maps of views brought onto Gaussians: the learning-free uplift A^T m, normalised, and least squares by conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.errors import ShapeError
from relook.ops.splats.blend import Blend

RIDGE = 0.05
"""How strongly a solution is held to its prior, in pixels' worth of weight (study: .005 to .05)."""
STEPS = 10
"""Of conjugate gradients: ten suffice."""

Maps = Sequence[Float[Tensor, "D _ _"]]
Confidences = Sequence[Float[Tensor, "_ _"]] | None


class Uplifted(NamedTuple):
    """A map of several views on the Gaussians."""

    values: Float[Tensor, "N D"]
    """The weighted mean of what pixels show of each Gaussian; 0 where none does."""
    weight: Float[Tensor, " N"]
    """The sum of its blending weights times confidence, in pixels."""

    @property
    def seen(self) -> Bool[Tensor, " N"]:
        """Gaussians that some pixel shows."""
        return self.weight > 1e-3


def uplift(blends: Sequence[Blend], maps: Maps, confidence: Confidences = None) -> Uplifted:
    """Every Gaussian's mean over the pixels that show it: A^T (c m) / A^T c, summed over views (LUDVIG, Marrie et al. 2024, its uplifting).

    Raises ShapeError where views and maps are not as many.
    """
    _check(blends, maps, confidence)

    def part(number: int, one: Blend) -> Tensor:
        trust = _trust(one, confidence, number)
        return one.transposed(torch.cat([maps[number] * trust, trust[None]]))

    total = reduce(torch.add, (part(number, one) for number, one in enumerate(blends)))
    return Uplifted(total[:, :-1] / total[:, -1:].clamp_min(1e-6), total[:, -1])


def solve(
    blends: Sequence[Blend],
    maps: Maps,
    prior: Float[Tensor, "N D"],
    confidence: Confidences = None,
    *,
    ridge: float = RIDGE,
    steps: int = STEPS,
) -> Float[Tensor, "N D"]:
    """The values f that minimise sum_v c_v |A_v f - m_v|^2 + ridge |f - prior|^2, by Jacobi-preconditioned conjugate gradients.

    Columns are solved side by side, from the prior; a prior of zero is far worse than the uplift. Raises ShapeError as `uplift`.
    """
    _check(blends, maps, confidence)

    def summed(part: Callable[[int, Blend, Tensor], Tensor]) -> Tensor:
        return reduce(torch.add, (part(v, one, _trust(one, confidence, v)) for v, one in enumerate(blends)))

    diagonal = ridge + summed(lambda v, one, c: one.transposed(c[None], power=2))
    residual = summed(lambda v, one, c: one.transposed(c * (maps[v] - one.render(prior))))
    values, direction, before = prior.clone(), torch.zeros_like(prior), torch.ones(prior.shape[1])
    for step in range(steps):
        preconditioned = residual / diagonal
        slope = (residual * preconditioned).sum(0)
        direction = preconditioned + (slope / before.clamp_min(1e-20) if step else 0) * direction
        curved = ridge * direction + summed(lambda v, one, c, p=direction: one.normal(p, c))  # type: ignore[misc]
        length = slope / (direction * curved).sum(0).clamp_min(1e-20)
        values, residual, before = values + length * direction, residual - length * curved, slope
    return values


def _trust(one: Blend, confidence: Confidences, number: int) -> Float[Tensor, "H W"]:
    return torch.ones(one.size) if confidence is None else confidence[number]


def _check(blends: Sequence[Blend], maps: Maps, confidence: Confidences) -> None:
    counts = len(blends), len(maps), len(blends) if confidence is None else len(confidence)
    if len(set(counts)) != 1 or not counts[0]:
        raise ShapeError(
            f"Expected at least one view, and one map (and confidence) per view, got {counts[1]} ({counts[2]}) for {counts[0]} views."
        )
