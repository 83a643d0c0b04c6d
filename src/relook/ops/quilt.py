"""A texture from a piece of it: image quilting."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool2d

PATCH, LEAST = 32, 8
"""Sides of patches in cells: the largest that is tried, and the smallest."""
SHRINK = 0.8
"""From one try to the next."""
FEW = 30
"""With fewer positions to take a patch from, a smaller one is tried."""
MOST = 4000
"""Patches that are compared, evenly spread."""
OVERLAP = 0.25
"""Part of a patch that lies on what is there already."""
NOWHERE = -1


def quilted(
    exemplar: Float[Tensor, "C h w"], known: Bool[Tensor, "h w"], wanted: Bool[Tensor, "H W"], at: tuple[int, int]
) -> Int[Tensor, "2 H W"] | None:
    """For every wanted cell of a texture, the (row, column) of the exemplar that it copies; None where no patch fits into what is known.

    The known part of the exemplar lies in the texture at row and column `at` (it may reach over its sides, or lie beside it). From there
    outwards, patch by patch: of all patches of the exemplar the one that differs least from what is there already (Efros and Freeman
    2001, who cut a seam through the overlap; here what is there stays). Cells that are not wanted may be NOWHERE.
    """
    found = _patches(exemplar, known)
    if found is None:
        return None
    corners, patches = found
    side, size = patches.shape[-1], wanted.shape
    step = side - max(2, int(side * OVERLAP))
    rows, columns = (size[0] + side, size[1] + side)
    texture, source = exemplar.new_zeros(len(exemplar), rows, columns), torch.full((2, rows, columns), NOWHERE)
    cells = torch.stack(torch.meshgrid(torch.arange(known.shape[0]), torch.arange(known.shape[1]), indexing="ij"))
    inside = _common(at, known.shape, (rows, columns))
    if inside is not None:
        mine, its = inside
        source[mine] = cells[its].masked_fill(~known[its[1:]], NOWHERE)
        texture[mine] = exemplar[its] * known[its[1:]]
    middle = at[0] + known.shape[0] / 2, at[1] + known.shape[1] / 2
    blocks = [(y, x) for y in range(0, size[0], step) for x in range(0, size[1], step)]
    blocks.sort(key=lambda block: (block[0] + side / 2 - middle[0]) ** 2 + (block[1] + side / 2 - middle[1]) ** 2)
    for y, x in blocks:
        block = (slice(None), slice(y, y + side), slice(x, x + side))
        held = source[block][0] != NOWHERE
        if bool(held.all()) or not bool(wanted[block[1:]].any()):
            continue
        difference = (patches - texture[block]).square().sum(1)[:, held].sum(1)
        best = int(difference.argmin()) if bool(held.any()) else len(patches) // 2
        copied = cells[:, corners[best, 0] :, corners[best, 1] :][:, :side, :side]
        source[block] = torch.where(held, source[block], copied)
        texture[block] = torch.where(held, texture[block], patches[best])
    return source[:, : size[0], : size[1]]


def _patches(
    exemplar: Float[Tensor, "C h w"], known: Bool[Tensor, "h w"]
) -> tuple[Int[Tensor, "N 2"], Float[Tensor, "N C s s"]] | None:
    """Corners and contents of the known patches, as large as there are enough of."""
    side = min(PATCH, *known.shape)
    while side >= LEAST:
        whole = avg_pool2d(known[None, None].float(), side, 1)[0, 0] > 1 - 1e-6
        corners = whole.nonzero()
        if len(corners) >= FEW:
            corners = corners[:: -(-len(corners) // MOST)]
            windows = exemplar.unfold(1, side, 1).unfold(2, side, 1)
            return corners, windows[:, corners[:, 0], corners[:, 1]].transpose(0, 1).contiguous()
        side = int(side * SHRINK)
    return None


def _common(
    at: tuple[int, int], part: torch.Size, whole: tuple[int, int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]] | None:
    """Where a part that lies `at` meets the whole: slices of the whole and of the part; None where it does not."""
    here, there = [slice(None)], [slice(None)]
    for start, length, end in zip(at, part, whole, strict=True):
        first, last = max(0, start), min(end, start + length)
        if first >= last:
            return None
        here.append(slice(first, last))
        there.append(slice(first - start, last - start))
    return tuple(here), tuple(there)
