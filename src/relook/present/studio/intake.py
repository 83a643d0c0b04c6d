"""What people drop besides pictures: videos, zips of frames or of a capture, and what a suite measured. The names in them are never trusted."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import BadZipFile, ZipFile, ZipInfo

from relook.captures import CAPTURE_FILE, TRANSFORMS
from relook.errors import InputError
from relook.files import VIDEOS, reason, together

FRAMES, LARGEST = 20_000, 20 * 10**9
"""Most files of a zip, and most bytes that they may unpack to."""
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic", ".avif", ".bmp"})
RECORDS = "records.csv"
REPORT = (RECORDS, "run.json", "tables.json", "summary.json")
"""Files of a report that are read."""
CAPTURES = frozenset({CAPTURE_FILE, *TRANSFORMS})
"""Files that say where frames were taken."""


def take_walk(path: str | Path, folder: Path) -> Path:
    """Keep a dropped walk in a folder, in place of the one before: a video, or a zip of frames, perhaps with the JSON of a capture.

    Returns what `relook views` reads. Raises InputError for anything else, and for a zip that reaches out of its folder.
    """
    path, ending = Path(path), Path(path).suffix.lower()
    if ending not in VIDEOS and ending != ".zip":
        raise InputError(
            f"Expected a video ({', '.join(sorted(VIDEOS))}) or a zip of frames, got {ending or 'another file'}; drop such a one."
        )
    for before in folder.glob("source*"):
        shutil.rmtree(before) if before.is_dir() else before.unlink()
    if ending in VIDEOS:
        shutil.copyfile(path, folder / f"source{ending}")
        return folder / f"source{ending}"
    with together(folder / "source") as place:
        unpack(path, place)
    return folder / "source"


def unpack(path: Path, place: Path) -> None:
    """The pictures of a zip, and the JSON of a capture, below a folder. Raises InputError, one sentence, for a zip that cannot be used."""
    try:
        with ZipFile(path) as pack:
            members = list(_members(pack))
            for info, name in members:
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                with pack.open(info) as source, (place / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
    except (BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"Expected a zip that can be read, got none ({reason(error)}); pack it again.") from error
    for name in (name for _, name in members if name.name in CAPTURES):
        _check_inside(_json_of(place / name), name.parent)


def _members(pack: ZipFile) -> Iterator[tuple[ZipInfo, PurePosixPath]]:
    """What is unpacked, without a folder that all of it lies in."""
    files = [info for info in pack.infolist() if not info.is_dir() and "__MACOSX" not in info.filename]
    if len(files) > FRAMES or sum(info.file_size for info in files) > LARGEST:
        raise InputError(
            f"Expected at most {FRAMES} files and {LARGEST / 1e9:.0f} GB in a zip, got more; thin the frames."
        )
    kept = []
    for info in files:
        name = PurePosixPath(info.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in info.filename:
            raise InputError(f"Expected a zip whose files stay in it, got {info.filename!r}; pack it again.")
        if name.suffix.lower() in PICTURES or name.name in CAPTURES:
            kept.append((info, name))
    if not kept:
        raise InputError("Expected pictures in the zip, got none; pack the frames.")
    first = {name.parts[0] for _, name in kept if len(name.parts) > 1}
    whole = len(first) == 1 and all(len(name.parts) > 1 for _, name in kept)
    yield from ((info, PurePosixPath(*name.parts[1:]) if whole else name) for info, name in kept)


def _json_of(path: Path) -> Any:
    """What a JSON file holds. Raises InputError for another file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"Expected JSON in {path.name}, got none ({reason(error)}); pack the capture again."
        ) from error


def _check_inside(value: Any, base: PurePosixPath) -> None:
    """Raise InputError for a capture that names files outside its folder."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            _check_inside(one, base)
    elif isinstance(value, str) and Path(value).suffix.lower() in PICTURES | {".npy", ".npz", ".ply"}:
        name = PurePosixPath(value.replace("\\", "/"))
        if name.is_absolute() or ":" in value or ".." in name.parts:
            raise InputError(f"Expected a capture whose files lie in its folder, got {value!r}; pack them together.")


def take_reports(paths: Sequence[Path], root: Path) -> list[str]:
    """Keep dropped reports of `relook evaluate` in folders of their own: each zip is one, loose files are one together.

    Returns their names. Raises InputError for files without records.
    """
    packs = [path for path in paths if path.suffix.lower() == ".zip"]
    loose = {path.name: path for path in paths if path not in packs and path.name in REPORT}

    def together_kept(place: Path) -> None:
        for name, path in loose.items():
            shutil.copyfile(path, place / name)

    found = [_named(path.stem, partial(_report, path), root) for path in packs]
    if loose:
        found.append(_named("report", together_kept, root))
    if not found:
        raise InputError(
            f"Expected a report (a zip, or {', '.join(REPORT)}), got none; drop what relook evaluate wrote."
        )
    return found


def _named(title: str, fill: Callable[[Path], Any], root: Path) -> str:
    """A folder under a name of its own that `fill` has filled, with records that can be read."""
    from relook.evaluate.records import read_records

    stem = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-")[:40] or "report"
    names = chain([stem], (f"{stem}-{number}" for number in count(2)))
    name = next(one for one in names if not (root / one).exists())
    with together(root / name) as place:
        fill(place)
        read_records(place)
    return name


def _report(path: Path, place: Path) -> None:
    """The files of a report out of a zip: those beside the first records in it."""
    try:
        with ZipFile(path) as pack:
            names = [
                info
                for info in pack.infolist()
                if PurePosixPath(info.filename).name in REPORT and info.file_size < LARGEST
            ]
            first = next(
                (PurePosixPath(one.filename).parent for one in names if PurePosixPath(one.filename).name == RECORDS),
                None,
            )
            for info in names:
                if PurePosixPath(info.filename).parent == first:
                    (place / PurePosixPath(info.filename).name).write_bytes(pack.read(info))
    except (BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"Expected a zip that can be read, got none ({reason(error)}); pack it again.") from error
