"""PLY as 3D Gaussian Splatting (Kerbl et al. 2023) writes it: one row of floats per Gaussian, in any order of properties.

gsply reads only rows that are all floats, and without a word whether a file is whole: the header is read here, for all kinds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from relook.errors import SceneError
from relook.gaussians import Gaussians
from relook.io.splats.parts import Filling, Rows, in_parts, rows

LONGEST = 1 << 16
"""Bytes that a header may have."""
_TYPES = {
    "char": "<i1", "int8": "<i1", "uchar": "<u1", "uint8": "<u1", "short": "<i2", "int16": "<i2", "ushort": "<u2", "uint16": "<u2",
    "int": "<i4", "int32": "<i4", "uint": "<u4", "uint32": "<u4", "float": "<f4", "float32": "<f4", "double": "<f8", "float64": "<f8",
}  # fmt: skip
_BASE = ("x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2")
_REST = ("opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3")
_COUNTS = {0: 1, 9: 4, 24: 9, 45: 16}
"""Coefficients K for every count of f_rest properties."""


@dataclass(frozen=True)
class Header:
    """What a PLY file holds."""

    elements: dict[str, tuple[int, np.dtype]]
    """Count and row of every element, in the file's order."""
    length: int
    """Bytes of the header."""

    @property
    def compressed(self) -> bool:
        """Whether it is PlayCanvas's compressed layout."""
        return "chunk" in self.elements and "packed_position" in (self.elements["vertex"][1].names or ())


def read_header(path: Path) -> Header:
    """The header of a binary PLY file. Raises SceneError unless it has vertices, and the bytes that it promises."""
    with path.open("rb") as file:
        head = file.read(LONGEST)
    end = head.find(b"end_header\n")
    if not head.startswith(b"ply") or end < 0:
        raise SceneError(f"Expected a PLY file at {path}, got something else; check the name.")
    lines = [line.split() for line in head[:end].decode("latin-1").splitlines()]
    kind = next((words[1] for words in lines if words[:1] == ["format"] and len(words) > 1), "no format")
    if kind != "binary_little_endian":
        raise SceneError(f"Expected binary_little_endian in {path.name}, got {kind}; save it as little-endian binary.")
    header = Header(_elements(path, lines), end + len(b"end_header\n"))
    if "vertex" not in header.elements:
        raise SceneError(
            f"Expected vertices in {path.name}, got {', '.join(header.elements) or 'none'}; export Gaussians."
        )
    promised = header.length + sum(count * row.itemsize for count, row in header.elements.values())
    if path.stat().st_size < promised:
        raise SceneError(
            f"Expected {promised} bytes in {path.name}, got {path.stat().st_size}: the file is truncated; copy it again."
        )
    return header


def _elements(path: Path, lines: list[list[str]]) -> dict[str, tuple[int, np.dtype]]:
    """Count and row of every element that the lines of a header declare."""
    found: dict[str, tuple[int, list[tuple[str, str]]]] = {}
    for words in lines:
        try:
            if words[:1] == ["element"]:
                found[words[1]] = (int(words[2]), [])
            elif words[:1] == ["property"]:
                list(found.values())[-1][1].append((words[2], _TYPES[words[1]]))
        except (KeyError, IndexError, ValueError) as error:
            raise SceneError(
                f"Expected elements of plain numbers in {path.name}, got the line {' '.join(words)!r}; export Gaussians."
            ) from error
    return {name: (count, np.dtype(fields)) for name, (count, fields) in found.items()}


def read(path: Path, header: Header) -> Gaussians:
    """The Gaussians of the usual layout. Raises SceneError for missing properties, values that are not finite, and no Gaussians."""
    count, row = header.elements["vertex"]
    names = row.names or ()
    if missing := [name for name in (*_BASE, *_REST) if name not in names]:
        advice = "it is a cloud of points" if "red" in names else "export Gaussians"
        raise SceneError(f"Expected the properties of Gaussians in {path.name}, got no {', '.join(missing)}; {advice}.")
    rest = [name for name in names if name.startswith("f_rest_")]
    if len(rest) not in _COUNTS or set(rest) != {f"f_rest_{i}" for i in range(len(rest))}:
        raise SceneError(
            f"Expected 0, 9, 24 or 45 properties f_rest_0 and on in {path.name}, got {len(rest)}; export degree 0 to 3."
        )
    filling = Filling(path, count, _COUNTS[len(rest)])
    before = next(i for i, name in enumerate(header.elements) if name == "vertex")
    sizes = [number * one.itemsize for number, one in header.elements.values()]
    with path.open("rb") as file:
        file.seek(header.length + sum(sizes[:before]))
        for first, last in in_parts(count):
            filling.add(_unfolded(np.fromfile(file, row, last - first), len(rest)))
    return filling.finish()


def _unfolded(part: np.ndarray, rest: int) -> Rows:
    """Rows of the file by what they mean; harmonics of higher degree lie colour by colour there."""

    def columns(*names: str) -> np.ndarray:
        return np.stack([part[name] for name in names], 1)

    higher = columns(*(f"f_rest_{i}" for i in range(rest))) if rest else np.empty((len(part), 0))
    higher = higher.reshape(len(part), 3, -1).transpose(0, 2, 1)
    sh = np.concatenate([columns(*_BASE[3:])[:, None], higher], 1)
    return Rows(columns(*_BASE[:3]), columns(*_REST[4:]), columns(*_REST[1:4]), part["opacity"], sh)


def write(path: Path, gaussians: Gaussians) -> None:
    """Write the usual layout, without normals."""
    rest = 3 * (gaussians.sh.shape[1] - 1)
    names = [*_BASE, *(f"f_rest_{i}" for i in range(rest)), *_REST]
    properties = "".join(f"property float {name}\n" for name in names)
    with path.open("wb") as file:
        head = f"ply\nformat binary_little_endian 1.0\ncomment Relook\nelement vertex {len(gaussians)}\n"
        file.write(f"{head}{properties}end_header\n".encode("ascii"))
        for part in in_parts(len(gaussians)):
            one = rows(gaussians, *part)
            higher = one.sh[:, 1:].transpose(0, 2, 1).reshape(len(one.sh), rest)
            columns = [one.means, one.sh[:, 0], higher, one.logits[:, None], one.logs, one.quats]
            file.write(np.concatenate(columns, 1).astype("<f4").tobytes())
