"""Gaussians part by part: rows in the units of files, and what fills a scene from them without a second copy of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from relook.errors import SceneError
from relook.gaussians import Gaussians

PART = 1 << 16
"""Gaussians that are turned at a time."""
_LEAST = 1e-7
"""Opacities are kept this far from 0 and 1, and sizes above it squared, since files hold their logits and logarithms."""


class Rows(NamedTuple):
    """Some Gaussians as most files hold them, float32."""

    means: np.ndarray
    """(n, 3)."""
    quats: np.ndarray
    """(n, 4), of any length."""
    logs: np.ndarray
    """(n, 3): natural logarithms of scales."""
    logits: np.ndarray
    """(n,), of opacities."""
    sh: np.ndarray
    """(n, K, 3)."""


def rows(gaussians: Gaussians, first: int, last: int) -> Rows:
    """Gaussians from `first` to `last`. Raises SceneError where they are not finite."""
    parts = [
        getattr(gaussians, name)[first:last].detach().float().cpu()
        for name in ("means", "quats", "scales", "opacities", "sh")
    ]
    if not all(bool(torch.isfinite(part).all()) for part in parts):
        raise SceneError("Expected finite Gaussians to write, got NaN or infinity; check the step that made them.")
    means, quats, scales, opacities, sh = parts
    logs, logits = scales.clamp_min(_LEAST**2).log(), opacities.clamp(_LEAST, 1 - _LEAST).logit()
    return Rows(means.numpy(), quats.numpy(), logs.numpy(), logits.numpy(), sh.numpy())


def in_parts(count: int) -> Iterator[tuple[int, int]]:
    """(first, last) of each part."""
    return ((first, min(count, first + PART)) for first in range(0, count, PART))


class Filling:
    """A scene whose count is known, filled part by part."""

    def __init__(self, path: Path, count: int, coefficients: int) -> None:
        """coefficients: K of the spherical harmonics. Raises SceneError for a count of zero."""
        if count < 1:
            raise SceneError(
                f"Expected at least one Gaussian in {path.name}, got none; bring a scene that shows something."
            )
        self.path, self.done = path, 0
        shapes = ((count, 3), (count, 4), (count, 3), (count,), (count, coefficients, 3))
        self._parts = [torch.empty(shape) for shape in shapes]

    def add(self, rows: Rows) -> None:
        """The next rows. Raises SceneError where they are not finite, or have no direction."""
        last = self.done + len(rows.means)
        given = (rows.means, rows.quats, rows.logs, rows.logits, rows.sh)
        _, quats, scales, opacities, _ = slots = [part[self.done : last] for part in self._parts]
        for slot, values in zip(slots, given, strict=True):
            slot.numpy()[...] = values
        scales.exp_()
        opacities.sigmoid_()
        quats.div_(torch.linalg.vector_norm(quats, dim=1, keepdim=True))
        for name, slot in zip(("positions", "rotations", "sizes", "opacities", "colours"), slots, strict=True):
            if not bool(torch.isfinite(slot).all()):
                raise SceneError(
                    f"Expected finite {name} of all Gaussians in {self.path.name}, got NaN or infinity; clean or export it again."
                )
        self.done = last

    def finish(self) -> Gaussians:
        """The scene."""
        return Gaussians(*self._parts)
