"""The ADE20K network of 31 classes (TFLite) without torch: the squares in which it looks at a picture, and what it answers.

Torch takes longer to import than the network to look, so a run asks it meanwhile (`Network.foresee`).
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from relook.models.runtime import Interpreters

SIDE = 512
"""Pixels of the network's square."""
ANSWER = 128
"""Pixels of its answer."""
GREY = 128
"""What is beside a picture in its own shape."""
Square = UInt8[np.ndarray, "512 512 3"]


class Look(NamedTuple):
    """One look at a picture."""

    square: Square
    rows: slice
    """Of the square: those that show the picture."""
    columns: slice
    place: int | None = None
    """Where a crop begins along the longer side, in pixels of the picture; None for looks at the whole."""
    mirrored: bool = False


def looks(pixels: UInt8[np.ndarray, "H W 3"]) -> list[Look]:
    """The whole picture squeezed into the square, its mirror image; where it is no square, also in its own shape with grey beside it, and
    square crops along the longer side, in this order."""
    height, width = pixels.shape[:2]
    side, long = min(height, width), max(height, width)
    every = slice(0, SIDE)
    found = [
        Look(_squeezed(pixels), every, every),
        Look(_squeezed(np.ascontiguousarray(pixels[:, ::-1])), every, every, mirrored=True),
    ]
    if long == side:
        return found
    found.append(_in_own_shape(pixels))
    for start in np.linspace(0, long - side, min(4, -(-2 * (long - side) // side) + 1)).round().astype(int).tolist():
        cut = slice(start, start + side)
        crop = pixels[cut] if height > width else pixels[:, cut]
        found.append(Look(_squeezed(np.ascontiguousarray(crop)), every, every, start))
    return found


def glances(pixels: UInt8[np.ndarray, "H W 3"]) -> list[Look]:
    """The best looks at a whole picture, of those that `looks` takes: in its own shape, where it is no square, and squeezed."""
    every, (height, width) = slice(0, SIDE), pixels.shape[:2]
    squeezed = Look(_squeezed(pixels), every, every)
    return [squeezed] if height == width else [_in_own_shape(pixels), squeezed]


def _in_own_shape(pixels: UInt8[np.ndarray, "H W 3"]) -> Look:
    """With grey beside it."""
    height, width = pixels.shape[:2]
    long = max(height, width)
    top, left = (long - height) // 2, (long - width) // 2
    whole = np.full((long, long, 3), GREY, np.uint8)
    whole[top : top + height, left : left + width] = pixels
    scale = SIDE / long
    rows, columns = (
        slice(round(start * scale), round((start + length) * scale)) for start, length in ((top, height), (left, width))
    )
    return Look(_squeezed(whole), rows, columns)


def _squeezed(pixels: UInt8[np.ndarray, "H W 3"]) -> Square:
    return np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA))


class Network:
    """The network with its intermediate results kept: its output holds only the best class."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """threads: how many may ask at once; None: as many as torch has."""
        self._network = Interpreters(path, keep_all=True, threads=threads)
        scores = next(
            one for one in self._network.first.get_tensor_details() if one["name"].startswith("logits/semantic/BiasAdd")
        )
        self._index, (self._scale, self._zero) = scores["index"], scores["quantization"]
        self._foreseen: dict[bytes, Future[Float[np.ndarray, "128 128 K"]]] = {}

    def answer(self, square: Square) -> Float[np.ndarray, "128 128 K"]:
        """Logarithms of the classes' odds. What is foreseen and not begun yet is asked here."""
        begun = self._foreseen.pop(key_of(square), None) if self._foreseen else None
        return self._asked(square) if begun is None or begun.cancel() else begun.result()

    def foresee(self, squares: Iterable[Square], threads: ThreadPoolExecutor) -> None:
        """Begin to answer, in those threads."""
        for square in squares:
            self._foreseen[key_of(square)] = threads.submit(self._asked, square)

    def _asked(self, square: Square) -> Float[np.ndarray, "128 128 K"]:
        raw = self._network.answer(square[None], self._index)[0].astype(np.float32)
        return np.asarray((raw - self._zero) * self._scale, np.float32)


def key_of(square: Square) -> bytes:
    """The same for squares that show the same."""
    return sha256(np.ascontiguousarray(square).data).digest()
