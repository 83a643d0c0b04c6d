"""The floor of a scene: the plane on which most of what is called a floor lies."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from relook.gaussians import Gaussians

TRIED, JUDGES = 200, 5000
"""Surfels whose own planes are tried, and those that judge them."""
OFF, TILTED = 0.012, 0.87
"""How far from the plane its surfels lie at most, in parts of their median distance from the cameras; least cosine between both normals."""
SHARE = 0.3
"""Of what is called a floor, the least that must lie on one plane."""


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

    def carries(self, points: Float[Tensor, "N 3"], normals: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """1 for the points that are a part of it, by their place and the normals there, else 0."""
        return ((self.height(points).abs() < self.thickness) & ((normals @ self.normal).abs() > TILTED)).float()


def floor_plane(
    gaussians: Gaussians, called: Float[Tensor, " N"], eyes: Float[Tensor, "V 3"], seed: int = 0
) -> Plane | None:
    """The plane on which most of `called` (how much of a floor's area each Gaussian is called) lies; None where no plane has SHARE of it.

    RANSAC over the Gaussians' own tangent planes (Fischler, Bolles 1981), then least squares. eyes: the cameras' centres.
    """
    if not bool(called.sum() > 0):
        return None
    generator = torch.Generator().manual_seed(seed)
    some = torch.multinomial(called, min(JUDGES, int((called > 0).sum())), generator=generator)
    points, normals = gaussians.means[some], gaussians.normals[some]
    thickness = OFF * float(torch.cdist(points[:TRIED], eyes).median())
    planes = [Plane(n, float(n @ x), thickness) for x, n in zip(points[:TRIED], normals, strict=False)]
    scores = torch.stack([plane.carries(points, normals).mean() for plane in planes])
    if float(scores.max()) < SHARE:
        return None
    weight = planes[int(scores.argmax())].carries(points, normals).double()
    points = points.double()
    middle = (weight @ points) / weight.sum()
    spread = (points - middle).T @ (weight[:, None] * (points - middle))
    normal = torch.linalg.eigh(spread).eigenvectors[:, 0]
    normal = normal * torch.sign((eyes.double().mean(0) - middle) @ normal)
    return Plane(normal.float(), float(normal @ middle), thickness)
