"""Layouts: the solids of a room and the pose from which it is seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.dollhouse.classes import CLASSES
from relook.types import Camera


@dataclass(frozen=True)
class Pose:
    """A camera by where it stands and looks (world, right-handed: x left, y up, z into the room; metres, radians)."""

    eye: tuple[float, float, float]
    yaw: float
    pitch: float
    """Positive looks down."""
    fov: float
    """Horizontal field of view."""

    def camera(self, size: tuple[int, int]) -> Camera:
        """OpenCV camera for pictures of `size` (H, W)."""
        height, width = size
        sy, cy, sp, cp = math.sin(self.yaw), math.cos(self.yaw), math.sin(self.pitch), math.cos(self.pitch)
        forward = torch.tensor([sy * cp, -sp, cy * cp], dtype=torch.float64)
        right = torch.tensor([-cy, 0.0, sy], dtype=torch.float64)
        down = torch.linalg.cross(forward, right)
        rotation = torch.stack([right, down, forward])
        world_to_camera = torch.eye(4, dtype=torch.float64)
        world_to_camera[:3, :3] = rotation
        world_to_camera[:3, 3] = -rotation @ torch.tensor(self.eye, dtype=torch.float64)
        focal = max(width, height) / 2 / math.tan(self.fov / 2)
        K = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
        return Camera(K, world_to_camera.float())


@dataclass(frozen=True)
class Layout:
    """A furnished room: P solids inside a box-shaped room, and the pose from which it is seen."""

    room: str
    size: tuple[float, float, float]
    """Width (x), height (y) and depth (z) of the room in metres; x is centred on 0, y and z start at 0."""
    centres: Float[Tensor, "P 3"]
    halves: Float[Tensor, "P 3"]
    yaws: Float[Tensor, " P"]
    kinds: Int[Tensor, " P"]
    classes: Int[Tensor, " P"]
    instances: Int[Tensor, " P"]
    tints: Float[Tensor, " P"]
    pose: Pose

    @property
    def names(self) -> frozenset[str]:
        """Classes of the solids in the room (whether seen or not)."""
        return frozenset(CLASSES[i] for i in self.classes.tolist()) | {"wall", "floor", "ceiling"}
