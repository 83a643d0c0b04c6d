"""Modules imported at once, as a command begins."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """While the block imports torch and what needs it, nothing is collected; what it made is then left out of collections for good.

    Modules stay. Looking for garbage among their hundreds of thousands of objects takes a sixth of the import, and every later collection longer.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
