"""Interpreters of one network for several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Lock
from typing import Any

import numpy as np
import pytest
import torch

from relook.models.runtime import Interpreters


class _Network:
    """Answers its input plus the index, and says if two threads ask it at once."""

    def __init__(self, barrier: Barrier) -> None:
        self._busy, self._barrier, self._held = Lock(), barrier, np.zeros(1)

    def get_input_details(self) -> list[dict[str, int]]:
        return [{"index": 0}]

    def set_tensor(self, index: int, value: np.ndarray) -> None:
        assert self._busy.acquire(blocking=False), "two threads at one interpreter"
        self._held = value

    def invoke(self) -> None:
        self._barrier.wait(20)  # two answer at the same time, or the wait breaks

    def get_tensor(self, index: int) -> np.ndarray:
        self._busy.release()
        return self._held + index


def test_threads_get_an_interpreter_each_up_to_those_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    barrier = Barrier(2)

    def new(self: Interpreters) -> _Network:
        made.append(_Network(barrier))
        return made[-1]

    monkeypatch.setattr(Interpreters, "_made", new)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    network = Interpreters(Path("any.tflite"))
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda value: network.answer(np.full(1, value), 10)[0], range(6)))
    assert found == [10, 11, 12, 13, 14, 15]
    assert len(made) == 2
