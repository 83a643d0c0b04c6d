"""The floor of a walk without cameras: as one plane that the pictures alone hold in place, with a camera over it for every frame that shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from relook.lift.ahead import ahead
from relook.lift.carry import LEAST
from relook.lift.followed.labels import FollowedLabels
from relook.lift.followed.plane import FloorMatches, Known, Poses, solved
from relook.lift.followed.tracks import Ground, Shared, ground_in
from relook.lift.scene.ground import Ground as GroundPlane
from relook.lift.source import ViewSource
from relook.ops.flat import before, places
from relook.ops.geometry import pixel_centres
from relook.ops.resize import at_most, resized
from relook.perceive.layout import room_layout
from relook.perceive.layout.planes import SURE
from relook.perceive.layout.room import EYE
from relook.perceive.segment.regions import ids_named
from relook.progress import SILENT, Progress
from relook.types import Camera, Layout, Segments, View

SIDE = 640
"""Longer side of the pictures in which points are followed, at most."""
LOOKED = 5
"""Frames in whose lines the room's directions are looked for, of those that show most of the floor, at most."""
LIKELY, ENOUGH, TILTED = 0.2, 3, 0.07
"""Confidence of directions that count where as many frames agree on them (else one must be SURE), and by how much (radians) these may be off the floor
that is found, in the median."""
STEADY = 0.8
"""Pixels of SIDE by which the points of a frame are off, in the median, where it is held in place."""
WHOLE = 0.85
"""Share of what a walk shows of its floor that must be held in place: else no pattern lies on it."""
MOST = 60_000
"""Matches by which all frames are held, at most."""
POINTS, BEYOND = 400, 9.0
"""Points of the floor that each frame gives, and how far from its camera they are at most, in heights of the camera."""


@dataclass(frozen=True)
class OnFloor:
    """A walk whose frames have cameras over its floor."""

    source: ViewSource
    floor: FollowedFloor

    def __len__(self) -> int:
        return len(self.source)

    def view(self, number: int) -> View:
        """A view by its number, from 0."""
        return replace(self.source.view(number), camera=self.floor.cameras.get(number))


@dataclass(frozen=True)
class FollowedFloor:
    """The floor of a walk, and how its frames see it."""

    cameras: Mapping[int, Camera]
    """Of the frames that are held in place, for their whole pictures; the world is the floor's, y down, in metres if cameras are EYE above it."""
    points: Float[Tensor, "N 3"]
    """Places of it that frames show."""
    off: float
    """Pixels of 640 by which points of it are off, in the median."""

    @property
    def plane(self) -> GroundPlane:
        """It as a plane with axes along the room's, the longer one ahead."""
        low, high = self.points[:, [0, 2]].quantile(torch.tensor([0.05, 0.95]), dim=0)
        across, ahead = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])
        wide = float((high - low)[0]) > float((high - low)[1])
        return GroundPlane(torch.zeros(3), -ahead if wide else across, across if wide else ahead, 1.0)


def followed_floor(source: ViewSource, labels: FollowedLabels, progress: Progress = SILENT) -> FollowedFloor | None:
    """The floor of a walk; None where it is not held in place in nearly all that the walk shows of it, or no line says how it lies."""
    shared, area = Shared(), np.zeros(len(source))
    views = ((number, source.view(number)) for number in range(len(source)))
    with progress.stage("following the floor", len(source)) as tick:
        for number, ground in enumerate(ahead(partial(_shown, labels), views)):
            shared.add(ground, _guess(labels, number, ground) if number else None)
            area[number] = float(ground.mask.sum())
            tick(number + 1)
    part = max(_parts(shared.steps, len(source)), key=lambda frames: area[frames].sum())
    if area.sum() == 0 or area[part].sum() < WHOLE * area.sum():
        return None
    layouts = dict(_layouts(source, labels, sorted(part, key=lambda one: -area[one])))
    if len(layouts) < ENOUGH and not any(one.directions >= SURE for one in layouts.values()):
        return None
    poses, known = _first(shared.steps, part, layouts)
    matches = _among(shared.matches, part)
    found, off = solved(poses, matches, known)
    if known.tilt(found) > TILTED:
        return None
    return _held(source, labels, (part, found), _off_in(off, matches, len(part)), area)


def _shown(labels: FollowedLabels, one: tuple[int, View]) -> Ground:
    """The floor as a frame shows it, in a picture of SIDE at most."""
    number, view = one
    image = resized(view.image, at_most(view.size, SIDE))
    return ground_in(image, _mask(labels.rough(number, (image.shape[1], image.shape[2]))))


def _mask(segments: Segments) -> UInt8[np.ndarray, "H W"]:
    """1 on the floor."""
    return np.asarray(segments.among(ids_named(segments, "floor")).to(torch.uint8).numpy())


def _guess(labels: FollowedLabels, number: int, ground: Ground) -> Float[np.ndarray, "3 3"] | None:
    """By which homography the floor moves from the frame before to this one, as flow says."""
    flow, sure = labels.step(number)
    height, width = sure.shape
    seen = cv2.resize(ground.mask, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    there = (seen & (sure > LEAST)).nonzero()
    if len(there[0]) < 60:
        return None
    some = slice(None, None, 1 + len(there[0]) // 2000)
    here = pixel_centres((height, width)).numpy()[there][some].astype(np.float32)
    moved = here + flow.transpose(1, 2, 0)[there][some].astype(np.float32)
    scale = np.array([ground.mask.shape[1] / width, ground.mask.shape[0] / height], np.float32)
    H, _ = cv2.findHomography(moved * scale, here * scale, cv2.USAC_MAGSAC, 2.0)
    return None if H is None else np.asarray(H)


def _parts(steps: Mapping[tuple[int, int], object], frames: int) -> list[list[int]]:
    """Frames that hang together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    one, two = np.array(list(steps), np.int64).reshape(-1, 2).T
    _, part = connected_components(coo_array((np.ones(len(one)), (one, two)), (frames, frames)), directed=False)
    return [np.flatnonzero(part == number).tolist() for number in range(int(part.max()) + 1)]


def _among(matches: FloorMatches, part: Sequence[int]) -> FloorMatches:
    """Those of frames of a part, which are counted as they come in it."""
    inside = np.isin(matches.first, part)
    first, second = (np.searchsorted(part, one[inside]) for one in (matches.first, matches.second))
    here, there = (points[inside].astype(float) for points in (matches.here, matches.there))
    some = slice(None, None, 1 + len(first) // MOST)
    return FloorMatches(first[some], second[some], here[some], there[some])


def _layouts(source: ViewSource, labels: FollowedLabels, order: Sequence[int]) -> Iterator[tuple[int, Layout]]:
    """Of frames that show much of the floor, the layouts whose directions are known, the surest first, in pictures of SIDE at most."""
    found = []
    for number in order[:: 1 + (len(order) >= 2 * LOOKED)][:LOOKED]:
        view = source.view(number)
        image = resized(view.image, at_most(view.size, SIDE))
        layout = room_layout(View(image, labels.rough(number, (image.shape[1], image.shape[2]))))
        if layout is not None and layout.directions >= LIKELY:
            found.append((number, layout))
        if sum(layout.directions >= SURE for _, layout in found) >= ENOUGH - 1:
            break
    yield from sorted(found, key=lambda one: -one[1].directions)


def _first(
    steps: Mapping[tuple[int, int], Float[np.ndarray, "3 3"]], part: Sequence[int], layouts: Mapping[int, Layout]
) -> tuple[Poses, Known]:
    """Poses of a part by chains of homographies from the frame whose directions are surest, and what lines say."""
    reference, layout = next(iter(layouts.items()))
    focal = float(np.median([float(one.camera.K[0, 0]) for one in layouts.values()]))
    pose = layout.camera.world_to_camera.double().numpy()
    turns, shifts = np.tile(np.eye(3), (len(part), 1, 1)), np.zeros((len(part), 3))
    middle = np.array([layout.size[1] / 2, layout.size[0] / 2])
    start, place = Poses(turns, shifts, focal, middle), {number: at for at, number in enumerate(part)}
    turns[place[reference]], shifts[place[reference]] = pose[:3, :3], pose[:3, 3]
    edges = sorted(
        ((one, two, H) for (one, two), H in steps.items() if one in place), key=lambda edge: edge[1] - edge[0]
    )
    edges += [(two, one, np.linalg.inv(H)) for one, two, H in edges]
    known, grown = {reference}, True
    while grown:
        grown = False
        for one, two, H in edges:
            if one in known and two not in known:
                turns[place[two]], shifts[place[two]] = _pose(start, place[one], H)
                known.add(two)
                grown = True
    axes = [(place[reference], 0, pose[:3, 0])]
    axes += [(place[one], 1, -layouts[one].up.double().numpy()) for one in layouts]
    return start, Known(axes, focal)


def _pose(
    poses: Poses, frame: int, H: Float[np.ndarray, "3 3"]
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]:
    """Turn and shift of a camera to which the floor moves by H from a frame's."""
    found = np.linalg.inv(poses.K) @ H @ poses.homography(frame)
    found = found / np.sqrt(np.linalg.norm(found[:, 0]) * np.linalg.norm(found[:, 1]))
    down = np.cross(found[:, 1], found[:, 0])  # the same for -found
    if down @ found[:, 2] < 0:  # a camera is above the floor: its down axis and its shift agree
        found = -found
    left, _, right = np.linalg.svd(np.stack([found[:, 0], down, found[:, 1]], 1))
    return left @ right, found[:, 2]


def _off_in(off: Float[np.ndarray, " M"], matches: FloorMatches, frames: int) -> Float[np.ndarray, " F"]:
    """How far the matches of every frame are off, in the median."""
    return np.array([np.median(off[(matches.first == one) | (matches.second == one)]) for one in range(frames)])


def _held(
    source: ViewSource,
    labels: FollowedLabels,
    found: tuple[Sequence[int], Poses],
    off: Float[np.ndarray, " F"],
    area: Float[np.ndarray, " V"],
) -> FollowedFloor | None:
    """The floor with the cameras of the frames that are held in place; None where these show too little of it."""
    part, poses = found
    poses = replace(poses, shifts=poses.shifts * (EYE / float(np.median(poses.heights))))
    steady = [place for place in range(len(part)) if off[place] < STEADY and poses.heights[place] > 0.3 * EYE]
    if area[[part[place] for place in steady]].sum() < WHOLE * area.sum():
        return None
    small = (round(2 * poses.middle[1]), round(2 * poses.middle[0]))
    size, cameras, points = source.view(0).size, {}, []
    for place in steady:
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = poses.turns[place], poses.shifts[place]
        camera = Camera(torch.from_numpy(poses.K).float(), torch.from_numpy(pose).float())
        cameras[part[place]] = camera.resized(small, size)
        points.append(
            _points(torch.from_numpy(poses.homography(place)).float(), _mask(labels.rough(part[place], small)))
        )
        near = (points[-1] - torch.from_numpy(-poses.turns[place].T @ poses.shifts[place]).float()).norm(dim=1)
        points[-1] = points[-1][near < BEYOND * EYE]
    return FollowedFloor(cameras, torch.cat(points), float(np.median(off)))


def _points(H: Float[Tensor, "3 3"], mask: UInt8[np.ndarray, "H W"]) -> Float[Tensor, "N 3"]:
    """Places of the floor that a frame shows, POINTS at most."""
    seen = torch.from_numpy(mask > 0) & before(H, (mask.shape[0], mask.shape[1]))
    u, v = places(H, seen).place
    some = slice(None, None, 1 + len(u) // POINTS)
    return torch.stack([u[some], torch.zeros_like(u[some]), v[some]], 1)
