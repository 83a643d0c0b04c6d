"""Small walks through one room as views and as the kinds of files that `restyle_views` reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from relook.config import PhotoConfig, ViewsConfig
from relook.dollhouse import render, sample_layout, sample_style
from relook.io import open_video, write_image
from relook.types import Region, Segments, View
from walks import views_of_a_walk

SIZE = (48, 64)
PERSON = 900
"""Id of a region that moves."""


@cache
def stroll(frames: int = 4) -> tuple[View, ...]:
    """Views along a walk, with everything that is exactly known."""
    return tuple(room.view() for room in views_of_a_walk(SIZE, frames))


@cache
def style() -> View:
    """Another room in another style."""
    return render(sample_layout(77), sample_style(78), SIZE).view()


def options(**changes: Any) -> ViewsConfig:
    """The quickest run there is: no denoiser, no segmenter, no network."""
    photo = PhotoConfig(method="palette", segmenter="whole", depth_estimator="none")
    return ViewsConfig(photo=photo, fill="recolour", **{"first": 0} | changes)


def plain(views: Sequence[View]) -> list[View]:
    """The pictures alone."""
    return [View(view.image) for view in views]


def peopled(views: Sequence[View], boxes: Sequence[tuple[slice, slice]]) -> list[View]:
    """The views with a green person in the box of each."""
    found = []
    for view, box in zip(views, boxes, strict=True):
        image, labels = view.image.clone(), torch.ones(view.size, dtype=torch.int64)
        image[(slice(None), *box)] = torch.tensor([0.0, 1.0, 0.0])[:, None, None]
        labels[box] = PERSON
        segments = Segments(labels, {1: Region("wall"), PERSON: Region("person")})
        found.append(replace(view, image=image, segments=segments))
    return found


def write_frames(folder: Path, views: Sequence[View], *, first: int = 8) -> Path:
    """A folder of frame8.png, frame9.png, frame10.png..."""
    for number, view in enumerate(views):
        write_image(folder / f"frame{first + number}.png", view.image)
    return folder


def write_film(path: Path, views: Sequence[View], fps: float = 10) -> Path:
    """A video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_video(path, fps) as video:
        for view in views:
            video.add(view.image)
    return path


def write_capture(folder: Path, views: Sequence[View], *, holes: bool = True) -> Path:
    """A capture.json with depth in millimetres; `holes`: a corner without readings."""
    frames = []
    for number, view in enumerate(views):
        assert view.depth is not None
        assert view.camera is not None
        write_image(folder / "images" / f"{number}.png", view.image)
        millimetres = (view.depth.values * 1000).round().numpy().astype(np.uint16)
        if holes:
            millimetres[:12, :16] = 0
        Image.fromarray(millimetres).save(folder / f"{number}-depth.png")
        pose = torch.linalg.inv(view.camera.world_to_camera.double())
        frames.append(
            {"image": f"images/{number}.png", "depth": f"{number}-depth.png", "camera_to_world": pose.tolist()}
        )
    height, width = views[0].size
    data = {
        "width": width, "height": height, "intrinsics": views[0].camera.K.tolist(), "depth": "uint16 PNG, millimetres",
        "convention": "camera_to_world, OpenCV axes", "licence": "CC0", "frames": frames,
    }  # fmt: skip
    (folder / "capture.json").write_text(json.dumps(data))
    return folder / "capture.json"


def contents(folder: Path) -> dict[str, str]:
    """Path -> SHA-256 of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def timeless(record: Any) -> Any:
    """A record without what a clock says."""
    if isinstance(record, dict):
        return {name: timeless(value) for name, value in record.items() if name not in ("seconds", "timings")}
    return [timeless(value) for value in record] if isinstance(record, list) else record
