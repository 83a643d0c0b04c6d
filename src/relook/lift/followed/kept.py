"""What is known of every frame of a walk, kept in a file: memory does not grow with the walk."""

from __future__ import annotations

import json
import math
import weakref
import zlib
from collections.abc import Callable, Sequence
from tempfile import TemporaryFile
from threading import Lock
from typing import Generic, TypeVar, overload

import numpy as np

T = TypeVar("T")


class Kept(Sequence[T], Generic[T]):
    """Values in the order in which they were added, each read again when it is asked for; the file goes with this object.

    packed: a value as arrays; unpacked: the value of such arrays. Several threads may read.
    """

    def __init__(self, packed: Callable[[T], Sequence[np.ndarray]], unpacked: Callable[..., T]) -> None:
        self._packed, self._unpacked = packed, unpacked
        self._file, self._ends = TemporaryFile(), [0]  # noqa: SIM115  (closed by the next line)
        self._lock = Lock()
        weakref.finalize(self, self._file.close)

    def add(self, value: T) -> None:
        """Keep one more."""
        arrays = self._packed(value)
        head = json.dumps([(array.dtype.str, array.shape) for array in arrays]).encode()
        data = b"".join([len(head).to_bytes(4, "little"), head, *(array.tobytes() for array in arrays)])
        with self._lock:
            self._file.seek(self._ends[-1])
            self._file.write(zlib.compress(data, 1))
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
        with self._lock:
            self._file.seek(start)
            packed = self._file.read(end - start)
        data = bytearray(zlib.decompress(packed))
        place = 4 + int.from_bytes(data[:4], "little")
        arrays = list[np.ndarray]()
        for kind, shape in json.loads(data[4:place]):
            arrays.append(np.frombuffer(data, kind, math.prod(shape), place).reshape(shape))
            place += arrays[-1].nbytes
        return self._unpacked(*arrays)
