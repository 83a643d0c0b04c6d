"""Relook's own format: capture.json, with camera_to_world in OpenCV axes, one size, intrinsics for all frames or per frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from relook.captures.checks import check_intrinsics, check_pose, existing
from relook.captures.frames import UNITS, Capture, Frame, in_order
from relook.errors import InputError
from relook.files import read_json
from relook.types import Camera

CAPTURE_FILE = "capture.json"
"""The file that describes a capture in Relook's own format."""


def read_own(file: Path) -> Capture:
    """The capture that a capture.json describes. Raises InputError for another file, GeometryError for cameras and files that do not fit."""
    data = read_json(file)
    try:
        size, entries = (int(data["height"]), int(data["width"])), list(data["frames"])
        names = [str(entry["image"]) for entry in entries]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"Expected width, height and frames with an image each in {file}, got something else ({error}); correct it."
        ) from error
    if not entries or min(size) < 1:
        raise InputError(f"Expected a capture with at least one frame in {file}, got none; add frames.")
    convention = str(data.get("convention", "camera_to_world"))
    if not convention.startswith("camera_to_world"):
        raise InputError(
            f"Expected cameras as camera_to_world with OpenCV axes in {file}, got {convention!r}; convert them."
        )
    step = next((value for word, value in UNITS.items() if word in str(data.get("depth", ""))), UNITS["millimetres"])
    frames = tuple(_frame(file, data, entry, size, step) for entry in entries)
    notes = {key: str(data[key]) for key in ("source", "licence") if key in data}
    return in_order(Capture(frames, notes, "capture"), names)


def _frame(file: Path, data: Any, entry: Any, size: tuple[int, int], step: float) -> Frame:
    """One entry, with its files found and its camera checked."""
    where = f"{file.name}, frame {entry['image']}"
    pose = check_pose(entry.get("camera_to_world"), where)
    K = check_intrinsics(entry.get("intrinsics", data.get("intrinsics")), where)
    depth = None if entry.get("depth") is None else existing(file.parent / str(entry["depth"]), where)
    camera = Camera(K.float(), torch.linalg.inv(pose).float())
    return Frame(existing(file.parent / str(entry["image"]), where), depth, camera, size, step)
