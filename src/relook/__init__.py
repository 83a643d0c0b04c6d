"""Relook: each object of a picture takes the look of its counterpart in a style picture; the structure stays.

>>> from relook import PhotoConfig, restyle_photo
>>> result = restyle_photo("room.jpg", "look.jpg", PhotoConfig(method="palette"))  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Camera": "relook.types",
    "CancelledError": "relook.errors",
    "Depth": "relook.types",
    "PerceiveConfig": "relook.config",
    "PhotoConfig": "relook.config",
    "Progress": "relook.progress",
    "Region": "relook.types",
    "RelookError": "relook.errors",
    "Result": "relook.types",
    "Segments": "relook.types",
    "Session": "relook.session",
    "View": "relook.types",
    "ViewsConfig": "relook.config",
    "ViewsResult": "relook.lift.outputs",
    "json_schema": "relook.options",
    "perceive_photo": "relook.perceive.perceive",
    "propagate": "relook.lift.propagation",
    "read_image": "relook.io",
    "repeat_photo": "relook.transfer.photo",
    "restyle_photo": "relook.transfer.photo",
    "restyle_views": "relook.lift.views",
    "write_image": "relook.io",
}

__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> Any:
    """Public names load on first use, so that `relook --help` never waits for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'relook' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
