"""Compiled loops over tiles and pixels (numba). They release the interpreter, so bands of tiles run on several threads.

The rasteriser's readable twin is relook.ops.splats.reference, the matrix's are products with a dense one.
"""

from __future__ import annotations

import math
from typing import NamedTuple, no_type_check

import numba
import numpy as np

TILE = 8
"""Pixels on the side of a tile."""
FULL = 65535
"""A weight of 1 in 16 bits."""
_OPAQUE = np.float32(0.999)
compiled = numba.njit(nogil=True, cache=True, fastmath=True)
"""Once, then kept on disk; `no_type_check` keeps the tests' shape checks out of what is compiled."""


class Tiles(NamedTuple):
    """A projection sorted into tiles."""

    splats: np.ndarray
    """(M, 7) float32: x, y, a, b, c, opacity, reach (the exponent beyond which it is fainter than FAINT); nearest first."""
    starts: np.ndarray
    """Where each tile's part of `lists` begins, row by row."""
    lists: np.ndarray
    """Numbers of splats that touch a tile, nearest first."""
    height: int
    width: int

    @property
    def rows(self) -> int:
        """Rows of tiles."""
        return -(-self.height // TILE)


class Matrix(NamedTuple):
    """A sparse matrix, pixels x Gaussians, in compressed rows."""

    pointer: np.ndarray
    """(P + 1) int64: where each pixel's row begins."""
    who: np.ndarray
    """int32: numbers of Gaussians."""
    weight: np.ndarray
    """uint16: weights in 1 / FULL."""


@compiled
@no_type_check
def tile_lists(centres, extents, height, width):
    """Which splats touch each tile, in the splats' order: (starts [tiles + 1], lists)."""
    columns, rows = -(-width // TILE), -(-height // TILE)
    count = np.zeros(columns * rows + 1, np.int64)
    boxes = np.empty((len(centres), 4), np.int32)
    for i in range(len(centres)):
        boxes[i, 0] = max(0, int((centres[i, 0] - extents[i, 0]) // TILE))
        boxes[i, 1] = min(columns - 1, int((centres[i, 0] + extents[i, 0]) // TILE))
        boxes[i, 2] = max(0, int((centres[i, 1] - extents[i, 1]) // TILE))
        boxes[i, 3] = min(rows - 1, int((centres[i, 1] + extents[i, 1]) // TILE))
        for row in range(boxes[i, 2], boxes[i, 3] + 1):
            for column in range(boxes[i, 0], boxes[i, 1] + 1):
                count[row * columns + column + 1] += 1
    starts = np.cumsum(count)
    place, lists = starts.copy(), np.empty(starts[-1], np.int32)
    for i in range(len(centres)):
        for row in range(boxes[i, 2], boxes[i, 3] + 1):
            for column in range(boxes[i, 0], boxes[i, 1] + 1):
                tile = row * columns + column
                lists[place[tile]] = i
                place[tile] += 1
    return starts, lists


@compiled
@no_type_check
def _alpha(splats, i, x, y):
    dx, dy = x - splats[i, 0], y - splats[i, 1]
    exponent = np.float32(0.5) * (splats[i, 2] * dx * dx + splats[i, 4] * dy * dy) + splats[i, 3] * dx * dy
    if exponent > splats[i, 6]:
        return np.float32(0)
    return splats[i, 5] * np.float32(math.exp(-exponent))


@compiled
@no_type_check
def weights_of_rows(first, last, tiles, stop, drop):
    """The sparse rows of the pixels in tile rows first to last: (numbers of splats, weights in 16 bits, count per pixel, coverage).

    A row's weights sum to one; those below `drop` are left out, the largest always stays. Pixels end when less than `stop` shines through.
    """
    splats, starts, lists, height, width = tiles
    columns, top = -(-width // TILE), first * TILE
    pixels = (min(height, last * TILE) - top) * width
    room = pixels * 32 + 64
    who, weight = np.empty(room, np.int32), np.empty(room, np.float32)
    begin, count = np.zeros(pixels, np.int64), np.zeros(pixels, np.int32)
    coverage, n = np.zeros(pixels, np.float32), 0
    for tile_row in range(first, last):
        for column in range(columns):
            low, high = starts[tile_row * columns + column], starts[tile_row * columns + column + 1]
            if n + TILE * TILE * (high - low) > len(who):
                more = 2 * len(who) + TILE * TILE * (high - low)
                who_more, weight_more = np.empty(more, np.int32), np.empty(more, np.float32)
                who_more[:n], weight_more[:n] = who[:n], weight[:n]
                who, weight = who_more, weight_more
            for py in range(tile_row * TILE, min(height, tile_row * TILE + TILE)):
                for px in range(column * TILE, min(width, column * TILE + TILE)):
                    pixel, base, through = (py - top) * width + px, n, np.float32(1)
                    for q in range(low, high):
                        alpha = min(_alpha(splats, lists[q], np.float32(px + 0.5), np.float32(py + 0.5)), _OPAQUE)
                        if alpha > 0:
                            who[n], weight[n] = lists[q], through * alpha
                            n += 1
                            through *= np.float32(1) - alpha
                            if through < stop:
                                break
                    n = _kept(who, weight, base, n, drop, np.float32(1) - through)
                    begin[pixel], count[pixel], coverage[pixel] = base, n - base, np.float32(1) - through
    ordered, small = _in_order(who, weight, begin, count, n)
    return ordered, small, count, coverage


@compiled
@no_type_check
def _kept(who, weight, base, end, drop, total):
    """One pixel's weights scaled to sum one without the small ones, moved to the front of their place; returns the new end."""
    if end == base:
        return base
    most, limit, n, kept = np.float32(0), drop * total, base, np.float32(0)
    for k in range(base, end):
        most = max(most, weight[k])
    limit = min(limit, most)
    for k in range(base, end):
        if weight[k] >= limit:
            who[n], weight[n] = who[k], weight[k]
            kept += weight[k]
            n += 1
    for k in range(base, n):
        weight[k] /= kept
    return n


@compiled
@no_type_check
def _in_order(who, weight, begin, count, total):
    """Pixels in the order of the picture rather than of the tiles, weights in 16 bits."""
    ordered, small, n = np.empty(total, np.int32), np.empty(total, np.uint16), 0
    for pixel in range(len(begin)):
        for k in range(begin[pixel], begin[pixel] + count[pixel]):
            ordered[n], small[n] = who[k], np.uint16(weight[k] * FULL + 0.5)
            n += 1
    return ordered, small


@compiled
@no_type_check
def forward_rows(first, last, tiles, values, stop, image, coverage):
    """Blend `values` [M D] in the pixels of tile rows first to last, into image [H W D] and coverage [H W]."""
    splats, starts, lists, height, width = tiles
    columns = -(-width // TILE)
    for tile_row in range(first, last):
        for column in range(columns):
            low, high = starts[tile_row * columns + column], starts[tile_row * columns + column + 1]
            for py in range(tile_row * TILE, min(height, tile_row * TILE + TILE)):
                for px in range(column * TILE, min(width, column * TILE + TILE)):
                    through = np.float32(1)
                    for q in range(low, high):
                        i = lists[q]
                        alpha = min(_alpha(splats, i, np.float32(px + 0.5), np.float32(py + 0.5)), _OPAQUE)
                        if alpha > 0:
                            for d in range(values.shape[1]):
                                image[py, px, d] += through * alpha * values[i, d]
                            through *= np.float32(1) - alpha
                            if through < stop:
                                break
                    coverage[py, px] = np.float32(1) - through


@compiled
@no_type_check
def backward_rows(first, last, tiles, values, stop, to_image, to_coverage):
    """Gradients to splats (x, y, a, b, c, opacity) [M 6] and to values [M D] from those of tile rows first to last.

    With w_k = alpha_k T_k and g_k = dL/dw_k: dL/dalpha_k = T_k g_k - sum_{j > k} w_j g_j / (1 - alpha_k).
    """
    splats, starts, lists, height, width = tiles
    columns, channels = -(-width // TILE), values.shape[1]
    to_splats = np.zeros((len(splats), 6), np.float32)
    to_values = np.zeros((len(splats), channels), np.float32)
    longest = 1
    for tile in range(first * columns, last * columns):
        longest = max(longest, starts[tile + 1] - starts[tile])
    who, alphas, throughs = np.empty(longest, np.int32), np.empty(longest, np.float32), np.empty(longest, np.float32)
    for tile_row in range(first, last):
        for column in range(columns):
            low, high = starts[tile_row * columns + column], starts[tile_row * columns + column + 1]
            for py in range(tile_row * TILE, min(height, tile_row * TILE + TILE)):
                for px in range(column * TILE, min(width, column * TILE + TILE)):
                    x, y, through, n = np.float32(px + 0.5), np.float32(py + 0.5), np.float32(1), 0
                    for q in range(low, high):
                        alpha = min(_alpha(splats, lists[q], x, y), _OPAQUE)
                        if alpha > 0:
                            who[n], alphas[n], throughs[n] = lists[q], alpha, through
                            n += 1
                            through *= np.float32(1) - alpha
                            if through < stop:
                                break
                    behind = np.float32(0)
                    for k in range(n - 1, -1, -1):
                        i, weight, towards = who[k], alphas[k] * throughs[k], to_coverage[py, px]
                        for d in range(channels):
                            towards += to_image[py, px, d] * values[i, d]
                            to_values[i, d] += weight * to_image[py, px, d]
                        to_alpha = throughs[k] * towards - behind / (np.float32(1) - alphas[k])
                        behind += weight * towards
                        if alphas[k] < _OPAQUE:
                            _add_gradient(to_splats, splats, i, x, y, alphas[k], to_alpha)
    return to_splats, to_values


@compiled
@no_type_check
def _add_gradient(to_splats, splats, i, x, y, alpha, to_alpha):
    dx, dy, fall = x - splats[i, 0], y - splats[i, 1], -to_alpha * alpha
    to_splats[i, 0] -= fall * (splats[i, 2] * dx + splats[i, 3] * dy)
    to_splats[i, 1] -= fall * (splats[i, 4] * dy + splats[i, 3] * dx)
    to_splats[i, 2] += fall * np.float32(0.5) * dx * dx
    to_splats[i, 3] += fall * dx * dy
    to_splats[i, 4] += fall * np.float32(0.5) * dy * dy
    to_splats[i, 5] += to_alpha * alpha / splats[i, 5]


@compiled
@no_type_check
def multiply_rows(first, last, matrix, values, out):
    """out [P D] = A values for pixels first to last."""
    pointer, who, weight = matrix
    for pixel in range(first, last):
        for k in range(pointer[pixel], pointer[pixel + 1]):
            share = weight[k] * np.float32(1 / FULL)
            for d in range(values.shape[1]):
                out[pixel, d] += share * values[who[k], d]


@compiled
@no_type_check
def transposed_rows(first, last, matrix, pixels, power, out):
    """out [N D] += (A^power)^T pixels, weight by weight, from pixels first to last."""
    pointer, who, weight = matrix
    for pixel in range(first, last):
        for k in range(pointer[pixel], pointer[pixel + 1]):
            share = (weight[k] * np.float32(1 / FULL)) ** power
            for d in range(pixels.shape[1]):
                out[who[k], d] += share * pixels[pixel, d]


@compiled
@no_type_check
def normal_rows(first, last, matrix, values, confidence, out):
    """out [N D] += A^T diag(confidence) A values from pixels first to last."""
    pointer, who, weight = matrix
    shown = np.empty(values.shape[1], np.float32)
    for pixel in range(first, last):
        shown[:] = 0
        for k in range(pointer[pixel], pointer[pixel + 1]):
            for d in range(len(shown)):
                shown[d] += weight[k] * values[who[k], d]
        for k in range(pointer[pixel], pointer[pixel + 1]):
            share = weight[k] * confidence[pixel] * np.float32(1 / FULL / FULL)
            for d in range(len(shown)):
                out[who[k], d] += share * shown[d]
