"""Posed pictures to train the lifter on: rooms of the dollhouse with exact cameras, or captures; each kept on disk when it was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from relook.captures import read_capture
from relook.dollhouse import ROOMS, Layout, Pose, render, sample_layout, sample_style, walk
from relook.errors import InputError
from relook.files import replacing
from relook.models.features import load_backbone
from relook.models.store import is_checkpoint, locate
from relook.models.vgg import CHECKPOINT, features
from relook.ops.geometry import known_depth
from relook.ops.resize import resized, scaled
from relook.perceive.embedded import perceived
from relook.session import Session
from relook.types import View

SIDE = 128
"""Pixels along a side (root of the area) of the pictures."""
VIEWS = 10
"""Of a room."""
CELL = 4
"""Pixels per feature along a side."""
MARGIN = (0.9, 1.05)
"""The nearest and farthest depth are widened by these."""
VGG_WIDTH = 64
"""Channels of VGG19's relu3_1 that are learned from."""


@dataclass(frozen=True)
class Room:
    """V posed pictures of one room, with what two encoders say of them; half precision, as it lies on disk."""

    images: Float[Tensor, "V 3 H W"]
    K: Float[Tensor, "V 3 3"]
    poses: Float[Tensor, "V 4 4"]
    depth: Float[Tensor, "V H W"]
    """NaN where it is unknown."""
    range: Float[Tensor, " 2"]
    """Nearest and farthest depth."""
    features: Mapping[str, Float[Tensor, "V _ _ _"]]
    """Encoder -> its maps, CELL pixels per value."""


def with_vgg(image: Float[Tensor, "3 H W"], session: Session) -> Float[Tensor, "C h w"]:
    """VGG19's relu3_1, its first channels."""
    return features(image, ["relu3_1"], session)["relu3_1"][:VGG_WIDTH]


def with_perceiver(image: Float[Tensor, "3 H W"], session: Session) -> Float[Tensor, "C h w"]:
    """The embedded perceiver's descriptors."""
    return perceived(image, session).descriptors[0]


def with_backbone(image: Float[Tensor, "3 H W"], session: Session, name: str) -> Float[Tensor, "C h w"]:
    """A vision transformer's patches, by hub id or folder."""
    backbone = session.loaded(("backbone", name), lambda: load_backbone(name, place=session.place))
    return backbone.features(image).float().cpu()


ENCODERS: Mapping[str, Callable[[Tensor, Session], Tensor]] = {"vgg": with_vgg, "perceiver": with_perceiver}
"""What can be learned from, beside backbones of transformers by id; the paper: DINO ViT-B/8 and CLIP ViT-B/16."""


def check_encoders(names: Sequence[str]) -> None:
    """Raise InputError for a name that is no encoder, MissingModelError for VGG without its weights."""
    for name in names:
        if name not in ENCODERS and not is_checkpoint(name):
            raise InputError(
                f"Expected encoders out of {', '.join(ENCODERS)}, or hub ids or folders of backbones, got {name!r}; choose one of them."
            )
    if "vgg" in names:
        locate(CHECKPOINT)


def encoded(name: str, image: Float[Tensor, "3 H W"], session: Session) -> Float[Tensor, "C h w"]:
    """What an encoder says of a picture."""
    return ENCODERS[name](image, session) if name in ENCODERS else with_backbone(image, session, name)


def room_of(views: Sequence[View], encoders: Sequence[str], session: Session) -> Room:
    """Views of one size with cameras, and depth or reconstructed points, as the training reads them."""
    depths = [view.metric_depth if view.depth is not None else None for view in views]
    found = [depth[known_depth(depth)] for depth in depths if depth is not None]
    found += [view.points.depth for view in views if view.points is not None]
    if any(view.camera is None for view in views) or not sum(len(part) for part in found):
        raise InputError("Expected views with cameras and depth or reconstructed points, got some without; bring both.")
    near, far = torch.quantile(
        torch.cat(found).float()[:: max(1, sum(map(len, found)) >> 20)], torch.tensor([0.005, 0.995])
    )
    cell = views[0].size[0] // CELL, views[0].size[1] // CELL
    maps = {
        name: torch.stack([functional.adaptive_avg_pool2d(encoded(name, view.image, session), cell) for view in views])
        for name in encoders
    }
    cameras = [view.camera for view in views if view.camera is not None]
    unknown = torch.full(views[0].size, float("nan"))
    return Room(
        torch.stack([view.image for view in views]).half(),
        torch.stack([camera.K.float() for camera in cameras]),
        torch.stack([camera.world_to_camera.float() for camera in cameras]),
        torch.stack([unknown if depth is None else depth for depth in depths]).half(),
        torch.stack([near * MARGIN[0], far * MARGIN[1]]),
        {name: value.half() for name, value in maps.items()},
    )


def poses_in(layout: Layout, rng: np.random.Generator) -> list[Pose]:
    """VIEWS positions along a short walk, off it by up to .15 or .35 m and some degrees."""
    width, _, depth = layout.size
    away, high, yaw, pitch = ((0.15, 0.15, 0.1, 0.05), (0.35, 0.3, 0.2, 0.08))[int(rng.integers(2))]
    stride = float(rng.choice([0.8, 1.2]))
    found = []
    for pose in walk(layout, VIEWS, stride=stride, turn=0.58 * stride):
        x, y, z = (at + float(rng.uniform(-d, d)) for at, d in zip(pose.eye, (away, high, away), strict=True))
        eye = (min(max(x, -width / 2 + 0.2), width / 2 - 0.2), y, min(max(z, 0.05), depth - 0.4))
        turn, nod = float(rng.uniform(-yaw, yaw)), float(rng.uniform(-pitch, pitch))
        found.append(Pose(eye, pose.yaw + turn, pose.pitch + nod, pose.fov))
    return found


def drawn_room(number: int, encoders: Sequence[str], session: Session) -> Room:
    """A room of the dollhouse from a seed."""
    layout, style = sample_layout(number, ROOMS[number % len(ROOMS)]), sample_style(number)
    poses = poses_in(layout, np.random.default_rng([77, number]))
    return room_of([render(layout, style, (SIDE, SIDE), pose).view() for pose in poses], encoders, session)


def captured_rooms(path: Path) -> list[list[View]]:
    """A capture's views at the training's size, VIEWS in succession each time."""
    frames = read_capture(path).frames
    parts = [frames[first : first + VIEWS] for first in range(0, len(frames) - VIEWS + 1, VIEWS)]
    return [[small(frame.view()) for frame in part] for part in parts or [frames]]


def small(view: View) -> View:
    """A view at about SIDE x SIDE pixels, sides in multiples of 16."""
    size = scaled(view.size, SIDE / (view.size[0] * view.size[1]) ** 0.5, 16)
    camera = None if view.camera is None else view.camera.resized(view.size, size)
    depth = None if view.depth is None else view.depth.resized(size)
    return View(resized(view.image, size), depth=depth, camera=camera, points=view.points)


def kept_room(file: Path, make: Callable[[], Room]) -> Room:
    """The room in a file; made and written first where there is none."""
    names = [field.name for field in fields(Room)]
    if not file.exists():
        made = make()
        with replacing(file) as part:
            torch.save({name: getattr(made, name) for name in names}, part)
    return Room(**torch.load(file, weights_only=True))
