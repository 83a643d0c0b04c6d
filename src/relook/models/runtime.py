"""TFLite interpreters and ONNX sessions, without the lines that their C++ code writes to the terminal."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Lock
from typing import Any

import numpy as np


class Interpreters:
    """Interpreters of one TFLite network: threads that ask at the same moment get one each, up to as many as torch has threads."""

    def __init__(self, path: Path, *, keep_all: bool = False, threads: int | None = None) -> None:
        """keep_all: intermediate results can be read too. threads: in place of torch's, which then is not imported."""
        self._path, self._keep_all = path, keep_all
        self.first = self._made()
        self._free: LifoQueue[Any] = LifoQueue()
        self._free.put(self.first)
        self._missing, self._lock = (_torch_threads() if threads is None else threads) - 1, Lock()

    def answer(self, inputs: np.ndarray, output: int) -> np.ndarray:
        """What the network answers under the index `output`."""
        network = self._taken()
        try:
            network.set_tensor(network.get_input_details()[0]["index"], inputs)
            network.invoke()
            found: np.ndarray = network.get_tensor(output)  # a copy
            return found
        finally:
            self._free.put(network)

    def _taken(self) -> Any:
        """One that nobody else uses: a free one, else a new one where there may be more, else the next that is free."""
        with suppress(Empty):
            return self._free.get_nowait()
        with self._lock:
            more, self._missing = self._missing > 0, max(0, self._missing - 1)
        return self._made() if more else self._free.get()

    def _made(self) -> Any:
        from ai_edge_litert.interpreter import Interpreter

        with warnings.catch_warnings(), quiet_stderr():
            warnings.simplefilter("ignore")
            network = Interpreter(str(self._path), experimental_preserve_all_tensors=self._keep_all)
            network.allocate_tensors()
        return network


def _torch_threads() -> int:
    import torch

    return torch.get_num_threads()


def onnx(path: Path) -> Any:
    """An ONNX session on the CPU, with as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = _torch_threads()
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Nothing that anybody, C++ code included, writes to standard error reaches it while the block runs."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
