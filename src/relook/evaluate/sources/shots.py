"""Drawn rooms as somebody may photograph them: tilted, rolled, upright, with a phone, through a bent lens, too close; with the exact layout."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from relook.dollhouse import Layout as Furnished
from relook.dollhouse import Pose, Style, render, sample_layout, sample_style
from relook.evaluate.sources.dollhouse import HELD_OUT
from relook.ops.geometry import pixel_centres, sample
from relook.types import Camera, Depth, Layout, Segments, View, Wall

MARGIN = 1.4
"""A rolled or bent picture is cut from one so many times as large."""
PHONES = 24.0, 28.0
"""Focal lengths of phones in millimetres on small film (36 mm wide)."""
CLOSE = 0.35, 0.7
"""Metres between the camera and the front of what a close-up shows."""


@dataclass(frozen=True)
class Shot:
    """How a room is photographed."""

    pose: Pose
    size: tuple[int, int]
    """(H, W)."""
    roll: float = 0.0
    """Radians by which the camera is turned about its axis."""
    bend: float = 0.0
    """k of a bent lens: a point at r focal lengths from the middle is seen at r (1 + k r^2); below 0 it is a barrel."""


@dataclass(frozen=True)
class Photographed:
    """A picture with its segments, and the room that it shows; none for pictures without a room."""

    view: View
    layout: Layout | None


Draw = np.random.Generator
"""Draws what a variant leaves to chance."""


def _portrait(shot: Shot, furnished: Furnished, draw: Draw) -> Shot:
    side = shot.size[0]
    fov = 2 * math.atan(18 / draw.uniform(*PHONES))
    return replace(shot, pose=replace(shot.pose, fov=fov), size=(side, side * 3 // 4))


def _phone(shot: Shot, furnished: Furnished, draw: Draw) -> Shot:
    side = shot.size[1]
    fov, pitch = 2 * math.atan(18 / draw.uniform(*PHONES)), draw.uniform(0, 0.35)
    return Shot(replace(shot.pose, fov=fov, pitch=pitch), (side * 3 // 4, side), draw.uniform(-0.05, 0.05))


def _close(shot: Shot, furnished: Furnished, draw: Draw) -> Shot:
    """Before the largest thing in the room, looking at it."""
    largest = int(furnished.halves.prod(1).argmax())
    centre, half = furnished.centres[largest], furnished.halves[largest]
    away = float(half[[0, 2]].max()) + draw.uniform(*CLOSE)
    eye = (float(centre[0]) * 0.8, max(0.5, float(centre[1]) + 0.3), max(0.1, float(centre[2]) - away))
    way = centre - torch.tensor(eye)
    pitch = math.atan2(-float(way[1]), math.hypot(float(way[0]), float(way[2])))
    pose = Pose(eye, math.atan2(float(way[0]), float(way[2])), pitch, 2 * math.atan(18 / PHONES[1]))
    return replace(shot, pose=pose)


VARIANTS: Mapping[str, Callable[[Shot, Furnished, Draw], Shot]] = {
    "rooms": lambda shot, furnished, draw: shot,
    "tilted": lambda shot, furnished, draw: replace(shot, pose=replace(shot.pose, pitch=draw.choice([-1, 1]) * draw.uniform(0.26, 0.52))),
    "rolled": lambda shot, furnished, draw: replace(shot, roll=draw.choice([-1, 1]) * draw.uniform(0.07, 0.21)),
    "portrait": _portrait,
    "phone": _phone,
    "barrel": lambda shot, furnished, draw: replace(shot, bend=-draw.uniform(0.05, 0.12)),
    "close-ups": _close,
}  # fmt: skip
"""Name -> how the shot of a room's own pose changes."""
NO_ROOM = "no room"
"""The variant whose pictures show soft blots or fine noise."""


def photographed(variant: str, seed: int, number: int, size: int) -> Photographed:
    """Picture `number` of a variant, of `size` pixels on the longer side; the same room for every variant."""
    drawn = HELD_OUT + seed * 1_000_000 + number
    draw = np.random.default_rng([23, drawn])
    if variant == NO_ROOM:
        coarse = torch.from_numpy(
            draw.random((1, 3, *(2 * (size if number % 4 == 3 else 4 << number % 4,))), dtype=np.float32)
        )
        return Photographed(View(interpolate(coarse, (size, size), mode="bicubic")[0].clamp(0, 1)), None)
    furnished = sample_layout(drawn)
    shot = VARIANTS[variant](Shot(furnished.pose, (size, size)), furnished, draw)
    view = _taken(furnished, sample_style(drawn), shot)
    return Photographed(view, exact_layout(furnished, view))


def exact_layout(furnished: Furnished, view: View) -> Layout:
    """The four walls, floor and ceiling of a drawn room as a view's camera sees them."""
    camera: Camera = view.camera  # type: ignore[assignment]
    pose = camera.world_to_camera
    x, height, z = (-pose[:3, :3].T @ pose[:3, 3]).tolist()
    turned = torch.eye(4)
    turned[:3, :3] = pose[:3, :3] * torch.tensor([-1.0, -1.0, 1.0])
    turned[:3, 3] = height * turned[:3, 1]
    width, tall, deep = furnished.size
    left, right, near, far = x - width / 2, x + width / 2, -z, deep - z
    corners = [(left, near), (left, far), (right, far), (right, near)]
    walls = tuple(Wall(start, end) for start, end in zip(corners, corners[1:] + corners[:1], strict=True))
    return Layout(view.size, Camera(camera.K, turned), tall, walls, scale="exact")


def _taken(furnished: Furnished, style: Style, shot: Shot) -> View:
    """The view of a shot; rolled and bent ones are cut from a larger straight one."""
    if not shot.roll and not shot.bend:
        return render(furnished, style, shot.size, shot.pose).view()
    wide = (round(shot.size[0] * MARGIN / 2) * 2, round(shot.size[1] * MARGIN / 2) * 2)
    fov = 2 * math.atan(math.tan(shot.pose.fov / 2) * max(wide) / max(shot.size))
    straight = render(furnished, style, wide, replace(shot.pose, fov=fov))
    places = _places(shot, float(straight.camera.K[0, 0]), wide)
    image = sample(straight.image, places)
    x, y = (places[..., i].long().clamp(0, wide[1 - i] - 1) for i in (0, 1))
    whole = straight.view()
    segments: Segments = whole.segments  # type: ignore[assignment]
    camera = Camera(shot.pose.camera(shot.size).K, _rolled(straight.camera.world_to_camera, shot.roll))
    return View(image, replace(segments, labels=segments.labels[y, x]), Depth(straight.depth[y, x], "metric"), camera)


def _places(shot: Shot, focal: float, wide: tuple[int, int]) -> Float[Tensor, "H W 2"]:
    """Where in the larger straight picture each pixel of a rolled, bent one is seen."""
    middle = torch.tensor([shot.size[1] / 2, shot.size[0] / 2])
    seen = (pixel_centres(shot.size) - middle) / focal
    straight = seen
    for _ in range(8):
        straight = seen / (1 + shot.bend * straight.square().sum(-1, keepdim=True))
    c, s = math.cos(shot.roll), math.sin(shot.roll)
    turned = straight @ torch.tensor([[c, s], [-s, c]])
    return turned * focal + torch.tensor([wide[1] / 2, wide[0] / 2])


def _rolled(pose: Float[Tensor, "4 4"], roll: float) -> Float[Tensor, "4 4"]:
    """A camera's pose after it is turned about its axis, so that the picture turns by -roll."""
    c, s = math.cos(roll), math.sin(roll)
    turn = torch.eye(4)
    turn[:2, :2] = torch.tensor([[c, s], [-s, c]])
    return turn @ pose
