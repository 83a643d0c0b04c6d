"""Gaussian scenes in and out: PLY (3D Gaussian Splatting's and PlayCanvas's compressed one), SPZ and .splat.

Positions, axes and units stay as the file has them. Files go through in parts: two million Gaussians with spherical harmonics of
degree 3 take less than 1.5 GiB in all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from relook.errors import SceneError
from relook.files import SCENES, PathLike, reason, replacing
from relook.gaussians import Gaussians
from relook.io.splats import packed, ply, web
from relook.io.splats.parts import PART
from relook.io.splats.recolour import write_recoloured

__all__ = ["ENDINGS", "PART", "read_gaussians", "write_gaussians", "write_recoloured"]

_Writer = Callable[[Path, Gaussians], None]
ENDINGS: Mapping[str, _Writer] = dict(
    zip(SCENES, (packed.write_compressed, ply.write, packed.write_spz, web.write), strict=True)
)
"""Endings of files of Gaussians, and who writes them. The first loses positions below 1/2048 of a neighbourhood, .spz colours below 1/255,
.splat all but degree 0; .ply loses nothing."""


def read_gaussians(path: PathLike) -> Gaussians:
    """Read a scene of Gaussians; the ending names the format, and a PLY says itself whether it is compressed.

    Raises SceneError for files that are missing, truncated, empty, of another layout or byte order, or hold values that are not finite.
    """
    path = Path(path)
    ending = _ending(path)
    try:
        if ending == ".spz":
            return packed.read_spz(path)
        if ending == ".splat":
            return web.read(path)
        header = ply.read_header(path)
        return packed.read_compressed(path, header) if header.compressed else ply.read(path, header)
    except OSError as error:
        raise SceneError(f"Expected a readable scene at {path}, got none ({reason(error)}); check the name.") from error


def write_gaussians(path: PathLike, gaussians: Gaussians) -> None:
    """Write a scene of Gaussians, whole or not at all; the ending names the format (one of ENDINGS).

    Raises SceneError for no Gaussians, values that are not finite, and endings that nobody reads.
    """
    write = ENDINGS[_ending(Path(path))]
    if not len(gaussians):
        raise SceneError(f"Expected at least one Gaussian to write to {path}, got none; check the step that made them.")
    with replacing(path) as temporary:
        write(temporary, gaussians)


def _ending(path: Path) -> str:
    """The one of ENDINGS that a name has."""
    ending = next((one for one in ENDINGS if path.name.lower().endswith(one)), None)
    if ending is None:
        raise SceneError(f"Expected a scene's name to end in {', '.join(ENDINGS)}, got {path.name!r}; rename it.")
    return ending
