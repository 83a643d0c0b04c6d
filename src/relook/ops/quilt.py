"""A texture from a piece of it: image quilting (Efros and Freeman 2001), with seams of any shape (Kwatra et al. 2003)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

PATCH, LEAST = 96, 8
"""Sides of square patches in cells: the largest that is tried, and the smallest. Others have their area."""
SHRINK = 0.8
"""From one try to the next."""
FEW = 60
"""With fewer positions to take a patch from, a smaller one is tried."""
MOST = 1600
"""Positions that are compared, evenly spread; around the one that is chosen every position is."""
COARSE = 24
"""Side of the square of as many cells as those on which they are compared."""
STAGGER = 0.38
"""Part of a patch by which the next row of patches begins later, so that seams across do not line up."""
OVERLAP = 0.25
"""Part of a patch that lies on what is there already."""
BEST, NEARLY = 12, 1.35
"""One of so many best patches is taken that differ at most so many times as much as the best: always the best would repeat itself."""
AGAIN = 0.6
"""Difference that is added, as a part of its own, for every time that a patch from the same place was taken before."""
NEAR = 0.35
"""Within this part of a patch's side two places count as the same."""
NOWHERE = -1


def quilted(
    exemplar: Float[Tensor, "C h w"],
    known: Bool[Tensor, "h w"],
    wanted: Bool[Tensor, "H W"],
    at: tuple[int, int],
    aspect: float = 1.0,
) -> Int[Tensor, "2 H W"] | None:
    """For every wanted cell of a texture, the (row, column) of the exemplar that it copies; None where no patch fits into what is known.

    The known part of the exemplar lies in the texture at row and column `at` (it may reach over its sides, or lie beside it). From there
    outwards, patch by patch: of all patches of the exemplar one that differs little from what is there already, which gives way along the
    seam of least difference within the overlap. The same input gives the same texture. Cells that are not wanted may be NOWHERE.
    aspect: columns of a patch over its rows; long patches suit patterns of long parts, such as planks.
    """
    patches = _patches(exemplar, known, aspect)
    if patches is None:
        return None
    (high, wide), (rows, columns) = patches.shape, wanted.shape
    overlaps = max(2, int(high * OVERLAP)), max(2, int(wide * OVERLAP))
    source = torch.full((2, rows + high + 2, columns + wide + 2), NOWHERE)  # a cell more on every side, for seams
    texture = exemplar.new_zeros(len(exemplar), *source.shape[1:])
    cells = torch.stack(torch.meshgrid(torch.arange(known.shape[0]), torch.arange(known.shape[1]), indexing="ij"))
    inside = _common((at[0] + 1, at[1] + 1), known.shape, source.shape[1:])
    if inside is not None:
        mine, its = inside
        source[mine] = cells[its].masked_fill(~known[its[1:]], NOWHERE)
        texture[mine] = exemplar[its] * known[its[1:]]
    middle = at[0] + known.shape[0] / 2, at[1] + known.shape[1] / 2
    for y, x in _blocks(wanted.shape, patches.shape, overlaps, middle):
        block, around = (_window(y + 1 - more, x + 1 - more, high + 2 * more, wide + 2 * more) for more in (0, 1))
        held = source[block][0] != NOWHERE
        if bool(held.all()) or not bool(wanted[y : y + high, x : x + wide].any()):
            continue
        taken = _window(*patches.like(texture[block], held), high, wide)
        new = _beyond_seam(texture[around], source[around][0] != NOWHERE, exemplar[taken], overlaps)
        source[block] = torch.where(new, cells[taken], source[block])
        texture[block] = torch.where(new, exemplar[taken], texture[block])
    return source[:, 1 : rows + 1, 1 : columns + 1]


def _blocks(
    size: tuple[int, ...], shape: tuple[int, int], overlaps: tuple[int, int], middle: tuple[float, float]
) -> list[tuple[int, int]]:
    """First cells of patches that fill a texture, from the middle outwards; rows of them, or columns if they are high, are staggered."""
    steps = [side - overlap for side, overlap in zip(shape, overlaps, strict=True)]
    along = int(shape[1] >= shape[0])  # the axis on which rows of patches run
    blocks = set()
    for number, across in enumerate(range(0, size[1 - along], steps[1 - along])):
        late = int(number * STAGGER * steps[along]) % steps[along]
        for start in range(-late, size[along], steps[along]):
            place = (across, max(0, start)) if along else (max(0, start), across)
            blocks.add(place)
    nearest = lambda block: sum((block[i] + shape[i] / 2 - middle[i]) ** 2 for i in (0, 1))  # noqa: E731
    return sorted(sorted(blocks), key=nearest)


def _window(row: int, column: int, rows: int, columns: int) -> tuple[slice, slice, slice]:
    return slice(None), slice(row, row + rows), slice(column, column + columns)


@dataclass
class _Patches:
    """Places in an exemplar from which a patch may be taken."""

    exemplar: Float[Tensor, "C h w"]
    whole: Bool[Tensor, "h w"]
    """First cells of patches that are known all over."""
    shape: tuple[int, int]
    """Rows and columns of a patch."""
    factor: int
    """Cells along a side of a coarse one."""
    corners: Int[Tensor, "N 2"]
    """First cells of those that are compared."""
    coarse: Float[Tensor, "N F"]
    """Their contents in coarse cells."""
    squares: Float[Tensor, "N f"]
    """Of them, summed over the channels."""
    uses: Float[Tensor, " N"]
    """How often a patch from there was taken."""
    draw: torch.Generator

    def like(self, texture: Float[Tensor, "C p q"], held: Bool[Tensor, "p q"]) -> tuple[int, int]:
        """First cell (row, column) of a patch that differs little from a texture where it is held."""
        share = avg_pool2d(held[None].to(texture), self.factor)
        wanted = avg_pool2d(texture * held, self.factor) / share.clamp_min(1e-6)
        weighed = (share * wanted).flatten()
        difference = self.squares @ share.flatten() - 2 * self.coarse @ weighed + weighed @ wanted.flatten()
        difference = difference.clamp_min(0) + 1e-4 * len(wanted) * float(share.sum())
        difference = difference * (1 + AGAIN * self.uses)
        best, order = difference.topk(min(BEST, len(difference)), largest=False)
        good = order[best <= NEARLY * best[0]]
        chosen = self.corners[good[int(torch.randint(len(good), (1,), generator=self.draw))]]
        row, column = self._nearby(chosen, texture, held)
        distance = (self.corners - torch.tensor([row, column])).abs() / torch.tensor(self.shape)
        self.uses += (distance < NEAR).all(1)
        return row, column

    def _nearby(
        self, corner: Int[Tensor, " 2"], texture: Float[Tensor, "C p q"], held: Bool[Tensor, "p q"]
    ) -> tuple[int, int]:
        """Of all first cells within a coarse one, that of the patch that differs least."""
        (high, wide), (row, column) = self.shape, (corner - self.factor).clamp_min(0).tolist()
        rows, columns = (
            (corner + self.factor + 1).minimum(torch.tensor(self.whole.shape)) - torch.tensor([row, column])
        ).tolist()
        part = self.exemplar[:, row : row + rows - 1 + high, column : column + columns - 1 + wide]
        windows = part.unfold(1, high, 1).unfold(2, wide, 1)
        step = slice(None, None, min(2, self.factor))  # every second cell says enough
        off = windows[..., step, step] - texture[:, None, None, step, step]
        difference = (off.square() * held[step, step]).sum((0, 3, 4))
        allowed = self.whole[row : row + difference.shape[0], column : column + difference.shape[1]]
        best = divmod(int(difference.masked_fill(~allowed, torch.inf).argmin()), difference.shape[1])
        return row + best[0], column + best[1]


def _patches(exemplar: Float[Tensor, "C h w"], known: Bool[Tensor, "h w"], aspect: float) -> _Patches | None:
    """The known patches, as large as there are enough of."""
    high, wide = PATCH / aspect**0.5, PATCH * aspect**0.5
    shrink = min(1.0, known.shape[0] / high, known.shape[1] / wide)
    while min(high, wide) * shrink >= LEAST:
        factor = max(1, round(PATCH * shrink / COARSE))
        shape = int(high * shrink) // factor * factor, int(wide * shrink) // factor * factor
        whole = _whole(known, shape)
        corners = whole.nonzero()
        if len(corners) >= FEW:
            corners = corners[torch.linspace(0, len(corners) - 1, min(MOST, len(corners))).round().long()]
            means = avg_pool2d(exemplar[None], factor, 1)[0]
            rows, columns = (corners[:, axis, None] + torch.arange(0, shape[axis], factor) for axis in (0, 1))
            coarse = means[:, rows[:, :, None], columns[:, None]].transpose(0, 1).flatten(1)
            squares = coarse.square().view(len(corners), len(exemplar), -1).sum(1)
            uses, draw = torch.zeros(len(corners)), torch.Generator().manual_seed(0)
            return _Patches(exemplar, whole, shape, factor, corners, coarse, squares, uses, draw)
        shrink *= SHRINK
    return None


def _whole(known: Bool[Tensor, "h w"], shape: tuple[int, int]) -> Bool[Tensor, "h w"]:
    """Whether the patch whose first cell this is is known all over."""
    import cv2

    patch, start = np.ones(shape, np.uint8), (0, 0)
    left = cv2.erode(known.numpy().astype(np.uint8), patch, anchor=start, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return torch.from_numpy(left > 0)


def _beyond_seam(
    texture: Float[Tensor, "C P Q"],
    held: Bool[Tensor, "P Q"],
    patch: Float[Tensor, "C p q"],
    overlaps: tuple[int, int],
) -> Bool[Tensor, "p q"]:
    """Which cells a patch gets: all that are not held, and held ones up to the minimum cut within the overlaps.

    texture and held reach a cell farther than the patch on every side: what is held there stays.
    """
    import cv2

    free = ~held[1:-1, 1:-1]
    if bool(free.all()):
        return free
    reach = np.ones([2 * overlap + 1 for overlap in overlaps], np.uint8)
    near = torch.from_numpy(cv2.dilate(free.numpy().astype(np.uint8), reach) > 0)
    pictures = [_three(texture), _three(pad(patch[None], (1, 1, 1, 1), mode="replicate")[0])]
    masks = [held, pad(near, (1, 1, 1, 1))]
    shared = [cv2.UMat(one) for one in (*pictures, *(mask.numpy().astype(np.uint8) * 255 for mask in masks))]  # type: ignore[call-overload]
    seams = cv2.detail.GraphCutSeamFinder("COST_COLOR")
    found = seams.find(shared[:2], [(0, 0), (0, 0)], shared[2:])
    return free | torch.from_numpy(found[1].get()[1:-1, 1:-1] > 0)


def _three(values: Float[Tensor, "C P Q"]) -> Float[np.ndarray, "P Q 3"]:
    """Three channels, last, as the seam finder reads them: of another number the norm from zero stands for all."""
    three = values if len(values) == 3 else values.norm(dim=0, keepdim=True).expand(3, -1, -1)
    return np.ascontiguousarray(three.permute(1, 2, 0).numpy())


def _common(
    at: tuple[int, int], part: torch.Size, whole: torch.Size
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
