"""What the suite of scenes is asked: a walk through an unseen room, cameras beside its path, and the scene that is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relook.dollhouse import CLASSES, Rendering
from relook.evaluate.views.rooms import Walk, draw_beside, draw_walk
from relook.gaussians import Gaussians
from relook.lift.scene import lifted
from relook.ops.fill import filled
from relook.ops.splats import Blends
from relook.types import Camera, View

Images = list[Float[Tensor, "3 H W"]]


@dataclass(frozen=True)
class Room:
    """A walk through a room in its old and its new look, and cameras beside its path."""

    walk: Walk
    held_old: tuple[Rendering, ...]
    held_new: tuple[Rendering, ...]

    @property
    def old(self) -> tuple[Rendering, ...]:
        """The walk's frames as they were."""
        return self.walk.old

    @property
    def new(self) -> tuple[Rendering, ...]:
        """The answer for every frame."""
        return self.walk.new

    @cached_property
    def views(self) -> list[View]:
        """What a scene is made of."""
        return [one.view() for one in self.old]

    @property
    def held(self) -> list[View]:
        """What the cameras beside the path see."""
        return [one.view() for one in self.held_old]


@dataclass(frozen=True)
class Scene:
    """The Gaussians of a room, and what its cameras see of them."""

    gaussians: Gaussians
    blends: Blends
    """Of the walk's frames."""
    held: Blends
    """Of the cameras beside its path."""

    def shown(self, values: Float[Tensor, "N D"], *, held: bool) -> list[Float[Tensor, "D H W"]]:
        """What the cameras see of values; what the scene does not cover is the nearest that it does."""
        return [filled(one.render(values), ~one.seen) for one in (self.held if held else self.blends)]

    def unseen(self) -> float:
        """Share of the pixels beside the path that the scene does not cover."""
        return float(torch.stack([(~one.seen).float().mean() for one in self.held]).mean())


def draw_room(seed: int, number: int, frames: int, held: int, size: int) -> Room:
    """Room `number` of a seed: the same walk as in the suite of views."""
    return Room(draw_walk(seed, number, frames, size), *draw_beside(seed, number, frames, held, size))


def scene_of(gaussians: Gaussians, room: Room) -> Scene:
    """With the matrices of all cameras."""
    walk, held = (Blends(gaussians, cameras_of(some), room.views[0].size) for some in (room.old, room.held_old))
    return Scene(gaussians, walk, held)


def cameras_of(frames: Sequence[Rendering]) -> list[Camera]:
    """Of pictures."""
    return [one.camera for one in frames]


def one_hot(classes: Int[Tensor, "H W"] | Bool[Tensor, "H W"]) -> Float[Tensor, "C H W"]:
    """Chances of the dollhouse's classes that are 0 or 1."""
    return torch.nn.functional.one_hot(classes.long(), len(CLASSES)).permute(2, 0, 1).float()


def exact_classes(scene: Scene, room: Room) -> Int[Tensor, " N"]:
    """The class of every Gaussian, by the exact classes of the frames."""
    return lifted(scene.blends, [one_hot(one.classes) for one in room.old]).values.argmax(1)
