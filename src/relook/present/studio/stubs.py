"""Gradio's import without the stub files that it writes for editors each time: a second on one core."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_stubs() -> Iterator[None]:
    """While this lasts, Gradio's components count as classes without a source file: it writes stubs of the others alone."""
    real = inspect.getfile

    def found(thing: Any) -> str:
        if isinstance(thing, type) and thing.__module__.split(".")[0] == "gradio":
            raise OSError("a component whose stub is not written")
        return real(thing)

    inspect.getfile = found  # type: ignore[assignment]
    try:
        yield
    finally:
        inspect.getfile = real
