"""TFLite interpreters and ONNX sessions, without the lines that their C++ code writes to the terminal."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from relook.session import Session


def interpreter(path: Path, *, keep_all: bool = False) -> Any:
    """A TFLite interpreter ready to run. keep_all: intermediate results can be read too."""
    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings(), quiet_stderr():
        warnings.simplefilter("ignore")
        network = Interpreter(str(path), experimental_preserve_all_tensors=keep_all)
        network.allocate_tensors()
    return network


def answer(network: Any, inputs: np.ndarray, output: int, session: Session) -> np.ndarray:
    """What an interpreter answers under the index `output`; it cannot serve two threads at once."""
    with session.lock:
        network.set_tensor(network.get_input_details()[0]["index"], inputs)
        network.invoke()
        return network.get_tensor(output)  # a copy


def onnx(path: Path) -> Any:
    """An ONNX session on the CPU, with as many threads as torch has."""
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
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
