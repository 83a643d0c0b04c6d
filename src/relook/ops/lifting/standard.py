"""Feature maps on the scale that the learned correction knows."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

DEVIATION = 0.25
"""Of standardised features: about that of colours."""


class Standard(NamedTuple):
    """The mean of every channel, and one deviation for all."""

    mean: Float[Tensor, " C"]
    scale: float

    @staticmethod
    def of(maps: Float[Tensor, "V C h w"]) -> Standard:
        """Of all the sources' maps together."""
        mean = maps.mean((0, 2, 3))
        spread = float((maps - mean[:, None, None]).square().mean().sqrt())
        return Standard(mean, DEVIATION / max(spread, 1e-6))

    def applied(self, maps: Float[Tensor, "V C h w"]) -> Float[Tensor, "V C h w"]:
        """The maps with mean 0 and deviation DEVIATION."""
        return (maps - self.mean[:, None, None]) * self.scale

    def undone(self, values: Float[Tensor, "R C"]) -> Float[Tensor, "R C"]:
        """Standardised values as they were."""
        return values / self.scale + self.mean
