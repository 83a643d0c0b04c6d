"""A layout as a file that people read, edit and give back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from relook.errors import GeometryError, InputError
from relook.files import PathLike, read_json, write_json
from relook.io.pictures import by
from relook.ops.align import nearest_rotation
from relook.types import Camera, Layout, Wall

SAME_SHAPE = 0.02
"""By which height over width may be off in the same picture at another size."""
DIGITS = 4
"""Decimals of what is written: a tenth of a millimetre."""


def write_layout(path: PathLike, layout: Layout) -> None:
    """Write a layout as JSON; see docs/layout.md."""
    K, axes = layout.camera.K, layout.camera.world_to_camera[:3, :3].T
    height, width = layout.size
    camera = {
        "focal": _rounded(K[0, 0]), "principal": [_rounded(K[0, 2]), _rounded(K[1, 2])],
        "down": [round(v, 6) for v in axes[1].tolist()], "ahead": [round(v, 6) for v in axes[2].tolist()],
        "height": _rounded(layout.eye), "confidence": _rounded(layout.directions),
    }  # fmt: skip
    walls = [
        {
            "from": [_rounded(v) for v in one.start],
            "to": [_rounded(v) for v in one.end],
            "confidence": _rounded(one.confidence),
        }
        for one in layout.walls
    ]
    content = {
        "width": width, "height": height, "scale": layout.scale, "camera": camera,
        "floor": {"confidence": _rounded(layout.floor)},
        "ceiling": {"height": _rounded(layout.height), "confidence": _rounded(layout.ceiling)}, "walls": walls,
    }  # fmt: skip
    write_json(path, content)


def read_layout(path: PathLike, size: tuple[int, int] | None = None) -> Layout:
    """Read what `write_layout` wrote, perhaps edited; `size` = (H, W) of the picture that it is for.

    One of the same picture at another size is resized. Confidences that are left out are 1. Down and ahead are put at right angles. Raises GeometryError, one sentence, for anything that is no
    layout: missing entries, a camera below the floor or above the ceiling, a wall without length, a picture of another shape.
    """
    try:
        layout = _layout(read_json(path))
    except InputError as error:
        raise GeometryError(
            f"Expected a layout as JSON at {path}, got none; write one with relook perceive."
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise GeometryError(
            f"Expected a layout as relook perceive writes it in {path}, got something else ({type(error).__name__}: {error}); correct it."
        ) from error
    if size is not None and abs(size[0] * layout.size[1] / (size[1] * layout.size[0]) - 1) > SAME_SHAPE:
        raise GeometryError(
            f"Expected a layout for a picture of {by(size)} pixels in {path}, got one for {by(layout.size)}; write one for this picture."
        )
    if not 0 < layout.eye < layout.height:
        raise GeometryError(
            f"Expected a camera between floor and ceiling in {path}, got {layout.eye} m under a ceiling of {layout.height} m; correct it."
        )
    if empty := [number for number, one in enumerate(layout.walls, start=1) if one.start == one.end]:
        raise GeometryError(
            f"Expected walls with two different ends in {path}, got none in wall {empty[0]}; correct it."
        )
    return layout if size is None else layout.resized(size)


def _layout(content: Mapping[str, Any]) -> Layout:
    """The layout of JSON's content; raises what Python raises where something is missing or of another kind."""
    camera, ceiling = content["camera"], content["ceiling"]
    focal, (x, y) = float(camera["focal"]), camera["principal"]
    down, ahead = (torch.tensor(camera[name], dtype=torch.float64) for name in ("down", "ahead"))
    axes = nearest_rotation(torch.stack([torch.linalg.cross(down, ahead), down, ahead]))
    if focal <= 0 or not torch.isfinite(axes).all():
        raise ValueError(f"focal length {focal}")
    pose = torch.eye(4)
    pose[:3, :3] = axes.T.float()
    pose[:3, 3] = float(camera["height"]) * pose[:3, 1]
    K = torch.tensor([[focal, 0, float(x)], [0, focal, float(y)], [0, 0, 1]])
    walls = tuple(Wall(_point(one["from"]), _point(one["to"]), _confidence(one)) for one in content["walls"])
    return Layout(
        (int(content["height"]), int(content["width"])), Camera(K, pose), float(ceiling["height"]), walls, _confidence(camera),
        _confidence(content.get("floor", {})), _confidence(ceiling), str(content.get("scale", "stated")),
    )  # fmt: skip


def _point(values: Any) -> tuple[float, float]:
    across, ahead = values
    return float(across), float(ahead)


def _confidence(entry: Mapping[str, Any]) -> float:
    value = float(entry.get("confidence", 1.0))
    if not 0 <= value <= 1:
        raise ValueError(f"confidence {value}")
    return value


def _rounded(value: Any) -> float:
    return round(float(value), DIGITS)
