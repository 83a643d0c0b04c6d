"""Surfaces of photographs drawn by hand, and points named by hand: one JSON file per picture (see docs/segments.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from relook.errors import InputError
from relook.files import read_json
from relook.perceive.segment.vocabulary import canonical, countable


@dataclass(frozen=True)
class Surface:
    """One surface of a picture."""

    name: str
    """Its class."""
    outlines: tuple[tuple[tuple[float, float], ...], ...]
    """Polygons (x, y) in pixels."""
    holes: tuple[tuple[tuple[float, float], ...], ...] = ()
    """Polygons cut out of them."""
    window: tuple[int, int, int, int] | None = None
    """Left, top, right and bottom of the part of the picture that was drawn; None: all of it."""

    def mask(self, size: tuple[int, int]) -> Bool[Tensor, "H W"]:
        """Where it is in a picture of `size` (H, W)."""
        import cv2

        filled = np.zeros(size, np.uint8)
        for polygons, value in ((self.outlines, 1), (self.holes, 0)):
            for one in polygons:
                cv2.fillPoly(filled, [np.round(np.array(one)).astype(np.int32)], value)
        return torch.from_numpy(filled > 0)

    def part(self, mask: Bool[Tensor, "H W"]) -> Bool[Tensor, "h w"]:
        """The window of a mask."""
        left, top, right, bottom = self.window or (0, 0, mask.shape[1], mask.shape[0])
        return mask[top:bottom, left:right]


@dataclass(frozen=True)
class Drawn:
    """A photograph with its surfaces."""

    picture: Path
    surfaces: tuple[Surface, ...]
    points: tuple[Named, ...] = ()

    def cut(self, window: tuple[int, int, int, int], mirrored: bool = False) -> Drawn:
        """Its points within a part (left, top, right and bottom in pixels) of the picture, by themselves, mirrored perhaps; no surfaces."""
        left, top, right, bottom = window
        inside = [one for one in self.points if left <= one.x < right and top <= one.y < bottom]
        moved = [replace(one, x=right - 1 - one.x if mirrored else one.x - left, y=one.y - top) for one in inside]
        return Drawn(self.picture, (), tuple(moved))


OTHER = "other"
"""Any thing, of a class that a segmenter need not know."""


@dataclass(frozen=True)
class Named:
    """A point of a photograph and what is there."""

    x: float
    y: float
    """In pixels."""
    names: frozenset[str]
    """Common class names that are right for it, or OTHER."""

    def right(self, name: str) -> bool:
        """Whether a region of this class name may be there."""
        return canonical(name) in self.names or (OTHER in self.names and countable(name))


def drawn_surfaces(folder: Path, photos: Path) -> dict[str, Drawn]:
    """The surfaces of every file of a folder, by the picture's name. Raises InputError for no files, other contents, or a picture that is not there."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise InputError(f"Expected polygons (.json) in {folder}, got none; name their folder.")
    found = {}
    for file in files:
        try:
            content = read_json(file)
            surfaces = tuple(_surface(one) for one in content["surfaces"])
            points = tuple(_named(one) for one in content.get("points", ()))
            picture = photos / content["picture"]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"Expected a picture's surfaces in {file}, got something else ({error}); correct it."
            ) from error
        if not picture.is_file():
            raise InputError(
                f"Expected the picture of {file.name} at {picture}, got none; name the folder of the photographs."
            )
        found[picture.stem] = Drawn(picture, surfaces, points)
    return found


def _named(entry: Sequence[Any]) -> Named:
    x, y, names = entry
    return Named(float(x), float(y), frozenset(name if name == OTHER else canonical(name) for name in names.split("|")))


def _surface(entry: dict[str, Any]) -> Surface:
    outlines, holes = (
        tuple(tuple((float(x), float(y)) for x, y in one) for one in entry.get(name, ()))
        for name in ("outlines", "holes")
    )
    window = None
    if "window" in entry:
        left, top, right, bottom = map(int, entry["window"])
        window = left, top, right, bottom
    return Surface(str(entry["class"]), outlines, holes, window)
