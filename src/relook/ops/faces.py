"""Rough depth made of flat faces that are square to the room, region by region: what a box-like room and its furniture look like."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relook.errors import ShapeError
from relook.ops.geometry import pixel_centres
from relook.ops.guided import box
from relook.ops.normals import facing
from relook.types import ids_in

MOST = 8
"""Faces of a region."""
LEAST_SHARE, LEAST_PIXELS = 0.03, 12
"""Of a region, and at all, that a face has to explain."""
NEAR = 0.06
"""Difference of the logarithms of two depths that counts as about the same."""
BINS = 0.02
"""Width of the bins in which distances of faces are looked for, as a difference of logarithms."""
TURNED = 0.7
"""What it costs a pixel to face 90 degrees away from its face, where NEAR costs 1."""
FARTHEST_OFF = 3.0
"""More than so many NEARs cost no more."""
WINDOW = 0.02
"""Half the window within which neighbours agree on a face, as a part of the longer side."""
TRUSTED = 0.3
"""A face that would be off by more, as a difference of logarithms, is not believed."""
APART = 0.2
"""Faces of a region that face alike are at least so much apart, as a difference of logarithms."""
AXES, UPRIGHT, LEVEL = (0, 1, 2), (0, 2), (1,)
"""Across, down, ahead; those that walls face along; that of floors and ceilings."""


class Face(NamedTuple):
    """A plane of points whose coordinate along one axis of the room is `distance`."""

    axis: int
    distance: float


def square_faces(
    depth: Float[Tensor, "H W"],
    labels: Int[Tensor, "h w"],
    K: Float[Tensor, "3 3"],
    axes: Float[Tensor, "3 3"],
    upright: Mapping[int, bool],
) -> Float[Tensor, "H W"]:
    """The depth of the faces that explain each region's depth and normals best; NaN where none does.

    A face is a plane across an axis (row of `axes`, in the camera's axes): its depth along the ray r is distance / (axis . r). Faces are found
    greedily, the one that explains most of what is left first; every pixel takes the one that its neighbourhood agrees on. upright: what is
    known of regions by their id: True for walls, which are seen from inside, so that the nearest one wins; False for what is level. Raises
    ShapeError for labels of another size.
    """
    if depth.shape != labels.shape:
        raise ShapeError(f"Expected labels of {tuple(depth.shape)}, got {tuple(labels.shape)}; resize them.")
    normals = facing(depth, labels, K).normals
    x, y = pixel_centres((depth.shape[0], depth.shape[1])).unbind(-1)
    rays = torch.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], torch.ones_like(x)])
    steps = (axes @ rays.flatten(1)).view(rays.shape)
    turned = (axes @ normals.flatten(1)).abs().view(rays.shape)
    reach, result = max(1, round(WINDOW * max(depth.shape))), torch.full_like(depth, math.nan)
    for id in ids_in(labels):
        where = labels == id
        rows, columns = (_stretch(where.any(dim)) for dim in (1, 0))
        part = (slice(None), rows, columns)
        region = _Region(where[part[1:]], depth[part[1:]].log(), steps[part], turned[part])
        faces = region.faces(AXES if id not in upright else UPRIGHT if upright[id] else LEVEL)
        if faces:
            flat, sure = region.flat(faces, reach, inside=upright.get(id, False))
            result[part[1:]][sure] = flat[sure]
    return result


class _Region(NamedTuple):
    """What lies in the rectangle around one region."""

    where: Bool[Tensor, "h w"]
    log_depth: Float[Tensor, "h w"]
    steps: Float[Tensor, "3 h w"]
    """How far a ray goes along each axis per unit of depth."""
    turned: Float[Tensor, "3 h w"]
    """Cosine between the normal and each axis, without a sign."""

    def faces(self, axes: Sequence[int]) -> list[Face]:
        """Faces that explain the region, greedily."""
        left, found = self.where.clone(), list[Face]()
        least = max(LEAST_PIXELS, LEAST_SHARE * int(self.where.sum()))
        while len(found) < MOST:
            best = (self._best(axis, sign, left, found) for axis in axes for sign in (-1, 1))
            seen, face = max(best, key=lambda one: one[0])
            if seen < least:
                break
            found.append(face)
            left &= ~(self._off(face) < 1)
        return found

    def flat(
        self, faces: Sequence[Face], reach: int, *, inside: bool
    ) -> tuple[Float[Tensor, "h w"], Bool[Tensor, "h w"]]:
        """Depth of the face that each pixel's neighbourhood in the region agrees on, and where it is to be believed."""
        off = torch.stack([self._off(face) for face in faces])
        cost = off.clamp_max(FARTHEST_OFF) + TURNED * (1 - self.turned[[face.axis for face in faces]])
        cost = box(cost * self.where, reach)
        chosen = torch.where(off < TRUSTED / NEAR, cost, torch.inf).argmin(0, keepdim=True)
        depths = torch.stack([face.distance / self.steps[face.axis] for face in faces])
        if inside:
            nearest = torch.where(off.isinf(), torch.inf, depths).argmin(0, keepdim=True)
            chosen = torch.where(off.gather(0, nearest) < TRUSTED / NEAR, nearest, chosen)
        return depths.gather(0, chosen)[0], self.where & (off.gather(0, chosen)[0] < TRUSTED / NEAR)

    def _best(self, axis: int, sign: int, left: Bool[Tensor, "h w"], found: Sequence[Face]) -> tuple[float, Face]:
        """The distance along an axis, apart from those found, at which most pixels that face that way lie, and how many do."""
        where = left & (sign * self.steps[axis] > 1e-3)
        if not bool(where.any()):
            return 0.0, Face(axis, float(sign))
        logs = self.log_depth[where] + (sign * self.steps[axis][where]).log()
        weights = self.turned[axis][where] ** 4
        bins = ((logs - logs.min()) / BINS).long()
        counts = torch.zeros(int(bins.max()) + 1).index_add_(0, bins, weights)
        window = 2 * round(NEAR / BINS) + 1
        sums = torch.nn.functional.avg_pool1d(counts[None], window, 1, window // 2)[0] * window
        places = logs.min() + (torch.arange(len(counts)) + 0.5) * BINS
        for face in found:
            if face.axis == axis and face.distance * sign > 0:
                sums[(places - math.log(abs(face.distance))).abs() < APART] = 0
        middle = places[sums.argmax()]
        near = (logs - middle).abs() < NEAR
        order = logs[near].sort()
        running = weights[near][order.indices].cumsum(0)
        median = order.values[(running < running[-1:] / 2).sum()] if len(running) else middle
        return float(sums.max()), Face(axis, sign * float(median.exp()))

    def _off(self, face: Face) -> Float[Tensor, "h w"]:
        """How far each pixel's depth is from a face, in NEARs; infinite where the ray never meets it."""
        ratio = self.steps[face.axis] / face.distance
        off = (self.log_depth + ratio.clamp_min(1e-9).log()).abs() / NEAR
        return torch.where(ratio > 1e-3 / abs(face.distance), off, torch.inf)


def _stretch(shown: Bool[Tensor, " n"]) -> slice:
    """From the first to the last place that is shown."""
    places = shown.nonzero()
    return slice(int(places[0]), int(places[-1]) + 1)
