"""Bringing two descriptions of one room together: similarity transforms of points and cameras, scale and shift of depth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.errors import GeometryError, ShapeError
from relook.ops.geometry import known_depth
from relook.types import Camera

ROUNDS = 30
"""Rounds of reweighting of the robust fits."""
STEEPEST = 8.0
"""A fit of depth may not stretch disparity by more or less than this factor beyond what the median ratio says."""


@dataclass(frozen=True)
class Similarity:
    """x -> scale R x + t."""

    scale: float
    rotation: Float[Tensor, "3 3"]
    translation: Float[Tensor, "3"]

    def points(self, points: Float[Tensor, "*N 3"]) -> Float[Tensor, "*N 3"]:
        """Points carried over."""
        return self.scale * (points @ self.rotation.to(points).T) + self.translation.to(points)

    def camera(self, camera: Camera) -> Camera:
        """The camera that sees the carried points where the camera passed in sees the points."""
        pose = camera.world_to_camera
        rotation = pose[:3, :3] @ self.rotation.to(pose).T
        carried = torch.eye(4, dtype=pose.dtype, device=pose.device)
        carried[:3, :3] = rotation
        carried[:3, 3] = self.scale * pose[:3, 3] - rotation @ self.translation.to(pose)
        return Camera(camera.K, carried)


def centre(camera: Camera) -> Float[Tensor, "3"]:
    """Where a camera stands in the world: -R^T t."""
    return -camera.world_to_camera[:3, :3].T @ camera.world_to_camera[:3, 3]


def relative_to_first(cameras: list[Camera], scale: float = 1.0) -> Similarity:
    """The similarity after which the first camera is the world's origin and lengths are `scale` times as long."""
    pose = cameras[0].world_to_camera
    return Similarity(scale, pose[:3, :3], scale * pose[:3, 3])


def align_cameras(found: list[Camera], exact: list[Camera]) -> Similarity:
    """The similarity that carries found cameras to the exact ones; also defined when they stand on one line.

    Rotation: the mean of every camera's R_exact^T R_found (nearest rotation to the sum); scale and shift: least squares of the
    centres. Cameras that all stand on one spot leave the scale open: it is 1 then.
    """
    if len(found) != len(exact) or not found:
        raise ShapeError(f"Expected as many found as exact cameras, got {len(found)} and {len(exact)}; pair them.")
    pairs = zip(found, exact, strict=True)
    total = torch.stack([e.world_to_camera[:3, :3].T @ f.world_to_camera[:3, :3] for f, e in pairs]).double().sum(0)
    rotation = nearest_rotation(total).to(found[0].world_to_camera)
    a = torch.stack([rotation @ centre(camera) for camera in found])
    b = torch.stack([centre(camera) for camera in exact]).to(a)
    around, spread = a - a.mean(0), float((a - a.mean(0)).square().sum())
    scale = max(float((around * (b - b.mean(0))).sum()) / spread, 1e-6) if spread > 1e-12 else 1.0
    return Similarity(scale, rotation, b.mean(0) - scale * a.mean(0))


def nearest_rotation(matrix: Float[Tensor, "3 3"]) -> Float[Tensor, "3 3"]:
    """The rotation with the least squared distance to a matrix."""
    left, _, right = torch.linalg.svd(matrix)
    signs = torch.ones(3, dtype=matrix.dtype)
    signs[2] = torch.sign(torch.linalg.det(left @ right))
    return left @ torch.diag(signs) @ right


def rotation_angle(rotation: Float[Tensor, "3 3"]) -> float:
    """The angle of a rotation in degrees, exact for small ones: atan2(|sin|, cos)."""
    r = rotation.double()
    sine = torch.stack([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]]).norm() / 2
    return float(torch.rad2deg(torch.atan2(sine, (torch.trace(r) - 1) / 2)))


@dataclass(frozen=True)
class DisparityFit:
    """1 / depth = slope / estimate + offset."""

    slope: float
    offset: float
    inliers: Bool[Tensor, " N"]
    """Which of the known depths the fit explains."""

    def apply(self, estimate: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Depth for estimates; what would lie behind infinity is put at forty times the median depth."""
        disparity = self.slope / estimate + self.offset
        floor = float(disparity.median()) / 40 if float(disparity.median()) > 0 else self.slope / 40
        return 1 / disparity.clamp_min(max(floor, 1e-9))


def fit_disparity(
    estimate: Float[Tensor, " N"], known: Float[Tensor, " N"], *, tolerance: float = 0.1, shift: bool = True
) -> DisparityFit:
    """Scale and shift of disparity that carry estimated depth to known depth, whatever a third of the known depths says.

    Least squares of 1 / known against 1 / estimate, reweighted with Geman-McClure weights on the relative error of depth (width
    `tolerance`), started from the median ratio. Without `shift`, or where the fit would turn the order round, only the scale.
    Raises GeometryError for fewer than two pairs of finite, positive depths.
    """
    good = known_depth(estimate) & known_depth(known)
    if int(good.sum()) < 2:
        raise GeometryError(f"Expected at least two known depths to fit, got {int(good.sum())}; give more.")
    x, y = 1 / estimate[good].double(), 1 / known[good].double()
    ratio = float((y / x).median())
    slope, offset = ratio, 0.0
    width = max(tolerance, float((ratio * x / y - 1).abs().median()) * 2)
    for _ in range(ROUNDS):
        weights = (1 + ((slope * x + offset) / y - 1).square() / width**2).reciprocal().square() / y.square()
        if not shift or int(good.sum()) < 4:
            slope = float((weights * x * y).sum() / (weights * x * x).sum())
        else:
            mean_x, mean_y = (weights * x).sum() / weights.sum(), (weights * y).sum() / weights.sum()
            spread = (weights * (x - mean_x).square()).sum()
            slope = float((weights * (x - mean_x) * (y - mean_y)).sum() / spread.clamp_min(1e-12))
            offset = float(mean_y - slope * mean_x)
        width = max(tolerance, width * 0.8)
    if shift and not ratio / STEEPEST < slope < ratio * STEEPEST:
        return fit_disparity(estimate, known, tolerance=tolerance, shift=False)
    inliers = torch.zeros_like(good)
    inliers[good] = ((slope * x + offset) / y - 1).abs() < 2 * tolerance
    return DisparityFit(slope, offset, inliers)
