"""The floor of a scene: the plane on which most of what is called a floor lies."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import max_pool2d, normalize

from relook.gaussians import Gaussians

TRIED, JUDGES = 200, 5000
"""Surfels whose own planes are tried, and those that judge them."""
OFF, TILTED = 0.012, 0.87
"""How far from the plane its surfels lie at most, in parts of their median distance from the cameras; least cosine between both normals."""
WIDE = 14
"""Half the width, in the floor's thicknesses, of holes in it that belong to it."""
SHARE = 0.3
"""Of what is called a floor, the least that must lie on one plane."""
ROUGH_OFF, ROUGH_SHARE = 0.03, 0.2
"""The same two for estimated depth, which is uneven."""


class Plane(NamedTuple):
    """Points x with normal · x = offset."""

    normal: Float[Tensor, " 3"]
    """Unit length, on the cameras' side."""
    offset: float
    thickness: float
    """How far from it its points lie at most, in scene units."""

    def height(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """Above it, in scene units."""
        return points @ self.normal - self.offset

    @property
    def axes(self) -> Float[Tensor, "2 3"]:
        """Two directions in it, at right angles; with the normal they are right-handed."""
        first = normalize(torch.linalg.cross(self.normal, torch.eye(3)[self.normal.abs().argmin()]), dim=0)
        return torch.stack([first, torch.linalg.cross(self.normal, first)])

    def between(self, points: Float[Tensor, "N 3"], some: Bool[Tensor, " N"]) -> Bool[Tensor, " N"]:
        """Which points lie, seen from above, in what is left of `some` of them when it is widened by WIDE thicknesses and narrowed again."""
        place = points @ self.axes.T / self.thickness
        cell = (place - place[some].amin(0) + WIDE + 1).floor().long()
        inside = ((cell >= 0) & (cell <= cell[some].amax(0) + WIDE)).all(1)
        there = torch.zeros(*(cell[some].amax(0) + WIDE + 1).tolist())
        there[cell[some, 0], cell[some, 1]] = 1
        reach = 2 * WIDE + 1
        wide = max_pool2d(there[None, None], reach, 1, WIDE)
        closed = -max_pool2d(-wide, reach, 1, WIDE)[0, 0]
        return inside & (closed[cell[:, 0].clamp(0, closed.shape[0] - 1), cell[:, 1].clamp(0, closed.shape[1] - 1)] > 0)

    def carries(self, points: Float[Tensor, "N 3"], normals: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """1 for the points that are a part of it, by their place and the normals there, else 0."""
        return ((self.height(points).abs() < self.thickness) & ((normals @ self.normal).abs() > TILTED)).float()


def floor_plane(
    gaussians: Gaussians,
    called: Float[Tensor, " N"],
    eyes: Float[Tensor, "V 3"],
    measured: bool = True,
    seed: int = 0,
) -> Plane | None:
    """The plane on which most of `called` (how much of a floor's area each Gaussian is called) lies; None where no plane has SHARE of it.

    measured: whether depth was measured or drawn. RANSAC over the Gaussians' own tangent planes (Fischler, Bolles 1981), then least squares. eyes: the cameras' centres.
    """
    if not bool(called.sum() > 0):
        return None
    generator = torch.Generator().manual_seed(seed)
    some = torch.multinomial(called, min(JUDGES, int((called > 0).sum())), generator=generator)
    points, normals = gaussians.means[some], gaussians.normals[some]
    away = float(torch.cdist(points[:TRIED], eyes).median())
    off, share = (OFF, SHARE) if measured else (ROUGH_OFF, ROUGH_SHARE)
    planes = [Plane(n, float(n @ x), off * away) for x, n in zip(points[:TRIED], normals, strict=False)]
    scores = torch.stack([plane.carries(points, normals).mean() for plane in planes])
    if float(scores.max()) < share:
        return None
    weight = planes[int(scores.argmax())].carries(points, normals).double()
    points = points.double()
    middle = (weight @ points) / weight.sum()
    spread = (points - middle).T @ (weight[:, None] * (points - middle))
    normal = torch.linalg.eigh(spread).eigenvectors[:, 0]
    normal = normal * torch.sign((eyes.double().mean(0) - middle) @ normal)
    return Plane(normal.float(), float(normal @ middle), OFF * away)
