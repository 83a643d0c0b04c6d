"""Objects from votes: every place of an object points to its middle, and what points to one middle is one object."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relook.ops.fill import filled

SPREAD = 0.025
"""Votes are blurred by this part of the picture's side."""
SADDLE = 0.4
"""Two heaps of votes are two objects if between them the votes fall below this share of the lower heap."""
FEWEST = 0.0025
"""A heap below this part of all places of the picture joins the next one."""


def middles(share: Float[Tensor, "h w"], ways: Float[Tensor, "2 h w"]) -> Float[Tensor, "N 2"]:
    """The middles (x, y in parts of the sides) of the objects of one class, the one with most votes first; perhaps none.

    share: how much of each place belongs to the class. ways: from each place to the middle of its object. Votes are heaped
    up as in Panoptic-DeepLab (Cheng et al. 2020), but the peaks are those of the heap itself that stand out from the saddle to a
    higher one (h-maxima of its logarithm), so that a large object whose places disagree somewhat stays one.
    """
    from skimage.measure import label
    from skimage.morphology import h_maxima

    heap = _heap(share, ways)
    top = float(heap.max())
    if top <= 1e-6:
        return torch.zeros(0, 2)
    heights = np.log(heap + 1e-3 * top)
    peaks, count = label(h_maxima(heights, -np.log(SADDLE)), return_num=True, connectivity=2)
    if count == 0:  # a heap as flat as it is high
        return torch.zeros(0, 2)
    height, width = share.shape
    found = []
    for number in range(1, count + 1):
        rows, columns = np.nonzero(peaks == number)
        found.append(((columns.mean() + 0.5) / width, (rows.mean() + 0.5) / height, heap[rows[0], columns[0]]))
    found.sort(key=lambda peak: -peak[2])
    candidates = torch.tensor([peak[:2] for peak in found], dtype=torch.float32).view(-1, 2)
    owners = nearest_middle(ways, candidates)
    votes = torch.bincount(owners.flatten(), share.double().flatten(), minlength=len(found))
    return candidates[votes >= min(FEWEST * share.numel(), float(votes.max()))]


def nearest_middle(ways: Float[Tensor, "2 H W"], candidates: Float[Tensor, "N 2"]) -> Int[Tensor, "H W"]:
    """Number of the middle that each place points to most closely."""
    votes = _votes(ways).flatten(1).T
    return torch.cdist(votes, candidates.to(votes)).argmin(1).view(ways.shape[1:])


def objects(
    cells: Bool[Tensor, "h w"], share: Float[Tensor, "h w"], ways: Float[Tensor, "2 h w"]
) -> Int[Tensor, "h w"]:
    """1, 2, ... where the objects of one class are, the largest first; 0 outside `cells`. Where no votes meet: connected parts."""
    middle = middles(share * cells, ways)
    if len(middle) == 0:
        return connected(cells)
    return by_size(torch.where(cells, nearest_middle(ways, middle) + 1, 0))


def connected(mask: Bool[Tensor, "H W"]) -> Int[Tensor, "H W"]:
    """1, 2, ... where the connected parts of a mask are, the largest first; 0 outside of it."""
    from skimage.measure import label

    return by_size(torch.from_numpy(label(mask.numpy(), connectivity=2).astype(np.int64)))


def by_size(numbers: Int[Tensor, "H W"]) -> Int[Tensor, "H W"]:
    """The same objects counted anew from 1, the largest first; numbers that none has are left out."""
    sizes = torch.bincount(numbers.flatten())
    sizes[0] = int(sizes.sum()) + 1
    ranks = torch.empty_like(sizes)
    ranks[torch.argsort(sizes, descending=True, stable=True)] = torch.arange(len(sizes))
    return ranks[numbers]


def grown(numbers: Int[Tensor, "h w"], mask: Bool[Tensor, "H W"]) -> Int[Tensor, "H W"]:
    """Numbers of cells at the size of a mask: each pixel of it takes the nearest cell that has one; 0 outside of it."""
    if not bool((numbers > 0).any()):
        return connected(mask)
    size = tuple(mask.shape)
    everywhere = filled(numbers, numbers == 0)
    rows, columns = (
        (((2 * torch.arange(new) + 1) * old) // (2 * new)) for new, old in zip(size, numbers.shape, strict=True)
    )
    return torch.where(mask, everywhere[rows[:, None], columns[None]], 0)


def _votes(ways: Float[Tensor, "2 H W"]) -> Float[Tensor, "2 H W"]:
    """Where each place points to, in parts of the sides."""
    height, width = ways.shape[1:]
    xs = ((torch.arange(width) + 0.5) / width).expand(height, width)
    ys = ((torch.arange(height) + 0.5) / height)[:, None].expand(height, width)
    return torch.stack([xs, ys]) + ways


def _heap(share: Float[Tensor, "h w"], ways: Float[Tensor, "2 h w"]) -> np.ndarray:
    """Votes per place: each is shared by the four nearest ones, then blurred."""
    import cv2

    height, width = share.shape
    sides = torch.tensor([width, height]).view(2, 1, 1)
    at = (_votes(ways) * sides - 0.5).clamp(torch.zeros(2, 1, 1), sides - 1.0)
    low = at.floor()
    part = at - low
    heap = torch.zeros(height * width, dtype=torch.float64)
    for right in (0, 1):
        for down in (0, 1):
            weight = (part[0] if right else 1 - part[0]) * (part[1] if down else 1 - part[1]) * share
            x, y = (low[0] + right).clamp_max(width - 1), (low[1] + down).clamp_max(height - 1)
            heap += torch.bincount((y * width + x).long().flatten(), weight.double().flatten(), height * width)
    spread = SPREAD * (height * width) ** 0.5
    return cv2.GaussianBlur(heap.view(height, width).numpy(), (0, 0), spread, borderType=cv2.BORDER_CONSTANT)
