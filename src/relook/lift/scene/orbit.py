"""A way round a scene of Gaussians that is found from the scene itself: inside a room, or around a thing.

Seen from above, the surfaces at eye height are a map of what stands in the way. A place that is free and surrounded is inside: the camera
circles there and looks across the middle, past all sides where there is something to see all round, else to and fro over what there is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from relook.captures import CameraPath, camera_for
from relook.captures.frames import spread
from relook.gaussians import Gaussians
from relook.lift.scene.upright import spanned, surface_of, up_of
from relook.ops.align import centre
from relook.ops.geometry import to_camera
from relook.ops.poses import looking
from relook.ops.resize import scaled
from relook.ops.splats import project, rasterise
from relook.types import Camera

FOV = 50.0
"""Degrees from the top to the bottom of the picture."""
CELLS = 64
"""Of the map, along its longer side."""
MOST = 200_000
"""So many Gaussians, evenly taken, make the map."""
EYE, BAND = 0.58, (0.3, 0.75)
"""Height of the eye, and of what stands in its way, between floor (0) and ceiling (1)."""
FILLED = 0.2
"""A cell is taken where so much of the band's height has a surface."""
RAYS, INSIDE = 72, 0.5
"""Directions in which walls are looked for; a place is inside from this share of them on that end at one."""
LOW, LEVEL, BARE = 0.12, 0.8, 6.0
"""A floor is below this share of the height, of at least this cosine to up; it may be so many cells off: things that stand in a ring are no room."""
PARTS, CLEAR = 4, 1.5
"""The map has so many parts each way; cells by which a place must be clear of what stands."""
VIEWS, SMALL, ROUGH = 12, 48, 40_000
"""Small pictures that are taken round about at a place, their longer side, and of how many Gaussians."""
STEP = 2 * math.pi / VIEWS
ROUND, WINDOW, WORTH = 0.8, VIEWS // 4, 0.6
"""Where the scene fills so much of every picture, the camera turns all round. Else a place is worth what it shows all round and in so many successive directions. Directions that show less than this share of what the best one shows are left out."""
ONE_SIDE = 0.5
"""Length of the mean direction to cameras (1 for all in one direction, 0 all round) up to which they stand on all sides."""
TILT, ABOVE = 7.0, 20.0
"""Degrees by which the camera looks down inside a room, and from above at a thing."""


@dataclass(frozen=True)
class Ground:
    """A scene seen from above, in the axes (across, along, up)."""

    axes: Float[Tensor, "3 3"]
    """Rows: across, along and up in the world."""
    floor: float
    ceiling: float
    corner: tuple[float, float]
    """(across, along) of the map's first cell's corner."""
    cell: float
    """Side of a cell in scene units."""
    taken: np.ndarray
    """[A, B] bool: where something stands at eye height."""
    floored: np.ndarray
    """[A, B] bool: where a floor lies."""

    @property
    def box(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Two opposite corners of the scene (across, along, up), without the few Gaussians that are far from all others."""
        low, sides = np.array(self.corner) + 2 * self.cell, self.cell * (np.array(self.taken.shape) - 4)
        return (float(low[0]), float(low[1]), self.floor), (
            float(low[0] + sides[0]),
            float(low[1] + sides[1]),
            self.ceiling,
        )

    def place(self, across: float, along: float, height: float) -> Float[Tensor, " 3"]:
        """A point of the world."""
        return torch.tensor([across, along, height]).to(self.axes) @ self.axes

    def ahead(self, yaw: float, tilt: float = 0.0) -> Float[Tensor, " 3"]:
        """The direction at an angle from across to along, `tilt` degrees below the horizon."""
        down = math.radians(tilt)
        return self.place(math.cos(yaw) * math.cos(down), math.sin(yaw) * math.cos(down), -math.sin(down))


@dataclass(frozen=True)
class Spot:
    """Where to turn inside a room."""

    across: float
    along: float
    height: float
    back: float
    """How far the camera steps back from it, away from where it looks."""
    range: tuple[float, float] = (0.0, 2 * math.pi)
    """Between which angles there is something to see."""


def orbit(
    gaussians: Gaussians, count: int, size: tuple[int, int], *, cameras: Sequence[Camera] = (), around: bool = False
) -> CameraPath:
    """`count` cameras for pictures of `size` (H, W) on a closed way; around: as around a thing, also where the scene is a room.

    cameras: of the capture, where there are some; they say which way is up and where one can stand, or that it goes around a thing.
    """
    ground = ground_of(gaussians, up_of(gaussians, cameras))
    phases = [2 * math.pi * number / count for number in range(count)]
    eyes = [ground.axes @ centre(one) for one in cameras]
    spot = None if around or _surrounded(ground, eyes) else _best_spot(gaussians, ground, eyes, size)
    if spot is None:
        distance = _far_enough(ground, size)
        return CameraPath(tuple(_outside(ground, distance, phase, size) for phase in phases), size)
    first, last = spot.range
    turned = last - first >= 2 * math.pi - 1e-6
    yaws = phases if turned else [(first + last) / 2 + (last - first) / 2 * math.sin(phase) for phase in phases]
    return CameraPath(tuple(_inside(ground, spot, yaw, size) for yaw in yaws), size)


def ground_of(gaussians: Gaussians, up: Float[Tensor, " 3"]) -> Ground:
    """The map of a scene."""
    across = torch.linalg.cross(up, torch.eye(3).to(up)[int(up.abs().argmin())])
    across = torch.nn.functional.normalize(across, dim=0)
    axes = torch.stack([across, torch.linalg.cross(up, across), up])
    surface = surface_of(gaussians, MOST)
    points = surface.points @ axes.T
    low, high = (torch.stack(ends) for ends in zip(*(spanned(one, surface.areas) for one in points.T), strict=True))
    cell = float((high - low)[:2].max().clamp_min(1e-6)) / CELLS
    corner, (floor, ceiling) = low[:2] - 2 * cell, (float(low[2]), float(high[2]))
    shape = [int(n) + 4 for n in ((high - low)[:2] / cell).ceil()]
    share = (points[:, 2] - floor) / max(ceiling - floor, 1e-6)
    places = ((points[:, :2] - corner) / cell).floor().long()
    on = (places >= 0).all(1) & (places < torch.tensor(shape)).all(1)
    kept = on & (share > BAND[0]) & (share < BAND[1])
    areas = torch.zeros(*shape, dtype=surface.areas.dtype)
    floored = torch.zeros(*shape, dtype=torch.bool)
    lying = on & (share < LOW) & ((surface.normals @ up).abs() > LEVEL)
    floored[tuple(places[lying].T)] = True
    thinned = max(1.0, len(gaussians) / len(surface.areas))
    areas.index_put_(tuple(places[kept].T), 2 * math.pi * thinned * surface.areas[kept], accumulate=True)
    taken = areas > FILLED * cell * (BAND[1] - BAND[0]) * (ceiling - floor)
    return Ground(axes, floor, ceiling, (float(corner[0]), float(corner[1])), cell, taken.numpy(), floored.numpy())


def _surrounded(ground: Ground, eyes: Sequence[Float[Tensor, " 3"]]) -> bool:
    """Whether cameras stand outside of everything, on all sides of it."""
    if not eyes:
        return False
    low, high = (torch.tensor(corner)[:2] for corner in ground.box)
    away = torch.stack([eye[:2].cpu() for eye in eyes]) - (low + high) / 2
    outside = (away.abs() > (high - low) / 2).any(1)
    heading = torch.nn.functional.normalize(away, dim=1).mean(0)
    return bool(outside.all()) and float(heading.norm()) < ONE_SIDE


def inside_spots(ground: Ground) -> list[Spot]:
    """Places inside a room, some from each part of it: far from what stands in the way, with walls in most directions and a floor below; none outside."""
    free = np.argwhere(~ground.taken)
    if not len(free) or not ground.taken.any() or not ground.floored.any():
        return []
    clear, bare = (distance_transform_edt(~one)[tuple(free.T)] for one in (ground.taken, ground.floored))
    score = clear * (_walls(ground.taken, free).mean(1) >= INSIDE) * (bare <= BARE)
    parts = (free * PARTS // np.array(ground.taken.shape)) @ np.array([PARTS, 1])
    best = [int((score * (parts == part)).argmax()) for part in range(PARTS**2)]
    height = ground.floor + EYE * (ground.ceiling - ground.floor)
    return [
        _spot([*((free[k] + 0.5) * ground.cell + ground.corner), height], ground.cell * float(clear[k]) / 2)
        for k in best
        if score[k] >= CLEAR
    ]


def _walls(taken: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Whether each of RAYS directions (columns) from each place (rows) ends at something on the map."""
    hit = np.zeros((len(places), RAYS), bool)
    angles = 2 * np.pi * np.arange(RAYS) / RAYS
    steps = np.stack([np.cos(angles), np.sin(angles)], 1)
    for far in np.arange(1, math.hypot(*taken.shape), 0.7):
        at = (places[:, None] + 0.5 + far * steps).astype(int)
        on = ((at >= 0) & (at < taken.shape)).all(2)
        at = at.clip(0, np.array(taken.shape) - 1)
        hit |= on & taken[at[..., 0], at[..., 1]]
    return hit


def _best_spot(
    gaussians: Gaussians, ground: Ground, eyes: Sequence[Float[Tensor, " 3"]], size: tuple[int, int]
) -> Spot | None:
    """Where most is seen, and not from too near; where the cameras were if they are known. With the range in which there is something to see."""
    spots = [_spot(eyes[k].tolist(), 0.0) for k in spread(len(eyes), PARTS**2)] if eyes else inside_spots(ground)
    if not spots:
        return None
    rough, small = thinned(gaussians), scaled(size, SMALL / max(size))
    half = ground.cell * max(ground.taken.shape) / 2
    seen = np.array(
        [[_value(rough, _inside(ground, spot, STEP * k, small), small, half) for k in range(VIEWS)] for spot in spots]
    )
    values, filled = seen[..., 0], seen[..., 1].min(1)
    if filled.max() >= ROUND:
        return spots[int((values.min(1) * (filled >= ROUND)).argmax())]
    ahead = np.stack([np.roll(values, k, 1) for k in range(WINDOW)]).mean(0).max(1)
    best = int((ahead + values.mean(1)).argmax())
    return replace(spots[best], range=_widest(values[best] >= WORTH * values[best].max()))


def _spot(place: Iterable[float], back: float) -> Spot:
    across, along, height = map(float, place)
    return Spot(across, along, height, back)


def _value(gaussians: Gaussians, camera: Camera, size: tuple[int, int], half: float) -> tuple[float, float]:
    """How much a view shows: covered pixels, those nearer than half the room for less; and the share that is covered."""
    projected = project(gaussians, camera, size)
    depth, coverage = rasterise(projected, to_camera(gaussians.means, camera)[:, 2:], size)
    return float((depth[0] / half).minimum(coverage).mean()), float(coverage.mean())


def thinned(gaussians: Gaussians) -> Gaussians:
    """A scene as small pictures need it: at most ROUGH of the Gaussians, evenly taken, as much larger as they are fewer."""
    step = -(-len(gaussians) // ROUGH)
    some = gaussians[torch.arange(0, len(gaussians), step)]
    return replace(some, scales=some.scales * step**0.5)


def _widest(good: np.ndarray) -> tuple[float, float]:
    """The widest range of angles (first, last) of the views that are good; a whole turn where all are."""
    if good.all():
        return 0.0, 2 * math.pi
    start, run, best = int(np.flatnonzero(~good)[0]), 0, (0, 0)
    for k in range(start + 1, start + VIEWS + 1):
        run = run + 1 if good[k % VIEWS] else 0
        best = max(best, (run, k))
    return (best[1] - best[0] + 1) * STEP, best[1] * STEP


def _inside(ground: Ground, spot: Spot, yaw: float, size: tuple[int, int]) -> Camera:
    """A step before the spot, looking across it."""
    eye = ground.place(spot.across - spot.back * math.cos(yaw), spot.along - spot.back * math.sin(yaw), spot.height)
    return looking(camera_for(size, FOV).K, eye, ground.ahead(yaw, TILT), ground.axes[2])


def _outside(ground: Ground, distance: float, yaw: float, size: tuple[int, int]) -> Camera:
    """At a distance from the middle of everything, looking at it from above."""
    ahead = ground.ahead(yaw, ABOVE)
    middle = ground.place(*(sum(ends) / 2 for ends in zip(*ground.box, strict=True)))
    return looking(camera_for(size, FOV).K, middle - distance * ahead, ahead, ground.axes[2])


def _far_enough(ground: Ground, size: tuple[int, int]) -> float:
    """The distance at which all of the scene's box is in the picture, from wherever it is seen."""
    corners = torch.stack([ground.place(*corner) for corner in product(*zip(*ground.box, strict=True))])
    slopes = torch.tensor([size[1] / size[0], 1.0]) * math.tan(math.radians(FOV) / 2)
    needed = [0.0]
    for k in range(VIEWS):
        local = to_camera(corners, _outside(ground, 0.0, 2 * math.pi * k / VIEWS, size))
        needed.append(float((local[:, :2].abs() / slopes - local[:, 2:]).amax()))
    return max(needed)
