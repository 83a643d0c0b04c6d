"""Whole files: whatever is written is complete or absent, because a temporary file beside its place takes the name in one step."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from relook.errors import InputError, PictureError

PathLike = str | os.PathLike[str]
FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".avif": "AVIF",
    ".heic": "HEIF", ".heif": "HEIF",
}  # fmt: skip
"""Endings of the picture files that can be written, and Pillow's names of their formats."""
VIDEOS = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v"})
"""File endings, in lower case, that say "a video"."""
SCENES = (".compressed.ply", ".ply", ".spz", ".splat")
"""Endings of files of Gaussians; one that ends another comes after it."""
MAPS = "segments"
"""In the folder that `relook lift` writes, that of label maps."""


def write_json(path: PathLike, data: Any) -> None:
    """Write JSON, indented, keys in their order; NaN is refused."""
    try:
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Expected values that JSON can hold for {path}, got others ({error}); convert them."
        ) from error
    write_bytes(path, (text + "\n").encode())


def read_json(path: PathLike) -> Any:
    """Read JSON; InputError if it is missing or broken."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"Expected a readable JSON file at {path}, got none ({reason(error)}); check the name."
        ) from error


def write_bytes(path: PathLike, content: bytes) -> None:
    """Write a whole file in one step."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def sha256(path: PathLike) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"Expected a readable file at {path}, got none ({reason(error)}); check the name.") from error


def sha256_of(paths: Iterable[PathLike]) -> str:
    """Hexadecimal SHA-256 over the hashes of several files, in their order."""
    return hashlib.sha256("\n".join(map(sha256, paths)).encode()).hexdigest()


@contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """A temporary file beside `path` that takes its name when the block ends well and disappears otherwise.

    Raises InputError if the place cannot be written (no permission, full disk); what was there before stays.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"Expected to write {path}, got an error ({reason(error)}); choose another place.") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def together(folder: PathLike) -> Iterator[Path]:
    """A temporary folder for files that belong together: they move into `folder`, in the order of writing, when the block ends well;
    those in a folder of their own there into one of the same name.

    Otherwise all of them disappear, and `folder` is as it was. Raises InputError if the place cannot be written (no permission, full
    disk), or if a folder stands where a file shall go.
    """
    folder = Path(folder)
    nearest = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    try:
        with tempfile.TemporaryDirectory(dir=nearest, prefix=".relook.") as name:
            yield Path(name)
            folder.mkdir(parents=True, exist_ok=True)
            files = [file for file in Path(name).rglob("*") if file.is_file()]
            files.sort(key=lambda file: file.stat().st_mtime_ns)
            places = [folder / file.relative_to(name) for file in files]
            if taken := [place.name for place in places if place.is_dir()]:
                raise IsADirectoryError(f"{taken[0]} is a folder")
            for file, place in zip(files, places, strict=True):
                place.parent.mkdir(exist_ok=True)
                os.replace(file, place)
    except OSError as error:
        raise InputError(
            f"Expected to write to {folder}, got an error ({reason(error)}); choose another place."
        ) from error


def check_writable(path: PathLike, *, folder: bool = False) -> None:
    """Raise InputError, before any work, unless a file (or a folder) can be written at a path, with the folders that it needs."""
    path = Path(path)
    place = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    fits = place.is_dir() if folder or place != path else place.is_file()
    if not fits or not os.access(place, os.W_OK):
        what = "folder" if folder else "file"
        raise InputError(
            f"Expected a {what} {path} to write to, got none ({place} is no writable folder); choose another."
        )


def check_there(path: Path) -> None:
    """Raise InputError unless a file or a folder is there."""
    if not path.exists():
        raise InputError(f"Expected a file or a folder at {path}, got none; check the name.")


def label_maps(folder: Path) -> list[Path]:
    """The label maps of a folder of `relook lift`, or of any folder of them. Raises InputError where it holds none."""
    inner = folder / MAPS
    found = sorted((inner if inner.is_dir() else folder).glob("*.png"))
    if not found:
        raise InputError(
            f"Expected label maps in {folder}, got none; make them with `relook lift CAPTURE --operator segments --out {folder}`."
        )
    return found


def label_map(folder: Path, name: str) -> Path:
    """The label map of the picture of that name (without its ending) in a folder of them. Raises InputError where it holds none of it."""
    maps = {path.stem: path for path in label_maps(folder)}
    if name not in maps:
        raise InputError(
            f"Expected a label map of {name} in {folder}, got {len(maps)} of others ({next(iter(maps))}, ...); lift the capture that it is of."
        )
    return maps[name]


def picture_format(path: PathLike) -> str:
    """Pillow's name of the format that a file's ending names. Raises PictureError for an ending that is none of FORMATS."""
    kind = FORMATS.get(Path(path).suffix.lower())
    if kind is None:
        raise PictureError(f"Expected a name ending in {', '.join(FORMATS)}, got {Path(path).name!r}; rename it.")
    return kind


def reason(error: BaseException) -> str:
    """One line on what went wrong."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:120] or type(error).__name__


def _umask() -> int:
    """The process's file creation mask (reading it means setting it)."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
