"""Videos: unpacked once into a folder of pictures, so that any frame can be read again and a resumed run sees the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from relook.captures.frames import Capture, Frame, must_fit
from relook.errors import InputError
from relook.files import read_json, replacing, sha256, write_json
from relook.io.video import check_thinning, read_frames, video_rate

RECORD = "video.json"
"""What a workspace says of the video that it holds: `video` (SHA-256), `every`, `limit`; when all is there, `count`, `size` and `fps`."""


def read_unpacked(file: Path, workspace: Path, every: int = 1, limit: int | None = None) -> Capture:
    """The capture of a video whose frames lie in `workspace`, unpacked there first where they are not; names count the video's frames.

    A stopped unpacking goes on. Raises InputError for a workspace of another video, PictureError for a video that cannot be read.
    """
    check_thinning(every, limit)
    identity: dict[str, Any] = {"video": sha256(file), "every": every, "limit": limit}
    rate = video_rate(file)
    record = _begin(file, workspace, identity)
    if not _whole(workspace, record):
        record = _unpack(file, workspace, identity, rate)
    size = (int(record["size"][0]), int(record["size"][1]))
    paths = [workspace / _name(number * every) for number in range(record["count"])]
    frames = tuple(Frame(path, None, None, size, name=path.stem) for path in paths)
    return Capture(frames, {"source": file.name}, "video", None if record["fps"] is None else record["fps"] / every)


def _begin(file: Path, workspace: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """What the workspace says of this video. Raises InputError if it says another's name, or holds frames and says nothing."""
    path = workspace / RECORD
    if not path.is_file():
        if next(workspace.glob("frame_*.png"), None) is not None:
            raise InputError(
                f"Expected an empty workspace for {file.name}, got frames in {workspace}; choose another folder."
            )
        write_json(path, identity)
        return identity
    record = read_json(path)
    other = {key: record.get(key) if isinstance(record, dict) else None for key in identity}
    if other != identity:
        how = f"it with every {other['every']} and limit {other['limit']}"
        how = how if other["video"] == identity["video"] else "another video"
        raise InputError(f"Expected the frames of {file.name} in {workspace}, got {how}; choose another folder.")
    return dict(record)


def _whole(workspace: Path, record: dict[str, Any]) -> bool:
    """Whether all frames are there that the record counts."""
    return "count" in record and all(
        (workspace / _name(number * record["every"])).is_file() for number in range(record["count"])
    )


def _unpack(file: Path, workspace: Path, identity: dict[str, Any], rate: float | None) -> dict[str, Any]:
    """Write the frames that are not there yet, each whole, one in memory at a time; then the record."""
    for left in workspace.glob(".frame_*.png*"):  # of a killed run
        left.unlink(missing_ok=True)
    size, count = None, 0
    for number, pixels in read_frames(file, every=identity["every"], limit=identity["limit"]):
        path = workspace / _name(number)
        size = size or (pixels.shape[0], pixels.shape[1])
        must_fit(path, (pixels.shape[0], pixels.shape[1]), size)
        if not path.is_file():
            with replacing(path) as temporary:
                Image.fromarray(pixels).save(temporary, format="PNG", compress_level=1)
        count += 1
    record = {**identity, "count": count, "size": list(size or (0, 0)), "fps": rate}
    write_json(workspace / RECORD, record)
    return record


def _name(number: int) -> str:
    return f"frame_{number:06d}.png"
