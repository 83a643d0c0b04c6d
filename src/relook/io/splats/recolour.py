"""A PLY of Gaussians in other colours: every other byte stays the source's, so that geometry is the same to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from relook.errors import SceneError
from relook.files import PathLike, replacing
from relook.gaussians import Gaussians
from relook.io.splats import ply
from relook.io.splats.parts import in_parts

COLOUR = "f_dc_"
HARMONICS = "f_rest_"
"""Beginnings of the names of properties that hold colours."""


def write_recoloured(path: PathLike, source: PathLike, gaussians: Gaussians) -> None:
    """Write `source`, a PLY of Gaussians, with the spherical harmonics of `gaussians`, whole or not at all.

    gaussians: those of `source` in its order, of its degree or of degree 0 (harmonics of higher degrees are left out of the file then).
    Raises SceneError for others, and for colours that are not finite.
    """
    header = ply.read_header(Path(source))
    count, row = header.elements["vertex"]
    rest = [name for name in row.names or () if name.startswith(HARMONICS)]
    if len(gaussians) != count or gaussians.sh.shape[1] not in (1, 1 + len(rest) // 3):
        raise SceneError(
            f"Expected {count} Gaussians of degree 0 or the file's as colours for {source}, got {len(gaussians)} of degree "
            f"{gaussians.degree}; pass those that were read from it."
        )
    if not bool(gaussians.sh.isfinite().all()):
        raise SceneError("Expected finite colours to write, got NaN or infinity; check the step that made them.")
    dropped = set(rest) if gaussians.sh.shape[1] == 1 else set()
    with replacing(path) as temporary, Path(source).open("rb") as old, temporary.open("wb") as new:
        new.write(_without(old.read(header.length), dropped))
        for name, (number, layout) in header.elements.items():
            if name == "vertex":
                _copy_rows(old, new, row, gaussians, dropped)
            else:
                new.write(old.read(number * layout.itemsize))
        new.write(old.read())


def _without(head: bytes, dropped: set[str]) -> bytes:
    """A header without some of its properties."""
    lines = head.split(b"\n")
    return b"\n".join(line for line in lines if not line.split() or line.split()[-1].decode("latin-1") not in dropped)


def _copy_rows(old: BinaryIO, new: BinaryIO, row: np.dtype, gaussians: Gaussians, dropped: set[str]) -> None:
    """Rows from one open file to another, with new colours; properties that are dropped stay behind."""
    left = np.dtype([(name, row[name]) for name in row.names or () if name not in dropped])
    for first, last in in_parts(len(gaussians)):
        part = np.fromfile(old, row, last - first)
        rows, sh = np.empty(last - first, left), gaussians.sh[first:last].detach().float().cpu().numpy()
        higher = sh[:, 1:].transpose(0, 2, 1).reshape(last - first, -1)
        for name in left.names or ():
            if name.startswith(COLOUR):
                rows[name] = sh[:, 0, int(name.removeprefix(COLOUR))]
            elif name.startswith(HARMONICS):
                rows[name] = higher[:, int(name.removeprefix(HARMONICS))]
            else:
                rows[name] = part[name]
        new.write(rows.tobytes())
