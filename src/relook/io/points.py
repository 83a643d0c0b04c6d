"""Coloured points as PLY, the format that every 3D viewer opens: in one piece, or part by part in constant memory and on disk once.

plyfile reads what is written here (the tests do), but cannot append, and would need a second copy of the points on disk.

Little-endian binary: three floats for the place and three bytes for the colour of each point (Turk, The PLY Polygon File Format, 1994).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
from jaxtyping import Float
from torch import Tensor

from relook.errors import GeometryError
from relook.files import PathLike, replacing

POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")])
"""One point as it lies in the file."""
_TYPES = {"<f4": "float", "|u1": "uchar"}


class PointWriter:
    """Takes coloured points part by part; see `open_points`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.count = 0
        """Points written so far."""
        file.write(_header(0))

    def add(self, points: Float[Tensor, "N 3"], colours: Float[Tensor, "N 3"]) -> None:
        """Append points (scene units) with RGB in [0, 1]; points that are not finite are left out, colours are clipped.

        Raises GeometryError for points and colours of other shapes, and for colours that are not finite.
        """
        if points.ndim != 2 or points.shape[1] != 3 or points.shape != colours.shape:
            raise GeometryError(
                f"Expected points and colours of one shape (N, 3), got {tuple(points.shape)} and {tuple(colours.shape)}; "
                "pass one colour per point."
            )
        places, shades = (values.detach().float().cpu().numpy() for values in (points, colours))
        known = np.isfinite(places).all(1)
        places, shades = places[known], shades[known]
        if not np.isfinite(shades).all():
            raise GeometryError(
                "Expected finite colours of points, got NaN or infinity; check the step that made them."
            )
        rows = np.empty(len(places), POINT)
        rows["x"], rows["y"], rows["z"] = places.T
        rows["red"], rows["green"], rows["blue"] = (shades.clip(0, 1) * 255).round().astype(np.uint8).T
        self._file.write(rows.tobytes())
        self.count += len(rows)

    def finish(self) -> None:
        """Write the count into the header. Raises GeometryError if there are no points."""
        if self.count == 0:
            raise GeometryError("Expected at least one point whose place is known, got none; write no point cloud.")
        self._file.seek(0)
        self._file.write(_header(self.count))


@contextmanager
def open_points(path: PathLike) -> Iterator[PointWriter]:
    """A PLY file that takes points part by part; it is complete when the block ends, absent if the block fails or adds none."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        writer = PointWriter(file)
        yield writer
        writer.finish()


def _header(count: int) -> bytes:
    """The header for `count` points, of the same length for every count: a comment takes up what shorter numbers leave."""
    name = [f"property {_TYPES[POINT[field].str]} {field}" for field in POINT.names or ()]
    comment = "Relook " + "." * (20 - len(str(count)))
    return "\n".join(
        [
            "ply",
            "format binary_little_endian 1.0",
            f"comment {comment}",
            f"element vertex {count}",
            *name,
            "end_header",
            "",
        ]
    ).encode("ascii")
