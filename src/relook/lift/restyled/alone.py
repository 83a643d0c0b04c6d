"""Scenes of things alone, before nothing: told by how little of their views they cover, looked at in a plain room, and named thing by thing.

A segmenter that was taught on photographs calls a sofa before nothing a wall or a bed; on a floor and before a wall it knows it better. What is
connected and stands apart from all else is one thing, so that it is one kind of seat from all sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.captures.frames import spread
from relook.correspond.kin import families
from relook.gaussians import Gaussians
from relook.lift.restyled.shapes import by_shape
from relook.lift.scene.decided import LYING, STANDING
from relook.lift.scene.joint import connected
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
WIDE, LONG, JOINT = 0.055, 0.5, 0.05
"""Width and length of its boards in halves of the room, and the share of a board's width that is a dark joint."""
SHADE, SKIRTING, BEYOND = 0.82, 0.04, 1.05
"""Light on two of its walls; height of their skirting in halves of the room; how far beyond the cameras walls are."""


def things_alone(gaussians: Gaussians, cameras: Sequence[Camera], size: tuple[int, int]) -> bool:
    """Whether a scene is of things before nothing, from some small pictures (cameras: of pictures of `size`, H, W)."""
    rough, small = thinned(gaussians), scaled(size, SMALL / max(size))
    some = [cameras[number].resized(size, small) for number in spread(len(cameras), min(VIEWS, len(cameras)))]
    return float(torch.stack([shown(rough, camera, small)[1].mean() for camera in some]).mean()) < ALONE


KNOWN = 0.3
"""Share of what is said of a connected thing that must be of what it may be, so that its parts may be different things."""
SURE = 0.6
"""The same share, up to which its shape decides, where that looks like something."""
NEVER = ("person",)
"""What things before nothing are not, unless they are called nothing else: a network sees people in armchairs and plants of odd shape."""

ANYTHING = ("bed",)
"""What a network calls things before nothing that it does not know, however sure it is: their shape is asked in any case."""


@dataclass(frozen=True)
class PlainRoom:
    """A square floor of boards that things stand on, and four walls about them, with skirting: a network knows furniture in a room."""

    axes: Float[Tensor, "3 3"]
    """Rows: across, along and up in the world."""
    middle: Float[Tensor, " 3"]
    """The middle of its floor, in these axes."""
    half: float
    """From there to a wall, in scene units."""

    def seen_by(self, camera: Camera, size: tuple[int, int]) -> Float[Tensor, "3 H W"]:
        """What a camera sees of it (RGB): floor where a ray meets its plane before a wall, darker away from the middle; else a wall."""
        eye = self.axes @ centre(camera) - self.middle
        rays = (unproject(torch.ones(size), camera) - centre(camera)) @ self.axes.T
        down = -eye[2] / rays[..., 2]
        ahead = (self.half * rays[..., :2].sign() - eye[:2]) / rays[..., :2]
        away, side = ahead.min(-1)
        floor = (down > 0) & (down < away)
        colours = torch.where(
            floor[..., None],
            self._boards((eye + down[..., None] * rays)[..., :2] / self.half),
            self._walls((eye + away[..., None] * rays)[..., 2] / self.half, side),
        )
        return colours.clamp(0, 1).permute(2, 0, 1)

    def _boards(self, place: Float[Tensor, "H W 2"]) -> Float[Tensor, "H W 3"]:
        """Colours of the floor at places from -1 to 1: boards of WIDE and LONG, no two alike, with dark joints."""
        row = torch.floor(place[..., 0] / WIDE)
        board = torch.floor(place[..., 1] / LONG + _scattered(row))
        tone = 0.8 + 0.35 * _scattered(row + 7.3 * board)
        joint = (place[..., 0] / WIDE - row) < JOINT
        light = (1.1 - 0.25 * place.norm(dim=-1)).clamp(0.5, 1.1)
        return torch.tensor(FLOOR) * (tone * light * torch.where(joint, 0.6, 1.0))[..., None]

    def _walls(self, height: Float[Tensor, "H W"], side: Int[Tensor, "H W"]) -> Float[Tensor, "H W 3"]:
        """Colours at heights in halves of the room; side: 0 for the walls that are in shade."""
        light = torch.where(side == 0, SHADE, 1.0) * (0.85 + 0.15 * height.clamp(0, 1))
        return torch.where((height < SKIRTING)[..., None], torch.ones(3), torch.tensor(WALL)) * light[..., None]


def _scattered(numbers: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """From 0 to 1, no two neighbouring numbers alike."""
    return ((127.1 * numbers).sin() * 43758.5).frac().abs()


def plain_room(gaussians: Gaussians, cameras: Sequence[Camera]) -> PlainRoom:
    """Its walls as far away as the things' box is long from corner to corner, or beyond the cameras; its floor where they stand."""
    ground = ground_of(gaussians, up_of(gaussians, cameras))
    low, high = torch.tensor(ground.box).to(ground.axes)
    middle = torch.cat([(low + high)[:2] / 2, low[2:]])
    eyes = torch.stack([ground.axes @ centre(camera) for camera in cameras]) - middle
    return PlainRoom(ground.axes, middle, max(float((high - low).norm()), BEYOND * float(eyes[:, :2].abs().max())))


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


def shaped(
    gaussians: Gaussians,
    votes: Float[Tensor, "N K"],
    said: Float[Tensor, "N K"],
    names: Sequence[str],
    up: Float[Tensor, " 3"],
) -> tuple[tuple[str, ...], Float[Tensor, "N L"]]:
    """Names and votes, a connected thing being what its shape is (`by_shape`) of which less than SURE of what was `said` names what it may be, or
    which is called ANYTHING.

    votes: those that `agreed` made of that. up: in the world.
    """
    thing, axes = _connected(gaussians), ground_of(gaussians, up).axes
    places, normals = gaussians.means @ axes.T, gaussians.normals @ axes.T
    areas = 4 * gaussians.scales.sort(1).values[:, 1:].prod(1)
    known, every = (torch.zeros(int(thing.max()) + 1).index_add_(0, thing, one.sum(1)) for one in (votes, said))
    names, votes = tuple(names), votes.clone()
    most = torch.zeros(len(known), votes.shape[1]).index_add_(0, thing, votes).argmax(1)
    doubtful = torch.tensor([canonical(name) in ANYTHING for name in names])[most] | (known < SURE * every)
    for number in doubtful.nonzero()[:, 0].tolist():
        mine = thing == number
        name = by_shape(places[mine], normals[mine], areas[mine])
        if name is not None:
            if name not in names:
                names, votes = (*names, name), torch.cat([votes, torch.zeros(len(votes), 1)], 1)
            votes[mine] = 0
            votes[mine, names.index(name)] = said[mine].sum(1)
    return names, votes


def agreement(labels: Int[Tensor, " N"], votes: Float[Tensor, "N K"]) -> Float[Tensor, " K"]:
    """The share of the votes on what is called by each name (labels, 0 for none) that call it so."""
    sums = torch.zeros(2, votes.shape[1])
    mine = votes.gather(1, labels[:, None])[:, 0]
    sums.index_add_(1, labels, torch.stack([mine, votes.sum(1)]))
    return sums[0] / sums[1].clamp_min(1e-6)


def _connected(gaussians: Gaussians) -> Int[Tensor, " N"]:
    """The number of the connected thing that every Gaussian is of, from 0."""
    return torch.from_numpy(connected(len(gaussians), *surface(gaussians).pairs.T.numpy())).long()
