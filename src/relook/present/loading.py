"""Modules imported at once, as a command begins."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from types import ModuleType

SHAPES = "_meta_registrations"
"""Torch's module of what its operations do to tensors without values (its device meta): a third of its import, and nothing else asks for it."""


@contextmanager
def loading(*, values_only: bool = False) -> Iterator[None]:
    """While the block imports torch and what needs it, nothing is collected; what it made is then left out of collections for good.

    Modules stay. Looking for garbage among their hundreds of thousands of objects takes a sixth of the import, and every later collection longer.
    values_only: the process will make no tensors without values, as models of transformers and diffusers are while they are loaded, and torch is
    imported without SHAPES; whoever imports that module later gets it.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        with _without_shapes() if values_only else nullcontext():
            yield
        gc.freeze()
    finally:
        gc.enable()


@contextmanager
def _without_shapes() -> Iterator[None]:
    """While the block imports torch, an empty module stands for SHAPES. What that would have imported for torch's generators of numbers is."""
    name = f"torch.{SHAPES}"
    sys.modules[name] = ModuleType(name)
    try:
        yield
    finally:
        del sys.modules[name]
        if "torch" in sys.modules:
            vars(sys.modules["torch"]).pop(SHAPES, None)
            import_module("torch._prims.rng_prims")  # without it torch.Generator() raises an error
