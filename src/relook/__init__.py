"""Relook: each object of a picture takes the look of its counterpart in a style picture; the structure stays.

>>> from relook import PhotoConfig, restyle_photo
>>> result = restyle_photo("room.jpg", "look.jpg", PhotoConfig(method="palette"))  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "relook.config": ("PerceiveConfig", "PhotoConfig", "ViewsConfig"),
    "relook.errors": ("CancelledError", "RelookError"),
    "relook.io": ("read_image", "write_image"),
    "relook.lift.outputs": ("ViewsResult",),
    "relook.lift.propagation": ("propagate",),
    "relook.lift.views": ("restyle_views",),
    "relook.options": ("json_schema",),
    "relook.perceive.perceive": ("perceive_photo",),
    "relook.progress": ("Progress",),
    "relook.session": ("Session",),
    "relook.transfer.photo": ("repeat_photo", "restyle_photo"),
    "relook.types": ("Camera", "Depth", "Region", "Result", "Segments", "View"),
}
"""Module -> the names of it that are public."""
_HOMES = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> Any:
    """Public names load on first use, so that `relook --help` never waits for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'relook' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
