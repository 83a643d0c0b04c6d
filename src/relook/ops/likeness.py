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
    shape = [2 * side - 1 for side in known[0].shape]

    def turned(values: Tensor) -> np.ndarray:
        return np.asarray(np.fft.rfft2(values.double().numpy(), shape))

    def together(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray(np.fft.irfft2(a * b.conj(), shape))

    one, two = (turned(mask.double()) for mask in known)
    count = together(one, two).round().clip(0)
    enough = count.clip(1)
    shared, first_power, second_power = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for a, b in zip(first * known[0], second * known[1], strict=True):
        fa, fb = turned(a), turned(b)
        mean_a, mean_b = together(fa, two), together(one, fb)
        shared += together(fa, fb) - mean_a * mean_b / enough
        first_power += together(turned(a.square()), two) - mean_a**2 / enough
        second_power += together(one, turned(b.square())) - mean_b**2 / enough
    scale = np.sqrt(first_power.clip(1e-9) * second_power.clip(1e-9))
    found = np.where(count >= max(least, 2), (shared / scale).clip(-1, 1), -1.0)
    return Likeness(torch.from_numpy(np.fft.fftshift(found)).float())
