"""How like two maps with holes are at every shift: normalised cross-correlation of what both know (Padfield 2012)."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor


class Likeness:
    """Correlations from -1 to 1 by shift in cells; -1 where too little is known of both."""

    def __init__(self, values: Float[Tensor, "h w"]) -> None:
        self.values = values
        self.middle = ((values.shape[0] - 1) // 2, (values.shape[1] - 1) // 2)

    def at(self, rows: int, columns: int) -> float:
        """Of the second map, moved by so many cells, with the first."""
        return float(self.values[self.middle[0] + rows, self.middle[1] + columns])

    def best(self, rows: tuple[int, int], columns: tuple[int, int]) -> tuple[int, int, float]:
        """The shift of greatest likeness between bounds, and the likeness."""
        (top, bottom), (left, right) = (
            (max(low, -middle), min(high, middle))
            for (low, high), middle in zip((rows, columns), self.middle, strict=True)
        )
        part = self.values[
            self.middle[0] + top : self.middle[0] + bottom + 1, self.middle[1] + left : self.middle[1] + right + 1
        ]
        row, column = divmod(int(part.argmax()), part.shape[1])
        return row + top, column + left, float(part.max())


def likeness(
    first: Float[Tensor, "C h w"],
    second: Float[Tensor, "C h w"],
    known: tuple[Bool[Tensor, "h w"], Bool[Tensor, "h w"]],
    least: float,
) -> Likeness:
    """Correlation of two maps of one size, summed over their channels, at every shift of the second.

    known: where each is. least: cells that both must know.
    """
    from scipy.fft import irfft2, next_fast_len, rfft2

    size = [2 * side - 1 for side in known[0].shape]
    shape = [next_fast_len(side, real=True) for side in size]

    def turned(values: Tensor) -> np.ndarray:
        return np.asarray(rfft2(values.double().numpy(), shape))

    def together(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray(irfft2(a * b.conj(), shape))

    one, two = (turned(mask.double()) for mask in known)
    count = together(one, two).round().clip(0)
    enough = count.clip(1)
    first, second = first * known[0], second * known[1]
    parts = [(turned(a), turned(b)) for a, b in zip(first, second, strict=True)]
    shared = irfft2(sum(a * b.conj() for a, b in parts), shape)
    powers = [together(turned(first.square().sum(0)), two), together(one, turned(second.square().sum(0)))]
    for a, b in parts:
        mean_a, mean_b = together(a, two), together(one, b)
        shared -= mean_a * mean_b / enough
        powers = [power - mean**2 / enough for power, mean in zip(powers, (mean_a, mean_b), strict=True)]
    scale = np.sqrt(powers[0].clip(1e-9) * powers[1].clip(1e-9))
    found = np.where(count >= max(least, 2), (shared / scale).clip(-1, 1), -1.0)
    middle = [(side - 1) // 2 for side in size]
    found = np.roll(found, middle, (0, 1))[: size[0], : size[1]]
    return Likeness(torch.from_numpy(found).float())
