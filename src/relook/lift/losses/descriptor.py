"""CSD: the style descriptor of a rendered picture should be the style picture's (Somepalli et al. 2024)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def descriptor_loss(found: Float[Tensor, "B D"], wanted: Float[Tensor, "1 D"]) -> Float[Tensor, ""]:
    """1 - the cosine of unit vectors, the mean over pictures: 0 where the styles are the same, at most 2."""
    return 1 - (found * wanted).sum(1).mean()
