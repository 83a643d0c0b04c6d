"""Rugs of a walk, decided once where they lie: on the floor's plane, by all frames that see through to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int32, UInt8
from scipy.optimize import minimize
from torch import Tensor
from torch.nn.functional import grid_sample

from relook.gaussians import Gaussians
from relook.lift.scene.decided import Decided, tints_of
from relook.lift.scene.floor import Plane
from relook.ops.flat import before, homography, places
from relook.perceive.segment.vocabulary import canonical
from relook.types import Camera

CELL = 0.7
"""Side of a cell of the plane, in its thicknesses."""
FAR = 2.5
"""Cells of the plane that a pixel may show: what lies farther says little."""
CALLED = 0.4
"""Share of the frames that see a cell which must call it a rug: it is a floor to a network more often than a floor is a rug."""
CLOSED = 0.06
"""Gaps that are closed, as a share of the extent of all rugs."""
BETWEEN, LITTLE = 1.0, 0.1
"""Deviation in cells of the smoothing of what frames say, as far pixels are sparse there; and what counts as little of it."""
SIMPLE = 0.9
"""Share of what its cells say for a rug's own outline that must speak for a quadrilateral, or else for its convex hull, to be the rug: what frames do
not see of it, or under a table take for the floor, is then a part of it."""
OPENED = 2
"""Half the width in cells of what is too thin for a rug."""
FIRST, TRIES = 5.0, 800
"""Cells of the first steps by which its corners are moved, and how often."""
SMALL = 150
"""Cells below which it is none."""


@runtime_checkable
class Seen(Protocol):
    """What is known of a frame."""

    @property
    def labels(self) -> UInt8[Tensor, "h w"]:
        """Numbers of names."""

    @property
    def confidence(self) -> Float[Tensor, "h w"]:
        """How sure they are."""

    @property
    def camera(self) -> Camera | None:
        """None where the frame has no place."""


class Rugs(NamedTuple):
    """Where rugs lie on a plane."""

    plane: Plane
    corner: Float[Tensor, " 2"]
    """Of the first cell, along the plane's axes."""
    side: float
    """Of a cell, in scene units."""
    inside: Float[Tensor, "rows columns"]
    """1 in a rug."""

    def at(self, place: Float[Tensor, "2 N"]) -> Float[Tensor, " N"]:
        """How far places along the plane's axes are in a rug: 0 beyond what was seen."""
        size = torch.tensor([self.inside.shape[1], self.inside.shape[0]])
        grid = (place.T - self.corner) / self.side / size * 2 - 1
        return grid_sample(self.inside[None, None], grid[None, None], align_corners=False)[0, 0, 0]

    def of_points(self, points: Float[Tensor, "N 3"]) -> Bool[Tensor, " N"]:
        """Which points are above or below one."""
        return self.at(self.plane.axes @ points.T) > 0.5

    def shown(self, camera: Camera, size: tuple[int, int]) -> Float[Tensor, "H W"]:
        """How far every pixel of a picture would be in a rug if it showed the plane."""
        H = _homography(self.plane, camera)
        sees, found = before(H, size), torch.zeros(size)
        found[sees] = self.at(places(H, sees).place)
        return found


def rugs_on(plane: Plane, frames: Sequence[Seen], rug: Sequence[int], floor: Sequence[int]) -> Rugs | None:
    """The rugs on a floor: cells that enough of the frames call so, as whole shapes; None where there are none.

    frames: with labels that say rug (numbers) or floor (numbers) of pixels that show the plane.
    """
    side, seen = CELL * plane.thickness, []
    for frame in (one for one in frames if one.camera is not None):
        labels = frame.labels.long()
        lies = torch.isin(labels, torch.tensor([*rug, *floor]))
        H = _homography(plane, frame.camera)  # type: ignore[arg-type]
        lies &= before(H, (lies.shape[0], lies.shape[1]))
        found = places(H, lies)
        near = found.grain < FAR * side
        if bool(near.any()):
            called = torch.isin(labels[lies][near], torch.tensor(rug)).float()
            seen.append((found.place[:, near], called, frame.confidence[lies][near]))
    if not any(bool(called.any()) for _, called, _ in seen):
        return None
    corner = torch.stack([place[:, called > 0].amin(1) for place, called, _ in seen if bool(called.any())]).amin(0)
    far = torch.stack([place[:, called > 0].amax(1) for place, called, _ in seen if bool(called.any())]).amax(0)
    columns, rows = ((far - corner) / side).floor().long().add(1).tolist()
    votes = torch.zeros(2, rows * columns)
    for place, called, sure in seen:
        x, y = ((place - corner[:, None]) / side).floor().long()
        here = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
        cell = (y * columns + x)[here]
        sums = torch.zeros(3, rows * columns)
        sums.index_add_(1, cell, torch.stack([called[here] * sure[here], sure[here], torch.ones_like(sure[here])]))
        votes += sums[:2] / sums[2].clamp_min(1)
    said, seen_by = (cv2.GaussianBlur(one.view(rows, columns).numpy(), (0, 0), BETWEEN) for one in votes)
    inside = _whole(torch.from_numpy((said - CALLED * seen_by) / (seen_by + LITTLE)))
    return Rugs(plane, corner, side, inside) if bool(inside.any()) else None


def with_rugs(found: Decided, gaussians: Gaussians, rugs: Rugs) -> Decided:
    """What lies on the floor is rug in a rug and floor beside it, each of the region that has most of its colour."""
    kinds = [canonical(name) for name in found.names]
    rug, floor = (torch.tensor([kind == wanted for kind in kinds]) for wanted in ("rug", "floor"))
    inside, region = rugs.of_points(gaussians.means), found.region.clone()
    tints = tints_of(gaussians.colours.clamp(0, 1))
    for wrong, right in ((inside & floor[region], rug), (~inside & rug[region], floor)):
        there = [number for number in right.nonzero()[:, 0].tolist() if bool((found.region == number).any())]
        numbers = torch.tensor(there or right.nonzero()[:1, 0].tolist(), dtype=region.dtype)
        if len(numbers) and bool(wrong.any()):
            region[wrong] = numbers[torch.cdist(tints[wrong], found.tints[numbers]).argmin(1)]
    return found._replace(region=region)


def _whole(gain: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
    """Rugs as shapes. gain: what speaks for a rug in every cell, less what speaks against it."""
    reach = max(OPENED, round(CLOSED * max(gain.shape)))
    closing, opening = (_disc(one) for one in (reach, OPENED))
    wide = np.pad(gain.numpy(), 2 * reach)
    called = cv2.morphologyEx(cv2.morphologyEx(_mask(wide > 0), cv2.MORPH_OPEN, opening), cv2.MORPH_CLOSE, closing)
    shapes, _ = cv2.findContours(called, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    result = np.zeros_like(called)
    for shape in (one for one in shapes if cv2.contourArea(one) >= SMALL):
        own, hull = _filled(shape, called.shape), cv2.convexHull(shape)
        least = SIMPLE * float(wide[own > 0].sum())
        tried = (_quadrilateral(wide, hull), _filled(hull, called.shape))
        result = np.maximum(result, next((one for one in tried if wide[one > 0].sum() >= least), own))
    return torch.from_numpy(result[2 * reach : -2 * reach, 2 * reach : -2 * reach].astype(np.float32))


def _quadrilateral(
    gain: Float[np.ndarray, "rows columns"], hull: Int32[np.ndarray, "n 1 2"]
) -> UInt8[np.ndarray, "rows columns"]:
    """Cells of that for which most speaks, found from the rectangle around a hull: planes and cameras are not exact, so angles are not right ones."""
    columns, rows = np.meshgrid(np.arange(gain.shape[1]), np.arange(gain.shape[0]))

    def margin(corners: Float[np.ndarray, " 8"]) -> Float[np.ndarray, "rows columns"]:
        points = corners.reshape(4, 2)
        steps = np.roll(points, -1, 0) - points
        lines = zip(points, steps / np.linalg.norm(steps, axis=1).clip(1e-6)[:, None], strict=True)
        return np.min([dx * (rows - y) - dy * (columns - x) for (x, y), (dx, dy) in lines], 0)

    start = cv2.boxPoints(cv2.minAreaRect(hull)).astype(np.float64).flatten()
    found = minimize(
        lambda corners: -float((gain * (margin(corners) + 0.5).clip(0, 1)).sum()), start, method="Nelder-Mead",
        options={"initial_simplex": start + np.vstack([np.zeros(8), FIRST * np.eye(8)]), "maxfev": TRIES},
    )  # fmt: skip
    return _mask(margin(found.x) > 0)


def _filled(outline: Int32[np.ndarray, "n 1 2"], size: tuple[int, ...]) -> UInt8[np.ndarray, "rows columns"]:
    """Cells within it."""
    return cv2.drawContours(np.zeros(size, np.uint8), [outline], -1, 1, cv2.FILLED)


def _mask(cells: Bool[np.ndarray, "rows columns"]) -> UInt8[np.ndarray, "rows columns"]:
    return cells.astype(np.uint8)


def _disc(reach: int) -> UInt8[np.ndarray, "n n"]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))


def _homography(plane: Plane, camera: Camera) -> Float[Tensor, "3 3"]:
    """Of places along the plane's axes."""
    first, second = plane.axes
    return homography(camera, plane.offset * plane.normal, first, second)
