"""Compact files through gsply: PlayCanvas's compressed PLY (16 bytes a Gaussian without harmonics) and Niantic's SPZ."""

from __future__ import annotations

import gzip
import itertools
import math
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from relook.errors import SceneError
from relook.files import reason
from relook.gaussians import Gaussians
from relook.io.splats.parts import Filling, Rows, in_parts, rows
from relook.io.splats.ply import Header

CHUNK = 256
"""Gaussians that share the bounds of a compressed PLY."""
_BITS, _SPZ_BITS, _SPZ_FINEST = 10, 23, 20
_SPZ_HEAD, _SPZ_SECTIONS = 16, (9, 1, 3, 3, 4)
"""Bytes of SPZ's header, and of each Gaussian in its sections: position, opacity, colour, size, rotation; harmonics follow."""


@contextmanager
def _threads_kept() -> Iterator[None]:
    """gsply's compiled loops start numba's OpenMP layer, which gives the whole process, torch too, a thread for each core of the machine.

    Afterwards torch has as many threads as before: two workers with two each on two cores wait for one another in every small operation.
    """
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@_threads_kept()
def read_compressed(path: Path, header: Header) -> Gaussians:
    """The Gaussians of a compressed PLY. Raises SceneError where gsply does not know its layout."""
    from gsply.reader import read_compressed as read

    count = header.elements["vertex"][0]
    if not count:
        Filling(path, 0, 1)
    found = read(path) if header.elements["chunk"][0] == -(-count // CHUNK) else None
    if found is None:
        raise SceneError(f"Expected PlayCanvas's compressed layout in {path.name}, got another; export it again.")
    return _scene(path, found)


@_threads_kept()
def write_compressed(path: Path, gaussians: Gaussians) -> None:
    """Write a compressed PLY; Gaussians are put in the order of a space-filling curve, so that neighbours share their bounds."""
    from gsply import compress_to_arrays

    order = _morton(gaussians)
    sections: tuple[list[bytes], ...] = ([], [], [])
    head = b""
    for first, last in in_parts(len(gaussians)):
        one = rows(gaussians[order[first:last]], 0, last - first)
        higher = one.sh[:, 1:] if one.sh.shape[1] > 1 else None
        head, *arrays = compress_to_arrays(one.means, one.logs, one.quats, one.logits, one.sh[:, 0], higher)
        for section, array in zip(sections, arrays, strict=True):
            section.append(b"" if array is None else array.tobytes())
    counts = {b"chunk": -(-len(gaussians) // CHUNK), b"vertex": len(gaussians), b"sh": len(gaussians)}
    head = re.sub(rb"element (\w+) \d+", lambda found: b"element %s %d" % (found[1], counts[found[1]]), head)
    with path.open("wb") as file:
        file.writelines([head, *(part for section in sections for part in section)])


def _morton(gaussians: Gaussians) -> torch.Tensor:
    """Numbers of Gaussians along a Z-order curve through their box (Morton 1966)."""
    means = gaussians.means.detach().cpu()
    low, high = means.amin(0), means.amax(0)
    cells = ((means - low) / (high - low).clamp_min(1e-12) * (2**_BITS - 1)).long()
    code = torch.zeros(len(means), dtype=torch.int64)
    for bit in range(_BITS):
        for axis in range(3):
            code |= (cells[:, axis] >> bit & 1) << (3 * bit + axis)
    return code.argsort(stable=True)


@_threads_kept()
def read_spz(path: Path) -> Gaussians:
    """The Gaussians of an SPZ file of versions 1 to 4 (4 needs the package zstandard). Raises SceneError for one that is broken."""
    from gsply import read_spz as read

    try:
        found = read(path)
    except ValueError as error:
        raise SceneError(
            f"Expected a whole SPZ file at {path}, got none ({reason(error)}); copy or export it again."
        ) from error
    return _scene(path, found)


@_threads_kept()
def write_spz(path: Path, gaussians: Gaussians) -> None:
    """Write SPZ of version 3, positions as finely as their extent permits. Raises SceneError for a scene that is too large for it.

    gsply needs several copies of what it writes: it packs parts, whose sections are joined here.
    """
    farthest = float(gaussians.means.abs().max())
    bits = min(_SPZ_FINEST, math.floor(_SPZ_BITS - math.log2(farthest + 1e-6))) if math.isfinite(farthest) else 0
    if bits < 1:
        raise SceneError(
            f"Expected Gaussians within {2 ** (_SPZ_BITS - 1)} units for an SPZ file, got one at {farthest:.3g}; write .ply."
        )
    parts = [_spz_part(path, rows(gaussians, *part), bits) for part in in_parts(len(gaussians))]
    head = bytearray(parts[0][:_SPZ_HEAD])
    struct.pack_into("<I", head, 8, len(gaussians))
    with gzip.GzipFile(path, "wb", compresslevel=6, mtime=0) as file:
        file.write(head)
        sizes = (*_SPZ_SECTIONS, 3 * (gaussians.sh.shape[1] - 1))
        for before, size in zip(itertools.accumulate(sizes, initial=0), sizes, strict=False):
            for (first, last), part in zip(in_parts(len(gaussians)), parts, strict=True):
                start = _SPZ_HEAD + before * (last - first)
                file.write(part[start : start + size * (last - first)])


def _spz_part(path: Path, one: Rows, bits: int) -> bytes:
    """The content of an SPZ file of some Gaussians, before it is compressed."""
    from gsply import GSData, write_spz

    higher = one.sh[:, 1:] if one.sh.shape[1] > 1 else None
    data = GSData.from_arrays(one.means, one.logs, one.quats, one.logits, one.sh[:, 0], higher, format="ply")
    write_spz(path, data, fractional_bits=bits)
    return gzip.decompress(path.read_bytes())


def _scene(path: Path, found: Any) -> Gaussians:
    """Gaussians of what gsply read."""
    count, higher = len(found.means), 0 if found.shN is None else found.shN.shape[1]
    filling = Filling(path, count, 1 + higher)
    for first, last in in_parts(count):
        sh = found.sh0[first:last, None]
        if higher:
            sh = np.concatenate([sh, found.shN[first:last]], 1)
        means, quats, logs, logits = (
            part[first:last] for part in (found.means, found.quats, found.scales, found.opacities)
        )
        filling.add(Rows(means, quats, logs, logits, sh))
    return filling.finish()
