"""The floor of a walk as a plane with axes of its own, on which a material lies where it lies, whichever frame shows it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import max_pool2d

from relook.gaussians import Gaussians
from relook.lift.scene.decided import LYING, Decided
from relook.lift.scene.floor import Plane
from relook.lift.scene.labels import SceneLabels
from relook.ops.align import centre
from relook.ops.flat import before, homography
from relook.perceive.layout.room import EYE, EYES
from relook.perceive.segment.vocabulary import canonical
from relook.transfer.materials.surface import Surface
from relook.types import Camera

UPRIGHT = 0.3
"""Cosine between the normal of a wall and the floor's, at most."""
COARSE, FINE = 0.05, 0.01
"""Metres of the cells in which the floor is looked for, and between the places that stand for it."""
AROUND = 0.4
"""Metres by which what is known of it is widened."""


@dataclass(frozen=True)
class Ground:
    """Points origin + metre (u across + v ahead) of the world, u and v in metres, seen from above as a map is: u to the right, v up."""

    origin: Float[Tensor, " 3"]
    across: Float[Tensor, " 3"]
    ahead: Float[Tensor, " 3"]
    metre: float
    """In scene units."""

    def surface(self, camera: Camera, mask: Bool[Tensor, "H W"]) -> Surface:
        """A region that lies on it, as a camera sees it."""
        H = homography(camera, self.origin, self.metre * self.across, self.metre * self.ahead)
        return Surface(mask, before(H, (mask.shape[0], mask.shape[1])), H)

    def places(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, "2 N"]:
        """(u, v) of points of the world."""
        off = points - self.origin
        return torch.stack([off @ self.across, off @ self.ahead]) / self.metre


def ground_of(labels: SceneLabels, metres: bool) -> Ground | None:
    """The floor of a walk's scene; None where no plane was found. metres: as `ground_on`."""
    if labels.decided.floor is None:
        return None
    eyes = torch.stack([centre(frame.camera) for frame in labels.frames if frame.camera is not None])
    return ground_on(labels.decided.floor, labels.blends.gaussians, eyes, lying(labels.decided), metres)


def ground_on(
    plane: Plane, gaussians: Gaussians, eyes: Float[Tensor, "V 3"], floor: Bool[Tensor, " N"], metres: bool | None
) -> Ground:
    """A plane with its axes along the room's walls, `ahead` the longer one of the `floor` that lies on it.

    metres: whether scene units are metres; else the median height of the cameras (`eyes`) is taken for EYE; None: only where it could be no
    camera's in metres (EYES).
    """
    height = float(plane.height(eyes).median())
    if metres is None:
        metres = EYES[0] <= height <= EYES[1]
    metre = 1.0 if metres else max(height / EYE, 1e-6)
    middle = eyes.median(0).values
    origin = middle - float(plane.height(middle[None])) * plane.normal
    first = _along_walls(gaussians, plane)
    ground = Ground(origin, first, torch.linalg.cross(plane.normal, first), metre)
    u, v = ground.places(gaussians.means[floor])
    if len(u) and float(_extent(u)) > float(_extent(v)):
        ground = Ground(origin, -ground.ahead, ground.across, metre)
    return ground


def covered_places(points: Float[Tensor, "M 3"], ground: Ground) -> Float[Tensor, "2 N"]:
    """Places all over what is known of a floor by points on it, and a little around it."""
    place = ground.places(points)
    low = place.amin(1) - AROUND
    column, row = ((place - low[:, None]) / COARSE).long()
    margin = round(AROUND / COARSE)
    there = torch.zeros(int(row.max()) + margin + 1, int(column.max()) + margin + 1)
    there[row, column] = 1
    reach = 2 * margin + 1
    wide = max_pool2d(there[None, None], reach, 1, margin)
    wide = wide.repeat_interleave(round(COARSE / FINE), 2).repeat_interleave(round(COARSE / FINE), 3)[0, 0]
    return wide.nonzero().T.flip(0) * FINE + FINE / 2 + low[:, None]


def lying(found: Decided) -> Bool[Tensor, " N"]:
    """Surfels that are called what lies on a floor."""
    lies = torch.tensor([canonical(name) in LYING for name in found.names])
    return lies[found.region]


def _along_walls(gaussians: Gaussians, plane: Plane) -> Float[Tensor, " 3"]:
    """A direction in the plane along which most walls run: the mean of four times the angles of upright surfaces, by their area."""
    first, second = plane.axes
    upright = (gaussians.normals @ plane.normal).abs() < UPRIGHT
    facing, area = gaussians.normals[upright], gaussians.scales[upright, 0].square()
    angle = 4 * torch.atan2(facing @ second, facing @ first)
    turn = torch.atan2((area * angle.sin()).sum(), (area * angle.cos()).sum()) / 4
    return turn.cos() * first + turn.sin() * second


def _extent(values: Float[Tensor, " N"]) -> Float[Tensor, ""]:
    """Between the quantiles that leave out what is far away."""
    low, high = values[:: -(-len(values) // 100_000)].quantile(torch.tensor([0.05, 0.95]))
    return high - low
