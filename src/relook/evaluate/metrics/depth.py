"""How right depth is: pure functions (Eigen et al. 2014), for what an estimator says of a room and for what becomes of a structure.

Pixels where either depth is not finite and positive do not count; None where none is left.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from relook.errors import ShapeError
from relook.evaluate.metrics.declare import declare

Map = Float[Tensor, "H W"]
"""Depth, larger is farther."""
INFINITE = float("inf")


@declare("abs_rel", "AbsRel", "lower", (0.0, INFINITE), "mean of |found - true| / true, in metres, without alignment", group="depth")  # fmt: skip
def abs_rel(found: Map, truth: Map) -> float | None:
    """Mean relative error of depth, without any alignment."""
    found, truth = _known(found, truth)
    return _mean((found - truth).abs() / truth)


@declare("abs_rel_scaled", "AbsRel, scaled", "lower", (0.0, INFINITE), "the same after both medians are made equal", group="depth")  # fmt: skip
def abs_rel_scaled(found: Map, truth: Map) -> float | None:
    """`abs_rel` of the median-scaled depth."""
    return abs_rel(median_scaled(found, truth), truth)


@declare("sq_rel", "SqRel", "lower", (0.0, INFINITE), "mean of (found - true)^2 / true, in metres, without alignment", group="depth")  # fmt: skip
def sq_rel(found: Map, truth: Map) -> float | None:
    """Mean squared error relative to the true depth, in the unit of depth, without any alignment."""
    found, truth = _known(found, truth)
    return _mean((found - truth).square() / truth)


@declare("delta1", "δ < 1.25", "higher", (0.0, 1.0), "share of pixels whose depth is off by less than a factor of 1.25", group="depth")  # fmt: skip
def delta1(found: Map, truth: Map) -> float | None:
    """Share of pixels with max(found / true, true / found) < 1.25."""
    found, truth = _known(found, truth)
    return _mean((torch.maximum(found / truth, truth / found) < 1.25).double())


SAME = "depth of the output against that of the structure by the same network, medians made equal"
"""What the numbers of the group `structure` compare."""


@declare("depth_abs_rel", "depth AbsRel", "lower", (0.0, INFINITE), f"AbsRel: {SAME}", group="structure")
def depth_abs_rel(output: Map, structure: Map) -> float | None:
    """`abs_rel` after median scaling."""
    return abs_rel(median_scaled(output, structure), structure)


@declare("depth_sq_rel", "depth SqRel", "lower", (0.0, INFINITE), f"SqRel: {SAME}", group="structure")
def depth_sq_rel(output: Map, structure: Map) -> float | None:
    """`sq_rel` after median scaling, divided by the structure's median: a part of the depth, whatever its unit."""
    scaled, truth = _known(median_scaled(output, structure), structure)
    return _mean((scaled - truth).square() / truth / truth.median()) if truth.numel() else None


@declare("depth_delta1", "depth δ < 1.25", "higher", (0.0, 1.0), f"δ < 1.25: {SAME}", group="structure")
def depth_delta1(output: Map, structure: Map) -> float | None:
    """`delta1` after median scaling."""
    return delta1(median_scaled(output, structure), structure)


@declare(
    "depth_abs_rel_exact", "depth AbsRel, exact", "lower", (0.0, INFINITE),
    "AbsRel: depth of the output by the network against the exact depth, medians made equal", group="structure",
)  # fmt: skip
def depth_abs_rel_exact(output: Map, exact: Map) -> float | None:
    """The same against the truth: it holds the network's own error too, which `depth_abs_rel` mostly cancels."""
    return depth_abs_rel(output, exact)


def median_scaled(found: Map, truth: Map) -> Map:
    """Depth times the factor that makes its median the true one (Zhou et al. 2017), over the pixels where both are known."""
    known, true = _known(found, truth)
    return found * (true.median() / known.median()) if known.numel() else found


def _known(found: Map, truth: Map) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
    """The pixels whose depth is finite and positive in both, in float64."""
    if found.shape != truth.shape:
        raise ShapeError(
            f"Expected depth maps of one size, got {tuple(found.shape)} and {tuple(truth.shape)}; resize one."
        )
    known = torch.isfinite(found) & torch.isfinite(truth) & (found > 0) & (truth > 0)
    return found[known].double(), truth[known].double()


def _mean(values: Float[Tensor, " N"]) -> float | None:
    return float(values.mean()) if values.numel() else None
