"""HEIC, as phones write it: a plugin that teaches Pillow to read it (pi-heif) or to read and write it (pillow-heif)."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec

PLUGINS = ("pillow_heif", "pi_heif")
"""The first that is installed is used. The second only reads, and comes with Relook; the wheels of the first hold x265, which is under the
GPL, so it is an extra of its own: relook[heic]."""


@cache
def know_heif() -> None:
    """Teach Pillow the format; what it knows already stays as it is."""
    plugin = next((name for name in PLUGINS if find_spec(name) is not None), None)
    if plugin is not None:
        import_module(plugin).register_heif_opener()


def writes_heif() -> bool:
    """Whether HEIC can be written here."""
    return find_spec(PLUGINS[0]) is not None
