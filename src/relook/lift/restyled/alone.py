"""Scenes of things alone, before nothing: told by how little of their views they cover, looked at in a plain room, and named thing by thing.

A segmenter that was taught on photographs calls a sofa before nothing a wall or a bed; on a floor and before a wall it knows it better. What is
connected and stands apart from all else is one thing, so that it is one kind of seat from all sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from relook.captures.frames import spread
from relook.correspond.kin import families
from relook.gaussians import Gaussians
from relook.lift.scene.decided import LYING, STANDING
from relook.lift.scene.orbit import SMALL, VIEWS, ground_of, thinned
from relook.lift.scene.pieces import surface
from relook.lift.scene.upright import up_of
from relook.ops.align import centre
from relook.ops.geometry import unproject
from relook.ops.resize import scaled
from relook.ops.splats import shown
from relook.perceive.segment.vocabulary import canonical, countable
from relook.types import Camera

ALONE = 0.6
"""Share of the views that a scene covers below which it is of things alone."""
FLOOR, WALL = (0.55, 0.40, 0.28), (0.85, 0.83, 0.78)
"""Colours of the plain room: wood and plaster."""


def things_alone(gaussians: Gaussians, cameras: Sequence[Camera], size: tuple[int, int]) -> bool:
    """Whether a scene is of things before nothing, from some small pictures (cameras: of pictures of `size`, H, W)."""
    rough, small = thinned(gaussians), scaled(size, SMALL / max(size))
    some = [cameras[number].resized(size, small) for number in spread(len(cameras), min(VIEWS, len(cameras)))]
    return float(torch.stack([shown(rough, camera, small)[1].mean() for camera in some]).mean()) < ALONE


KNOWN = 0.3
"""Share of what is said of a connected thing that must be of what it may be, so that its parts may be different things."""
NEVER = ("person",)
"""What things before nothing are not, unless they are called nothing else: a network sees people in armchairs and plants of odd shape."""


@dataclass(frozen=True)
class PlainRoom:
    """A floor that things stand on, and a round wall about them."""

    axes: Float[Tensor, "3 3"]
    """Rows: across, along and up in the world."""
    middle: Float[Tensor, " 3"]
    """The middle of its floor, in these axes."""
    radius: float
    """In scene units."""

    def seen_by(self, camera: Camera, size: tuple[int, int]) -> Float[Tensor, "3 H W"]:
        """What a camera sees of it (RGB, without light): floor where a ray meets the plane within the wall, else wall."""
        eye = self.axes @ centre(camera)
        rays = (unproject(torch.ones(size), camera) - centre(camera)) @ self.axes.T
        steps = (self.middle[2] - eye[2]) / rays[..., 2]
        met = eye + steps[..., None] * rays - self.middle
        floor = (steps > 0) & (met[..., :2].norm(dim=-1) < self.radius)
        colours = torch.tensor([WALL, FLOOR]).to(rays)
        return colours[floor.long()].permute(2, 0, 1)


def plain_room(gaussians: Gaussians, cameras: Sequence[Camera]) -> PlainRoom:
    """As wide round about as the things' box is long from corner to corner, its floor where they stand."""
    ground = ground_of(gaussians, up_of(gaussians, cameras))
    low, high = torch.tensor(ground.box).to(ground.axes)
    middle = torch.cat([(low + high)[:2] / 2, low[2:]])
    return PlainRoom(ground.axes, middle, float((high - low).norm()))


def agreed(gaussians: Gaussians, votes: Float[Tensor, "N K"], names: Sequence[str]) -> Float[Tensor, "N K"]:
    """Votes for what things alone are (the first name is none): none for what surrounds things or is none (NEVER), unless there is nothing
    else, and of names that are kin (`relook.correspond.kin`) all for the one that a connected thing is called most. Where hardly anything is left
    (KNOWN), all for the one name that the thing is called most: it has one look, even if nobody knows what it is."""
    plain = [canonical(name) for name in names]
    around = torch.tensor([name in (*STANDING, *LYING, *NEVER) or not countable(name) for name in plain])
    left = votes * ~around
    if not bool(left[:, 1:].any()):
        return votes
    thing = _connected(gaussians)
    for family in families():
        kin = torch.tensor([number for number, name in enumerate(plain) if name in family], dtype=torch.int64)
        if len(kin) > 1:
            sums = torch.zeros(int(thing.max()) + 1, len(kin)).index_add_(0, thing, left[:, kin])
            most, total = kin[sums.argmax(1)[thing]], left[:, kin].sum(1)
            left[:, kin] = 0
            left[torch.arange(len(left)), most] = total
    every, some = (torch.zeros(int(thing.max()) + 1, len(names)).index_add_(0, thing, one) for one in (votes, left))
    unknown = (some.sum(1) < KNOWN * every.sum(1)) & (some.sum(1) > 0)
    if bool(unknown.any()):
        alone, total = unknown[thing], left.sum(1)
        left[alone] = 0
        left[alone, some.argmax(1)[thing][alone]] = total[alone]
    return left


def agreement(labels: Int[Tensor, " N"], votes: Float[Tensor, "N K"]) -> Float[Tensor, " K"]:
    """The share of the votes on what is called by each name (labels, 0 for none) that call it so."""
    sums = torch.zeros(2, votes.shape[1])
    mine = votes.gather(1, labels[:, None])[:, 0]
    sums.index_add_(1, labels, torch.stack([mine, votes.sum(1)]))
    return sums[0] / sums[1].clamp_min(1e-6)


def _connected(gaussians: Gaussians) -> Int[Tensor, " N"]:
    """The number of the connected thing that every Gaussian is of, from 0."""
    pairs, count = surface(gaussians).pairs.numpy(), len(gaussians)
    linked = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (count, count))
    return torch.from_numpy(connected_components(linked, directed=False)[1]).long()
