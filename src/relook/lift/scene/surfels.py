"""Flat Gaussians (surfels) from posed views with depth: one per cell of space and direction, as fine as the views need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from relook.errors import DepthError
from relook.gaussians import Gaussians
from relook.ops.geometry import known_depth, unproject
from relook.ops.normals import normals
from relook.types import View

CELL = 1.5
"""Side of a cell in pixels of the views that see it."""
LEVELS = 5
"""A cell is at most 2^LEVELS times as large as the smallest."""
WIDTH, THICKNESS, OPACITY = 0.65, 0.12, 0.99
"""Standard deviation of a surfel in cells; its thickness over its width; how much it covers."""
TWICE = 2
"""Pixels that a cell needs: one alone is noise, or depth mixed at an edge."""
_BITS, _HALF = 17, 1 << 16
_Rows = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class _Pixels:
    """The M pixels of one view whose depth and normal are known."""

    points: Float[Tensor, "M 3"]
    normals: Float[Tensor, "M 3"]
    sides: Float[Tensor, " M"]
    """Of the square of surface that a pixel shows where it faces the camera, in scene units."""
    colours: Float[Tensor, "M 3"]


def surfels(
    views: Iterable[View],
    cell: float = CELL,
    *,
    tall: float = 1.0,
    facing: Sequence[Float[Tensor, "3 _ _"]] | None = None,
) -> Gaussians:
    """Gaussians on the surfaces that views with a camera and metric depth see, in their mean colour (degree 0).

    Space is cut into cubes; in each, cells have the side that its views need (`cell` pixels, between the nearest view's and the mean),
    and a cell holds one surfel for each of six directions that it faces. tall: how many times as high as wide a cell is in that direction,
    so that the layers of noisy depth become one. facing: of every view which way its pixels' surfaces face, seen from its camera; None: by
    `normals`. `views` is read twice, one at a time. Raises DepthError where no depth is known.
    """
    known = repeat(None) if facing is None else facing
    smallest, cubes, levels = _cell_levels(map(_pixels, views, known), cell)
    _, sums = _summed([_cells(pixels, smallest, cubes, levels, tall) for pixels in map(_pixels, views, known)])
    sums = sums[sums[:, 0] >= TWICE]
    if not len(sums):
        raise DepthError("Expected depth that several pixels agree on, got none; bring depth or better cameras.")
    means, towards, colours, side = torch.from_numpy(sums[:, 1:] / sums[:, :1]).float().split([3, 3, 3, 1], 1)
    scales = WIDTH * side * torch.tensor([1.0, 1.0, THICKNESS])
    opacities, sh = torch.full((len(means),), OPACITY), torch.zeros(len(means), 1, 3)
    return Gaussians(means, turned_to(towards), scales, opacities, sh).coloured(colours)


def turned_to(directions: Float[Tensor, "N 3"]) -> Float[Tensor, "N 4"]:
    """Unit quaternions (w, x, y, z) that turn the z axis to directions of any length."""
    x, y, z = normalize(directions, dim=1).unbind(1)
    zero, one = torch.zeros_like(z), torch.ones_like(z)
    opposite = (z < -0.99999)[:, None]
    half = torch.where(opposite, torch.stack([zero, one, zero, zero], 1), torch.stack([1 + z, -y, x, zero], 1))
    return normalize(half, dim=1)


def _pixels(view: View, facing: Float[Tensor, "3 H W"] | None) -> _Pixels:
    """What one view knows of surfaces."""
    depth = view.metric_depth
    if depth is None or view.camera is None:
        raise DepthError("Expected views with a camera and depth in scene units, got one without; bring both.")
    towards = normals(depth, view.camera.K) if facing is None else facing
    known = known_depth(depth) & torch.isfinite(towards).all(0)
    turned = towards[:, known].T @ view.camera.world_to_camera[:3, :3]
    points = unproject(depth, view.camera)[known]
    return _Pixels(points, turned, depth[known] / view.camera.K[0, 0], view.image[:, known].T)


def _cell_levels(seen: Iterable[_Pixels], cell: float) -> tuple[float, np.ndarray, np.ndarray]:
    """The smallest side of cells, the keys of the cubes of space that hold anything (sorted), and the level of the cells in each."""
    parts, least, smallest = [], [], 0.0
    for pixels in seen:
        if len(pixels.points):
            side = pixels.sides.double().numpy()
            smallest = smallest or cell * float(np.quantile(side, 0.02))
            cube = _key(pixels.points, smallest * 2**LEVELS)
            parts.append(_summed([(cube, np.stack([np.ones_like(side), side], 1))]))
            least.append(_least(cube, side))
    if not parts:
        raise DepthError("Expected views whose depth is known somewhere, got none; bring depth.")
    keys, sums = _summed(parts)
    _, nearest = _least(*(np.concatenate(column) for column in zip(*least, strict=True)))
    wanted = cell * np.sqrt(nearest * sums[:, 1] / sums[:, 0])
    return smallest, keys, np.round(np.log2(wanted / smallest)).clip(0, LEVELS).astype(np.int64)


def _cells(pixels: _Pixels, smallest: float, cubes: np.ndarray, levels: np.ndarray, tall: float) -> _Rows:
    """The cells that one view's pixels fall into: (key, sums of one, point, normal, colour and side)."""
    level = levels[np.searchsorted(cubes, _key(pixels.points, smallest * 2**LEVELS))]
    side = (smallest * 2.0**level)[:, None]
    axis = pixels.normals.abs().argmax(1)
    facing = 2 * axis + (pixels.normals.gather(1, axis[:, None])[:, 0] > 0)
    high = np.where(np.arange(3) == axis[:, None].numpy(), tall, 1.0)
    keys = (_key(pixels.points, side * high) * 6 + facing.numpy()) * (LEVELS + 1) + level
    rows = np.concatenate([np.ones_like(side), pixels.points, pixels.normals, pixels.colours, side], 1)
    return _summed([(keys, rows)])


def _summed(parts: list[_Rows]) -> _Rows:
    """Rows of the same key added up; keys come out sorted."""
    keys, inverse = np.unique(np.concatenate([keys for keys, _ in parts]), return_inverse=True)
    rows = np.concatenate([rows for _, rows in parts])
    return keys, np.stack([np.bincount(inverse, column, len(keys)) for column in rows.T], 1)


def _least(keys: np.ndarray, values: np.ndarray) -> _Rows:
    """The least value of each key; keys come out sorted."""
    keys, inverse = np.unique(keys, return_inverse=True)
    least = np.full(len(keys), np.inf)
    np.minimum.at(least, inverse, values)
    return keys, least


def _key(points: Float[Tensor, "M 3"], side: float | np.ndarray) -> np.ndarray:
    """One integer for the cube of a side in which each point lies."""
    x, y, z = (np.floor(points.numpy() / side).astype(np.int64).clip(-_HALF, _HALF - 1) + _HALF).T
    return (x << 2 * _BITS) | (y << _BITS) | z
