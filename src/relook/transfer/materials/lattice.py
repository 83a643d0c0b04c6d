"""Patterns that repeat, as brick, tiles and wallpaper do: their periods by autocorrelation, and one clean cell of them."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from relook.ops.exemplar import Exemplar, coarser
from relook.ops.likeness import likeness
from relook.transfer.materials.sample import Material

COARSE = 0.008
"""Metres of a cell in which repeats are looked for, at least."""
SHORTEST = 0.03
"""Metres."""
REPEATS = 2.5
"""How often a period must fit into what is seen."""
CLEAR, FALL = 0.5, 0.4
"""Correlation with the next repeat, and how much of what it loses on the way there it has again."""
AS_CLEAR = 0.88
"""The shortest shift is a period that is so like, compared with the best: courses of brick repeat after two."""
CONSTANT = 0.95
"""Correlation at every shift above which a pattern does not change along an axis."""
SHARED = 0.2
"""Share of what is seen that must overlap."""
CONTRAST = 0.03
"""Deviation of a pattern below which there is none."""
KNOWN = 0.98
"""Share of a cell that must be seen, in one of its repeats."""
MOST = 49
"""Repeats that are compared."""
TRIED = 24
"""Sides of cells that are tried, so that both periods are whole numbers of them, nearly."""


def repeated(material: Material) -> Material | None:
    """The material as one cell that repeats, its origin at that of the plane; None where it has no clear lattice along the plane's axes."""
    seen = coarser(material.detail, max(1, round(COARSE / material.detail.cell)))
    if not bool(seen.known.any()) or material.contrast < CONTRAST:
        return None
    found = likeness(seen.values, seen.values, (seen.known, seen.known), max(64.0, SHARED * float(seen.known.sum())))
    rows, columns = found.middle
    ahead = _period(found.values[rows:, columns], seen.cell)
    across = _period(found.values[rows, columns:], seen.cell)
    if ahead is None or across is None or ahead == across == 0:
        return None
    cell = _cell(material.detail, across or ahead, ahead or across)
    return None if cell is None else replace(material, detail=cell, repeats=True)


def _period(likes: Float[Tensor, " n"], cell: float) -> float | None:
    """Metres from one repeat to the next; 0 for a pattern that does not change, None for one that has no clear repeat."""
    known = likes[likes > -1]
    if len(known) * cell < REPEATS * SHORTEST:
        return None
    lowest, tops = float(likes[0]), {}
    for number in range(1, int(len(likes) / REPEATS)):
        here = float(likes[number])
        lowest = min(lowest, here)
        is_top = here >= float(likes[number - 1]) and here >= float(likes[number + 1])
        if is_top and here >= CLEAR and here - lowest >= FALL * (1 - lowest) and number * cell >= SHORTEST:
            tops[number] = here
    best = [number for number, here in tops.items() if here >= AS_CLEAR * max(tops.values())]
    if best:
        return _refined(likes, best[0]) * cell
    return 0.0 if float(known.min()) > CONSTANT else None


def _refined(likes: Float[Tensor, " n"], first: int) -> float:
    """A period in cells, from its farthest repeat that is clear."""
    period = float(first)
    for times in range(2, len(likes)):
        middle = round(times * period)
        if middle + 2 >= len(likes):
            break
        around = likes[middle - 1 : middle + 2]
        if float(around.max()) < CLEAR:
            break
        period = (middle - 1 + int(around.argmax())) / times
    return period


def _cell(detail: Exemplar, across: float, ahead: float) -> Exemplar | None:
    """The median over the repeats of a cell of such sides."""
    sides = [detail.cell * (1 - 0.4 * number / TRIED) for number in range(TRIED)]
    off = [
        max(abs(period / side - round(period / side)) / (period / side) for period in (across, ahead)) for side in sides
    ]
    side = sides[min(range(TRIED), key=off.__getitem__)]
    shape = max(1, round(ahead / side)), max(1, round(across / side))
    left, low = (int(start // period) for start, period in zip(detail.corner, (across, ahead), strict=True))
    rows, columns = detail.known.shape
    right, high = (
        int((start + number * detail.cell) // period) + 1
        for start, number, period in zip(detail.corner, (columns, rows), (across, ahead), strict=True)
    )
    places = [(i, j) for j in range(low, high) for i in range(left, right)]
    copies = []
    for i, j in places[:: -(-len(places) // MOST)]:
        x = ((i + (torch.arange(shape[1]) + 0.5) / shape[1]) * across - detail.corner[0]) / detail.cell
        y = ((j + (torch.arange(shape[0]) + 0.5) / shape[0]) * ahead - detail.corner[1]) / detail.cell
        x, y = x.floor().long(), y.floor().long()
        inside = ((y >= 0) & (y < rows))[:, None] & ((x >= 0) & (x < columns))
        y, x = y.clamp(0, rows - 1)[:, None], x.clamp(0, columns - 1)
        copies.append(torch.where(inside & detail.known[y, x], detail.values[:, y, x], torch.nan))
    middle = torch.stack(copies).nanmedian(0).values
    known = ~middle.isnan().any(0)
    if float(known.float().mean()) < KNOWN:
        return None
    return Exemplar(middle.nan_to_num(0.0), known, side, (0.0, 0.0))
