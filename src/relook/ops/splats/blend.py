"""The blending weights of one view as a sparse matrix: with geometry and opacity frozen, rendering is linear in what Gaussians carry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, overload

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.errors import ShapeError
from relook.gaussians import Gaussians
from relook.ops.splats.kernels import Matrix, multiply_rows, normal_rows, transposed_rows, weights_of_rows
from relook.ops.splats.project import project
from relook.ops.splats.tiles import in_bands, tiled
from relook.types import Camera

DROP = 0.01
"""Weights below this share of their pixel are left out: half of all, without loss (study: feasibility of Gaussian scenes)."""
SEEN = 0.5
"""A pixel counts as seen where Gaussians cover at least this share of it."""

Array = np.ndarray


@dataclass(frozen=True)
class Blend:
    """A (P = H W pixels x N Gaussians) as CSR; every row that is not empty sums to one, `coverage` says what it summed to before."""

    size: tuple[int, int]
    count: int
    """N, of Gaussians."""
    matrix: Matrix
    coverage: Float[Tensor, "H W"]
    """The share of each pixel that is covered, from 0 to 1."""

    @property
    def seen(self) -> Bool[Tensor, "H W"]:
        """Pixels that the scene shows."""
        return self.coverage >= SEEN

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return int(sum(part.nbytes for part in self.matrix) + 4 * self.coverage.numel())

    def render(self, values: Float[Tensor, "N D"]) -> Float[Tensor, "D H W"]:
        """A f: what the view shows of values on the Gaussians, normalised by coverage; 0 where nothing covers a pixel.

        A file's viewers show coverage * A f + (1 - coverage) * background.
        """
        carried = self._checked(values, self.count, "Gaussians")
        out = np.zeros((len(self.matrix.pointer) - 1, carried.shape[1]), np.float32)
        in_bands(lambda a, b: multiply_rows(a, b, self.matrix, carried, out), len(out))
        return torch.from_numpy(out).to(values.device).T.reshape(-1, *self.size)

    def transposed(self, maps: Float[Tensor, "D H W"], power: int = 1) -> Float[Tensor, "N D"]:
        """A^T m: a map of the view summed on the Gaussians; power 2 squares each weight (the diagonal of A^T A needs it)."""
        pixels = self._checked(maps.flatten(1).T, len(self.matrix.pointer) - 1, "pixels")
        return self._scattered(lambda a, b, out: transposed_rows(a, b, self.matrix, pixels, power, out), pixels).to(
            maps.device
        )

    def normal(self, values: Float[Tensor, "N D"], confidence: Float[Tensor, "H W"]) -> Float[Tensor, "N D"]:
        """A^T diag(confidence) A f in one pass."""
        carried = self._checked(values, self.count, "Gaussians")
        trust = confidence.flatten().float().cpu().contiguous().numpy()
        return self._scattered(lambda a, b, out: normal_rows(a, b, self.matrix, carried, trust, out), carried).to(
            values.device
        )

    def _scattered(self, work: Any, like: Array) -> Tensor:
        rows = len(self.matrix.pointer) - 1
        return torch.from_numpy(sum(in_bands(partial(self._band, work, like.shape[1]), rows)))

    def _band(self, work: Any, channels: int, first: int, last: int) -> Array:
        out = np.zeros((self.count, channels), np.float32)
        work(first, last, out)
        return out

    @staticmethod
    def _checked(values: Tensor, rows: int, what: str) -> Array:
        if len(values) != rows:
            raise ShapeError(
                f"Expected values of {rows} {what}, got shape {tuple(values.shape)}; pass those of this very scene and view."
            )
        return values.detach().float().cpu().contiguous().numpy()


def blend(
    gaussians: Gaussians, camera: Camera, size: tuple[int, int], drop: float = DROP, *, antialiased: bool = True
) -> Blend:
    """The weights with which a camera's picture of `size` (H, W) blends Gaussians. Weights below `drop` of their pixel are left out."""
    projected = project(gaussians, camera, size, antialiased=antialiased)
    tiles, stop = tiled(projected, size), np.float32(max(1e-4, drop / 10))
    bands = in_bands(
        lambda a, b: weights_of_rows(
            a, b, tiles, stop, np.float32(drop)
        ),
        tiles.rows,
        -(-tiles.rows // 4),
    )  # fmt: skip
    who, weight, counts, coverage = (np.concatenate(parts) for parts in zip(*bands, strict=True))
    pointer = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    ids = projected.ids.int().cpu().numpy()
    return Blend(size, len(gaussians), Matrix(pointer, ids[who], weight), torch.from_numpy(coverage).reshape(size))


class Blends(Sequence[Blend]):
    """The matrices of many views within a bound of memory: the first ones are kept, others are made anew whenever they are asked for."""

    def __init__(
        self, gaussians: Gaussians, cameras: Sequence[Camera], size: tuple[int, int], budget: int = 1 << 30
    ) -> None:
        self.gaussians, self.cameras, self.size, self.budget = gaussians, cameras, size, budget
        self._kept: dict[int, Blend] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.cameras)

    @overload
    def __getitem__(self, number: int) -> Blend: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Blend]: ...
    def __getitem__(self, number: int | slice) -> Blend | Sequence[Blend]:
        if isinstance(number, slice):
            return [self[k] for k in range(*number.indices(len(self)))]
        if number in self._kept:
            return self._kept[number]
        one = blend(self.gaussians, self.cameras[number], self.size)
        if self._bytes + one.nbytes <= self.budget:
            self._kept[number] = one
            self._bytes += one.nbytes
        return one

    def __iter__(self) -> Iterator[Blend]:
        return (self[number] for number in range(len(self)))
