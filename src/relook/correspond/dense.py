"""For every place of the structure picture the place of the style picture that shows the same part.

Arg max of the cosine between two pictures' descriptors (`relook.correspond.features`), within regions that correspond if a
`Correspondence` says so. No map larger than a set number of values is ever built.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import grid_sample

from relook.correspond.features import at_tokens
from relook.correspond.semantic import Correspondence
from relook.errors import ShapeError

NONE = -1
"""Index of a place without a counterpart."""
VALUES = 1 << 24
"""Most similarities in memory at once (64 MB)."""
CYCLE = 0.05
"""A match counts as mutual when its own match lies within this part of the longer side of where it began."""


@dataclass(frozen=True)
class DenseCorrespondence:
    """The counterpart of every cell of the structure's grid."""

    index: Int[Tensor, "h w"]
    """Cell of the style's grid, row by row; NONE where a region has no counterpart."""
    positions: Float[Tensor, "h w 2"]
    """(x, y) of that cell's centre in parts of the style picture's sides, from 0 to 1; NaN where there is none."""
    similarity: Float[Tensor, "h w"]
    """Cosine of the two descriptors; -1 where there is none."""
    cycle: Float[Tensor, "h w"]
    """Way there and back: how far the structure cell that the counterpart likes best lies from this one, in parts of the longer side
    of the structure's grid; infinite where there is none."""
    style_grid: tuple[int, int]
    """Rows and columns of the style's cells."""

    @property
    def mutual(self) -> Bool[Tensor, "h w"]:
        """Where the way there and back ends within CYCLE of its beginning."""
        return self.cycle <= CYCLE

    @property
    def confidence(self) -> Float[Tensor, "h w"]:
        """From 0 (a guess, or none) to 1: the cosine, halved for every CYCLE by which the way back misses."""
        return self.similarity.clamp(0, 1) * torch.exp2(-self.cycle / CYCLE)

    def cells(self, size: tuple[int, int]) -> tuple[Int[Tensor, " H"], Int[Tensor, " W"]]:
        """Row and column of the grid's cell under every row and column of a structure picture of `size`."""
        return _under(size[0], self.index.shape[0]), _under(size[1], self.index.shape[1])

    def fetch(self, style: Float[Tensor, "C H W"], size: tuple[int, int]) -> Float[Tensor, "C H2 W2"]:
        """The style picture's values carried to a structure picture of `size`, bilinear within the style.

        Inside a cell places go on in steps of the structure's pixels, so that a picture matched to itself comes out as itself.
        Where there is no counterpart the values are 0.
        """
        rows, columns = self.cells(size)
        steps = [
            ((torch.arange(length) + 0.5) * cells / length - own - 0.5) / others
            for length, cells, own, others in zip(size, self.index.shape, (rows, columns), self.style_grid, strict=True)
        ]
        within = torch.stack([steps[1].expand(size), steps[0][:, None].expand(size)], -1)
        found = (self.positions.cpu()[rows[:, None], columns[None]] + within).to(style)
        values = grid_sample(style[None], found.nan_to_num()[None] * 2 - 1, padding_mode="border", align_corners=False)[
            0
        ]
        return values * found.isfinite().all(-1)


def match_dense(
    structure: Float[Tensor, "D h w"],
    style: Float[Tensor, "D h2 w2"],
    correspondence: Correspondence | None = None,
) -> DenseCorrespondence:
    """The most similar style cell of every structure cell, for descriptors (unit vectors) on any two grids.

    With a correspondence only cells of regions that correspond are compared, as `Correspondence.groups` has it: a region without
    counterpart takes from everywhere under `everything` and has none under `keep` and `colour`. Raises ShapeError for descriptors of two lengths.
    """
    if structure.shape[0] != style.shape[0]:
        raise ShapeError(
            f"Expected descriptors of one length, got {structure.shape[0]} and {style.shape[0]}; use one descriptor for both."
        )
    grid, style_grid = _grid(structure), _grid(style)
    cells, style_cells = structure.flatten(1).T, style.flatten(1).T.to(structure)
    index = torch.full((len(cells),), NONE, device=cells.device)
    similarity = torch.full((len(cells),), -1.0, device=cells.device)
    cycle = torch.full((len(cells),), torch.inf, device=cells.device)
    for rows, columns in _blocks(grid, style_grid, correspondence, cells.device):
        forth, best, back = _nearest(cells[rows], style_cells[columns])
        index[rows], similarity[rows] = columns[forth], best
        cycle[rows] = _distance(rows, rows[back[forth]], grid)
    return _answer(index, similarity, cycle, grid, style_grid)


def rearrangement(
    structure: Float[Tensor, "D h w"],
    style: Float[Tensor, "D h2 w2"],
    grid: tuple[int, int],
    style_grid: tuple[int, int],
    correspondence: Correspondence | None = None,
) -> Int[Tensor, " N"]:
    """Which style token belongs in the place of each structure token, for the token grids of an attention layer.

    Descriptors are brought to the layer's grids first; tokens row by row, NONE where a region has no counterpart.
    """
    return match_dense(at_tokens(structure, grid), at_tokens(style, style_grid), correspondence).index.flatten()


def _blocks(
    grid: tuple[int, int], style_grid: tuple[int, int], correspondence: Correspondence | None, device: torch.device
) -> Iterator[tuple[Int[Tensor, " n"], Int[Tensor, " m"]]]:
    """Structure cells and the style cells that they may take from, class by class."""
    every = torch.arange(style_grid[0] * style_grid[1], device=device)
    if correspondence is None:
        yield torch.arange(grid[0] * grid[1], device=device), every
        return
    for group in correspondence.groups(grid, style_grid).to(device).samples[0]:
        if len(group.columns):
            yield group.rows, group.columns


def _nearest(
    structure: Float[Tensor, "n D"], style: Float[Tensor, "m D"]
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"], Int[Tensor, " m"]]:
    """Nearest style cell of each structure cell, its cosine, and the nearest structure cell of each style cell; one pass over strips."""
    forth, best = [], []
    home = torch.zeros(len(style), dtype=torch.int64, device=structure.device)
    top = torch.full((len(style),), -torch.inf, device=structure.device)
    step = max(1, VALUES // len(style))
    for start in range(0, len(structure), step):
        cosines = structure[start : start + step] @ style.T
        found = cosines.max(1)
        forth.append(found.indices)
        best.append(found.values)
        column = cosines.max(0)
        better = column.values > top
        home = torch.where(better, start + column.indices, home)
        top = torch.where(better, column.values, top)
    return torch.cat(forth), torch.cat(best), home


def _distance(one: Int[Tensor, " n"], other: Int[Tensor, " n"], grid: tuple[int, int]) -> Float[Tensor, " n"]:
    """Between cells, in parts of the longer side of their grid."""
    rows, columns = one // grid[1] - other // grid[1], one % grid[1] - other % grid[1]
    return torch.hypot(rows.float(), columns.float()) / max(grid)


def _answer(
    index: Tensor, similarity: Tensor, cycle: Tensor, grid: tuple[int, int], style_grid: tuple[int, int]
) -> DenseCorrespondence:
    """Flat results as maps, with positions."""
    x = (index % style_grid[1] + 0.5) / style_grid[1]
    y = (torch.div(index, style_grid[1], rounding_mode="floor") + 0.5) / style_grid[0]
    positions = torch.where((index != NONE)[:, None], torch.stack([x, y], -1), torch.nan)
    return DenseCorrespondence(
        index.view(grid), positions.view(*grid, 2), similarity.view(grid), cycle.view(grid), style_grid
    )


def _under(length: int, cells: int) -> Int[Tensor, " length"]:
    """The cell that holds the middle of every pixel."""
    return (2 * torch.arange(length) + 1) * cells // (2 * length)


def _grid(features: Float[Tensor, "D h w"]) -> tuple[int, int]:
    return features.shape[-2], features.shape[-1]
