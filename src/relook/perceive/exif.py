"""What a photograph's file says of its lens."""

from __future__ import annotations

from PIL import Image

from relook.types import Metadata

FILM = 36.0
"""Width of small film in millimetres, to which focal lengths are converted."""
_SETTINGS, _EQUIVALENT = 0x8769, 0xA405
"""EXIF's tags for the camera's settings, and among them the focal length in millimetres on small film."""
SENSIBLE = 0.25, 6.0
"""Focal lengths in longer sides that interiors can be taken with; others are mistakes."""


def focal_of(metadata: Metadata, size: tuple[int, int]) -> float | None:
    """Focal length in pixels of a picture of `size` (H, W), if its file says it in terms of small film and it can be."""
    if not metadata.exif:
        return None
    exif = Image.Exif()
    exif.load(metadata.exif)
    said = exif.get_ifd(_SETTINGS).get(_EQUIVALENT)
    try:
        share = float(said) / FILM if said else 0.0
    except (TypeError, ValueError):
        return None
    return share * max(size) if SENSIBLE[0] < share < SENSIBLE[1] else None
