"""How right dense correspondence is: places whose counterpart is known; None if there are none."""

from __future__ import annotations

from functools import partial

from jaxtyping import Bool, Float, Int
from torch import Tensor

from relook.evaluate.metrics.declare import declare
from relook.evaluate.metrics.pixels import masked_mean


@declare("right_class", "right class", "higher", (0.0, 1.0), "share of places", group="matching")
def class_accuracy(
    found: Int[Tensor, " N"], true: Int[Tensor, " N"], mask: Bool[Tensor, " N"] | None = None
) -> float | None:
    """Share of the masked places whose counterpart is of their class; None if there are none."""
    return masked_mean((found == true).double(), mask)


def pck(distances: Float[Tensor, " N"], radius: float = 0.1, mask: Bool[Tensor, " N"] | None = None) -> float | None:
    """Share of the masked places whose answer lies within `radius` of a true one; distances in parts of the longer side."""
    return masked_mean((distances <= radius).double(), mask)


for _name, _radius in (("pck_05", 0.05), ("pck_10", 0.1)):
    declare(
        _name, f"PCK@{_radius}", "higher", (0.0, 1.0), "Yang and Ramanan 2013; radius in parts of the longer side", group="matching"
    )(partial(pck, radius=_radius))  # fmt: skip


@declare("end_point_error", "error", "lower", (0.0, 2**0.5), "mean distance in parts of the longer side", group="matching")  # fmt: skip
def end_point_error(distances: Float[Tensor, " N"], mask: Bool[Tensor, " N"] | None = None) -> float | None:
    """Mean distance from the answer to the nearest true one, in parts of the longer side, over the masked places."""
    return masked_mean(distances.double(), mask)


@declare("coverage", "scored", "higher", (0.0, 1.0), "share of places that are answered", group="matching")
def coverage(answered: Bool[Tensor, " N"]) -> float | None:
    """Share of the places that a matcher answers; the other numbers are over these alone. None if there are no places."""
    return masked_mean(answered.double(), None)
