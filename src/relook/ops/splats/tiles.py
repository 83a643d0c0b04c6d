"""A projection sorted into tiles, and work over its rows of tiles on every thread that torch may use."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch

from relook.ops.splats.kernels import Tiles, tile_lists
from relook.ops.splats.project import FAINT, Projected

T = TypeVar("T")


def tiled(projected: Projected, size: tuple[int, int]) -> Tiles:
    """The splats as the kernels want them."""
    with torch.no_grad():
        reach = (projected.opacities / FAINT).clamp_min(1e-12).log()[:, None]
        columns = [projected.centres, projected.conics, projected.opacities[:, None], reach]
        splats = torch.cat(columns, 1).float().cpu().contiguous().numpy()
        extents = projected.extents.float().cpu().contiguous().numpy()
    starts, lists = tile_lists(splats[:, :2], extents, *size)
    return Tiles(splats, starts, lists, *size)


def in_bands(work: Callable[[int, int], T], rows: int, bands: int | None = None) -> list[T]:
    """work(first, last) for consecutive bands of rows, on as many threads as torch uses; the answers in order."""
    threads = torch.get_num_threads()
    edges = np.linspace(0, rows, min(rows, bands or threads) + 1).astype(int).tolist()
    pairs = list(pairwise(edges))
    if threads == 1 or len(pairs) == 1:
        return [work(*pair) for pair in pairs]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda pair: work(*pair), pairs))
