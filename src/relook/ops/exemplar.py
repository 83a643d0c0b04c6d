"""A flat piece of a surface: values seen in a picture arranged as on the surface itself, and fetched from there again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, grid_sample, max_pool2d

from relook.ops.fill import filled
from relook.ops.quilt import quilted

SHARP = 4.0
"""Pixels that show more than this times as much surface along a side as the near ones are too coarse for an exemplar."""
NEAR = 0.2
"""Quantile of the pixels' grain that is the side of a cell."""
SPARSE = 0.15
"""Pixels per cell below which a cell also hears its neighbours."""
KNOWN = 0.02
"""Below this after that nothing is known of a cell."""
LEAST = 8
"""Cells along a side below which a piece says nothing about a pattern."""
MOST = 1 << 19
"""Cells of a piece; one that would need more has larger ones."""
LEVELS = 6
"""Of halving at most, for pixels that see many cells."""
PROBES = 4
"""Places that are averaged where a pixel shows more in one direction."""
FINEST = 0.005
"""Side, in the unit of positions (metres), of the cells on which patches are compared at least."""
WIDEST = 3_000_000
"""Of these cells over all places, at most; they get larger where there are more."""
COARSEST = 8
"""Cells of an exemplar along the side of one on which patches are compared, at most."""


class Exemplar(NamedTuple):
    """Values by position on a surface."""

    values: Float[Tensor, "C h w"]
    """Where nothing is known, those of the nearest cell."""
    known: Bool[Tensor, "h w"]
    cell: float
    """Side of a cell, in the unit of positions."""
    corner: tuple[float, float]
    """Position (u, v) of the first corner of the first cell; u grows along columns, v along rows."""


def rectified(uv: Float[Tensor, "2 N"], values: Float[Tensor, "C N"], grain: Float[Tensor, " N"]) -> Exemplar | None:
    """What N pixels show, as seen straight on: every pixel is splatted between four cells, near ones count more.

    None where the pixels show too little of a surface.
    """
    if len(grain) < LEAST**2:
        return None
    cell = float(grain.quantile(NEAR)) if len(grain) < 1 << 20 else float(grain.median())
    kept = grain < SHARP * cell
    uv, values, weight = uv[:, kept], values[:, kept], cell / grain[kept]
    corner = uv.amin(1)
    length = uv.amax(1) - corner
    cell = max(cell, float(length.prod() / MOST) ** 0.5)
    columns, rows = (int(side) + 2 for side in (length / cell).tolist())
    if min(columns, rows) < LEAST:
        return None
    sums = values.new_zeros(len(values) + 1, rows * columns)
    both = torch.cat([values * weight, weight[None]])
    at = (uv - corner[:, None]) / cell - 0.5
    first = at.floor()
    for right in (0, 1):
        for below in (0, 1):
            x, y = first[0] + right, first[1] + below
            share = (1 - (at[0] - x).abs()) * (1 - (at[1] - y).abs())
            inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
            sums.index_add_(1, (y * columns + x).long()[inside], (both * share)[:, inside])
    sums = sums.view(-1, rows, columns)
    line = sums.new_tensor([0.25, 0.5, 0.25])
    for _ in range(2):
        spread = conv2d(sums[:, None], (line[:, None] * line)[None, None], padding=1)[:, 0]
        sums = torch.where(sums[-1] < SPARSE, spread, sums)
    known = sums[-1] > KNOWN
    if not bool(known.any()):
        return None
    return Exemplar(
        filled(sums[:-1] / sums[-1].clamp_min(1e-9), ~known), known, cell, (float(corner[0]), float(corner[1]))
    )


def coarser(exemplar: Exemplar, factor: int) -> Exemplar:
    """Cells `factor` times as long; known where all of one is. Cells that do not fill a coarse one are left out."""
    if factor == 1:
        return exemplar
    values = avg_pool2d(exemplar.values[None], factor)[0]
    known = avg_pool2d(exemplar.known[None, None].float(), factor)[0, 0] > 1 - 1e-6
    return Exemplar(values, known, exemplar.cell * factor, exemplar.corner)


def halved(exemplar: Exemplar) -> list[Float[Tensor, "C _ _"]]:
    """Its values, and copies of half, a quarter ... the resolution: LEVELS at most."""
    levels = [exemplar.values]
    while len(levels) < LEVELS and min(levels[-1].shape[1:]) > 4:
        levels.append(avg_pool2d(levels[-1][None], 2, ceil_mode=True, count_include_pad=False)[0])
    return levels


def fetched(
    exemplar: Exemplar,
    uv: Float[Tensor, "2 N"],
    grain: Float[Tensor, " N"],
    along: Float[Tensor, "2 N"] | None = None,
    levels: Sequence[Float[Tensor, "C _ _"]] | None = None,
) -> Float[Tensor, "C N"]:
    """The exemplar at N positions, averaged over about as much of it as each pixel shows (Williams 1983: trilinear, from halved copies).

    grain: side of what a pixel shows. along: it shows this much in one direction, and `grain` across it: the mean of PROBES places on the way.
    levels: its copies (`halved`), where they are kept for many pictures.
    """
    levels = halved(exemplar) if levels is None else levels
    if along is not None:
        grain = torch.maximum(grain, torch.hypot(*along) / PROBES)
        shifts = (torch.arange(PROBES) + 0.5) / PROBES - 0.5
        return torch.stack([fetched(exemplar, uv + float(by) * along, grain, levels=levels) for by in shifts]).mean(0)
    at = (uv - uv.new_tensor(exemplar.corner)[:, None]) / exemplar.cell
    height = (grain / exemplar.cell).log2().clamp(0, len(levels) - 1)
    result = uv.new_zeros(len(exemplar.values), uv.shape[1])
    for number, level in enumerate(levels):
        share = 1 - (height - number).abs()
        here = (share > 0).nonzero()[:, 0]
        size = uv.new_tensor([level.shape[2], level.shape[1]])[:, None] * 2**number
        grid = (at[:, here] / size * 2 - 1).T[None, None]
        seen = grid_sample(level[None], grid, padding_mode="border", align_corners=False)[0, :, 0]
        result[:, here] += share[here] * seen
    return result


def grown(
    exemplar: Exemplar, place: Float[Tensor, "2 N"], shift: tuple[float, float] = (0.0, 0.0), aspect: float = 1.0
) -> Exemplar | None:
    """The exemplar's pattern over all N places: image quilting around the exemplar itself, which is moved by `shift` and stays in the middle.

    Patches (of that aspect: u over v) are compared on cells of FINEST or more, what is copied has every detail. None where no patch fits into what is known, or the
    places lie too far apart for an exemplar of its cells.
    """
    factor = max(1, round(FINEST / exemplar.cell))
    low, high = place.amin(1), place.amax(1)
    while float(((high - low) / (exemplar.cell * factor) + 1).prod()) > WIDEST:
        factor += 1
    if factor > COARSEST:
        return None
    coarse = coarser(exemplar, factor)
    corner = place.new_tensor([exemplar.corner[0] + shift[0], exemplar.corner[1] + shift[1]])
    before = ((corner - low) / coarse.cell).ceil()
    cells = ((place - corner[:, None]) / coarse.cell + before[:, None]).floor().long().clamp_min(0)
    columns, rows = (int(last) + 1 for last in cells.amax(1))
    wanted = place.new_zeros(rows, columns)
    wanted[cells[1], cells[0]] = 1
    beside = max_pool2d(wanted[None, None], 3, 1, 1)[0, 0] > 0
    source = quilted(coarse.values, coarse.known, beside, (int(before[1]), int(before[0])), aspect)
    if source is None:
        return None
    first = corner - before * coarse.cell
    values, known = _copied(exemplar, source, factor)
    return Exemplar(filled(values, ~known), known, exemplar.cell, (float(first[0]), float(first[1])))


def _copied(
    exemplar: Exemplar, source: Int[Tensor, "2 H W"], factor: int
) -> tuple[Float[Tensor, "C H2 W2"], Bool[Tensor, "H2 W2"]]:
    """The exemplar's cells from where each coarse cell of a texture copies, and which are copied at all."""
    fine = source.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    known = fine[0] >= 0
    within = torch.stack(torch.meshgrid(*(torch.arange(side) % factor for side in known.shape), indexing="ij"))
    row, column = fine * factor + within
    values = exemplar.values[:, row.clamp_min(0), column.clamp_min(0)]
    return values, known
