"""What a run over a walk reads: its frames one by one, and the key that tells one run from another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from relook import cache
from relook.captures import VIDEOS, Capture, Frame, read_capture
from relook.captures.frames import of_one_size
from relook.config import ViewsConfig
from relook.errors import InputError
from relook.files import sha256
from relook.io import read_image
from relook.io.video import check_thinning
from relook.lift.book import check_folder, check_unpacking
from relook.lift.geometry import Held, Readable
from relook.types import Sparse, View

Walk = str | Path | Capture | Sequence[View]
"""A folder of frames, a video, a COLMAP project, transforms.json, capture.json; or what was read of one; or views."""
SLOW = 12.0
"""Frames per second of a video whose input says nothing."""


def frames_of(
    walk: Walk, style: str | Path | View, config: ViewsConfig, out: Path
) -> tuple[Sequence[Readable], list[str], float]:
    """The frames, their names, and how many there are in a second; a video is unpacked into out/input.

    Raises an error of relook.errors for inputs that cannot be used, also for an unreadable style, before anything is written.
    """
    given = [Path(path) for path in (walk, style) if isinstance(path, str | Path)]
    check_folder(out, given)
    if not isinstance(style, View):
        read_image(style)
    if isinstance(walk, str | Path):
        if Path(walk).suffix.lower() in VIDEOS:
            check_unpacking(out)
        walk = read_capture(walk, workspace=out / "input", every=config.every, limit=config.limit)
    elif isinstance(walk, Capture):
        walk = of_one_size(walk.thinned(config.every, config.limit))
    if isinstance(walk, Capture):
        check_folder(out, [file for frame in walk for file in (frame.image, frame.depth) if file is not None])
    else:
        check_thinning(config.every, config.limit)
        walk = list(walk)[:: config.every][: config.limit]
        sizes = sorted({view.size for view in walk})
        if len(sizes) > 1:
            raise InputError(f"Expected views of one size, got {sizes[0]} and {sizes[1]}; resize them.")
    if not len(walk):
        raise InputError("Expected a walk of at least one frame, got none; name another one.")
    frames = walk.frames if isinstance(walk, Capture) else [Held(view) for view in walk]
    known = walk.fps if isinstance(walk, Capture) else None
    return frames, [f"{number:06d}" for number in range(len(frames))], config.fps or known or SLOW


def key_of(walk: Walk, frames: Sequence[Readable], style: str | Path | View, config: ViewsConfig) -> str:
    """What makes a run the same run: all its pictures, depth and cameras, the style, the options, this code."""
    parts: list[Any] = [len(frames), config.as_json()]
    if isinstance(walk, str | Path) and Path(walk).suffix.lower() in VIDEOS:
        parts.append(sha256(walk))
    else:
        for frame in frames:
            parts += _of_file(frame) if isinstance(frame, Frame) else _of_view(frame.view())
    photo = config.photo
    beside = [sha256(file) for file in (photo.style_segments, photo.style_depth) if file is not None]
    return cache.key(*parts, *(_of_view(style) if isinstance(style, View) else [sha256(style)]), beside)


def _of_file(frame: Frame) -> list[Any]:
    """A frame on disk, by the content of its files."""
    camera = [] if frame.camera is None else [frame.camera.K, frame.camera.world_to_camera]
    files = [sha256(frame.image), None if frame.depth is None else sha256(frame.depth)]
    return [files, frame.step, repr(frame.lens), frame.upright, *camera, *_of_points(frame.points)]


def _of_view(view: View) -> list[Any]:
    """A view in memory, with everything that is known of it."""
    parts: list[Any] = [view.image]
    if view.depth is not None:
        parts += [view.depth.kind, view.depth.masked()]
    if view.camera is not None:
        parts += [view.camera.K, view.camera.world_to_camera]
    if view.segments is not None:
        names = {str(id): [region.name, region.instance] for id, region in view.segments.regions.items()}
        parts += [names, view.segments.labels]
    return parts + _of_points(view.points)


def _of_points(points: Sparse | None) -> list[Any]:
    """Reconstructed points."""
    return [] if points is None else [points.pixels, points.points]
