"""What is known of every frame of a walk, kept in a file: memory does not grow with the walk."""

from __future__ import annotations

import weakref
import zlib
from collections.abc import Callable, Sequence
from io import BytesIO
from tempfile import TemporaryFile
from typing import Generic, TypeVar, overload

import numpy as np

T = TypeVar("T")


class Kept(Sequence[T], Generic[T]):
    """Values in the order in which they were added, each read again when it is asked for; the file goes with this object.

    packed: a value as arrays; unpacked: the value of such arrays.
    """

    def __init__(self, packed: Callable[[T], Sequence[np.ndarray]], unpacked: Callable[..., T]) -> None:
        self._packed, self._unpacked = packed, unpacked
        self._file, self._ends = TemporaryFile(), [0]  # noqa: SIM115  (closed by the next line)
        weakref.finalize(self, self._file.close)

    def add(self, value: T) -> None:
        """Keep one more."""
        stream = BytesIO()
        for array in self._packed(value):
            np.save(stream, array, allow_pickle=False)
        self._file.seek(self._ends[-1])
        self._file.write(zlib.compress(stream.getvalue(), 1))
        self._ends.append(self._file.tell())

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, number: int) -> T: ...

    @overload
    def __getitem__(self, number: slice) -> list[T]: ...

    def __getitem__(self, number: int | slice) -> T | list[T]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        start, end = self._ends[number % len(self)], self._ends[number % len(self) + 1]
        self._file.seek(start)
        data = zlib.decompress(self._file.read(end - start))
        stream, arrays = BytesIO(data), list[np.ndarray]()
        while stream.tell() < len(data):
            arrays.append(np.load(stream, allow_pickle=False))
        return self._unpacked(*arrays)
