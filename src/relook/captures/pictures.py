"""A folder of plain pictures, in the natural order of their names, without cameras."""

from __future__ import annotations

from pathlib import Path

from relook.captures.frames import Capture, Frame, in_order
from relook.io import ENDINGS, read_size


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder by their endings, hidden files and other files left out."""
    seen = (file for file in folder.iterdir() if not file.name.startswith(".") and file.is_file())
    return [file for file in seen if file.suffix.lower() in ENDINGS]


def read_pictures(folder: Path) -> Capture:
    """The pictures of a folder as a capture. Raises PictureError if one of them cannot be read."""
    files = pictures_in(folder)
    frames = tuple(Frame(file, None, None, read_size(file)) for file in files)
    return in_order(Capture(frames, {}, "pictures"), [file.name for file in files])
