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
CHANNELS = 32
"""So many columns are worked on at a time: memory beside the values themselves does not grow with their width."""

Maps = Sequence[Float[Tensor, "D _ _"]]
"""One map per view; a sequence that makes its maps when they are asked for is asked once per view (`solve`: once per CHANNELS)."""
Confidences = Sequence[Float[Tensor, "_ _"]] | None
"""Weights of pixels; what a map holds where its confidence is 0 does not count, even if it is not a number."""


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


def uplift(blends: Sequence[Blend], maps: Maps, confidence: Confidences = None, *, covered: bool = False) -> Uplifted:
    """Every Gaussian's mean over the pixels that show it: A^T (c m) / A^T c, summed over views (LUDVIG, Marrie et al. 2024, its uplifting).

    Views are worked on one after the other, each once. covered: pixels that the scene does not cover count for nothing. Raises ShapeError where views and maps are not as many.
    """
    _check(blends, maps, confidence)
    total, weight = torch.zeros(0, 0), torch.zeros(0)
    for number, one in enumerate(blends):
        shown, trust = maps[number], _trust(one, confidence, number, covered)
        if not number:
            total, weight = torch.zeros(one.count, len(shown)), torch.zeros(one.count)
        weight += one.transposed(trust[None])[:, 0]
        for some in _columns(len(shown)):
            total[:, some] += one.transposed(_counted(shown[some], trust))
    return Uplifted(total.div_(weight.clamp_min(1e-6)[:, None]), weight)


def solve(
    blends: Sequence[Blend],
    maps: Maps,
    prior: Float[Tensor, "N D"],
    confidence: Confidences = None,
    *,
    ridge: float = RIDGE,
    steps: int = STEPS,
    covered: bool = False,
) -> Float[Tensor, "N D"]:
    """The values f that minimise sum_v c_v |A_v f - m_v|^2 + ridge |f - prior|^2, by Jacobi-preconditioned conjugate gradients.

    Columns are solved side by side, from the prior; a prior of zero is far worse than the uplift. covered: as for `uplift`. Raises ShapeError as `uplift`.
    """
    _check(blends, maps, confidence)
    trusts = [_trust(one, confidence, number, covered) for number, one in enumerate(blends)]
    diagonal = ridge + _summed(blends, lambda v, one: one.transposed(trusts[v][None], power=2))
    values = torch.empty_like(prior)

    def normal(direction: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        return _summed(blends, lambda v, one: one.normal(direction, trusts[v]))

    for some in _columns(prior.shape[1]):
        start = prior[:, some].contiguous()
        residual = _summed(
            blends,
            lambda v, one, f=start, k=some: one.transposed(_counted(maps[v][k] - one.render(f), trusts[v])),  # type: ignore[misc]
        )
        values[:, some] = conjugate(normal, start, residual, diagonal, (ridge, steps))
    return values


def conjugate(
    normal: Callable[[Tensor], Tensor],
    values: Float[Tensor, "N D"],
    residual: Float[Tensor, "N D"],
    diagonal: Float[Tensor, "N 1"],
    how: tuple[float | Float[Tensor, "N 1"], int],
) -> Float[Tensor, "N D"]:
    """Conjugate gradients on (normal + ridge) x = b from values with this residual, preconditioned by the diagonal; `how` = (ridge, steps)."""
    ridge, steps = how
    direction, before = torch.zeros_like(values), torch.ones(values.shape[1])
    for step in range(steps):
        preconditioned = residual / diagonal
        slope = (residual * preconditioned).sum(0)
        direction = preconditioned + (slope / before.clamp_min(1e-20) if step else 0) * direction
        curved = ridge * direction + normal(direction)
        length = slope / (direction * curved).sum(0).clamp_min(1e-20)
        values, residual, before = values + length * direction, residual - length * curved, slope
    return values


def _summed(blends: Sequence[Blend], part: Callable[[int, Blend], Tensor]) -> Tensor:
    """Added up over views."""
    return reduce(torch.add, (part(number, one) for number, one in enumerate(blends)))


def _columns(width: int) -> list[slice]:
    """CHANNELS at a time."""
    return [slice(first, first + CHANNELS) for first in range(0, width, CHANNELS)]


def _counted(shown: Float[Tensor, "D H W"], trust: Float[Tensor, "H W"]) -> Float[Tensor, "D H W"]:
    """c m, 0 where c is."""
    return torch.where(trust > 0, shown * trust, 0.0)


def _trust(one: Blend, confidence: Confidences, number: int, covered: bool) -> Float[Tensor, "H W"]:
    trust = torch.ones(one.size) if confidence is None else confidence[number]
    return torch.where(one.seen, trust, 0.0) if covered else trust


def _check(blends: Sequence[Blend], maps: Maps, confidence: Confidences) -> None:
    counts = len(blends), len(maps), len(blends) if confidence is None else len(confidence)
    if len(set(counts)) != 1 or not counts[0]:
        raise ShapeError(
            f"Expected at least one view, and one map (and confidence) per view, got {counts[1]} ({counts[2]}) for {counts[0]} views."
        )
