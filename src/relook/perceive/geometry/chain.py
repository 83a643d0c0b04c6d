"""Cameras of a walk from matches and estimated depth: each view's pose relative to the one before it, chained.

Matches give the rotation and the direction of the step exactly; only its length, and steps too small to triangulate, lean on the depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.errors import GeometryError
from relook.ops.align import fit_disparity
from relook.ops.geometry import sample
from relook.perceive.geometry.colmap import guessed_intrinsics
from relook.perceive.match.points import KeypointMatcher
from relook.types import Camera, Depth, Sparse, View

FEWEST = 12
"""Matches that two views must have in common."""
PIXELS = 1.5
"""Distance in pixels from the epipolar line, or from the projection, at which a match no longer counts (for 640 pixels)."""
PARALLAX = 0.5
"""Median angle in degrees between the rays of a match, after the rotation is taken out, below which the depth tells the pose."""
SEED = 0
"""Seed of the random draws."""


class Step(NamedTuple):
    """How one view's camera lies to the one before, and the points that both see."""

    pose: Float[Tensor, "4 4"]
    """From the first camera's axes to the second's."""
    first: Float[Tensor, "N 2"]
    """Where the first view sees the points."""
    second: Float[Tensor, "N 2"]
    """Where the second view sees them."""
    points: Float[Tensor, "N 3"]
    """The points in the first camera's axes."""


def chain(views: Sequence[View], depths: Sequence[Depth], match: KeypointMatcher) -> list[Sparse]:
    """Camera and points of every view; the first camera is the world's origin, lengths are those of the depth.

    Views follow each other as in a walk. Raises GeometryError naming the views that have too little in common.
    """
    if len(views) < 2:
        raise GeometryError(f"Expected at least two views, got {len(views)}; add views of the same room.")
    intrinsics = [guessed_intrinsics(view.size) if view.camera is None else view.camera.K for view in views]
    poses, steps = [torch.eye(4)], []
    for number in range(1, len(views)):
        pair = slice(number - 1, number + 1)
        found = match(views[number - 1], views[number])
        try:
            steps.append(relative_pose(found.first, found.second, intrinsics[pair], depths[pair], views[number].size))
        except GeometryError as error:
            raise GeometryError(
                f"Expected views {number - 1} and {number} to show the same things, got {len(found.first)} matches that do not "
                "fit one move of the camera; put a view between them."
            ) from error
        poses.append(steps[-1].pose @ poses[-1])
    cameras = [Camera(K, pose) for K, pose in zip(intrinsics, poses, strict=True)]
    return [_seen(cameras, steps, number) for number in range(len(views))]


def relative_pose(
    first: Float[Tensor, "N 2"],
    second: Float[Tensor, "N 2"],
    intrinsics: Sequence[Float[Tensor, "3 3"]],
    depths: Sequence[Depth],
    size: tuple[int, int],
) -> Step:
    """The step between two views from matches (pixels), intrinsics and depth of both.

    Two candidates: the essential matrix of the matches (Nister 2004, with MAGSAC++), and the pose that sees the first view's depth at
    the matches (PnP), refined on the epipolar lines. The one that more matches obey wins; where they tie (a plane has two essential
    matrices) the one whose triangulated depth agrees with the estimate. Raises GeometryError for too few matches.
    """
    rays = [_rays(pixels, K) for pixels, K in zip((first, second), intrinsics, strict=True)]
    width = PIXELS * max(size) / 640 / float(intrinsics[0][0, 0])
    own = sample(depths[0].values[None], first[None])[0, 0]
    if len(first) < FEWEST:
        raise GeometryError(f"Expected at least {FEWEST} matches, got {len(first)}; use views that overlap more.")
    candidates = []
    by_depth = _pose_of_depth(rays[0], rays[1], own, width)
    for rough in (_pose_of_rays(rays[0], rays[1], width), by_depth):
        if rough is not None:
            pose = _refined(rough, rays[0], rays[1], width)
            good = epipolar_distance(pose, rays[0], rays[1]) < width
            points, front = triangulate(pose, rays[0], rays[1])
            good &= front
            agree = _agreement(own[good], points[good, 2])
            candidates.append((pose, good, points, int(good.sum()), agree))
    most = max((candidate[3] for candidate in candidates), default=0)
    if most < FEWEST:
        raise GeometryError(f"Expected {FEWEST} matches that fit one move, got {most}; use views that overlap more.")
    pose, good, points, _, _ = max(candidates, key=lambda c: (c[3] >= 0.9 * most, c[4]))
    if _parallax(pose, rays[0][good], rays[1][good]) < PARALLAX:
        return _step_of_depth(by_depth if by_depth is not None else pose, first, second, rays, own, good)
    other = sample(depths[1].values[None], second[None])[0, 0]
    behind = (points @ pose[:3, :3].T + pose[:3, 3])[good, 2]
    ratios = torch.cat([own[good] / points[good, 2], other[good] / behind])
    scale = float(ratios.median())
    scaled = pose.clone()
    scaled[:3, 3] *= scale
    return Step(scaled, first[good], second[good], points[good] * scale)


def epipolar_distance(
    pose: Float[Tensor, "4 4"], first: Float[Tensor, "N 3"], second: Float[Tensor, "N 3"]
) -> Float[Tensor, " N"]:
    """Sampson's distance of matched rays (z = 1) to the epipolar geometry of a pose, in the unit of the rays' x and y."""
    lines, back = first @ essential(pose).T, second @ essential(pose)
    norm = lines[:, :2].square().sum(1) + back[:, :2].square().sum(1)
    return (second * lines).sum(1).abs() / norm.clamp_min(1e-18).sqrt()


def essential(pose: Float[Tensor, "4 4"]) -> Float[Tensor, "3 3"]:
    """[t]x R of a pose, t of unit length: second^T E first = 0 for matched rays."""
    x, y, z = (pose[:3, 3] / pose[:3, 3].norm().clamp_min(1e-12)).unbind()
    zero = torch.zeros_like(x)
    cross = torch.stack([torch.stack([zero, -z, y]), torch.stack([z, zero, -x]), torch.stack([-y, x, zero])])
    return cross @ pose[:3, :3]


def triangulate(
    pose: Float[Tensor, "4 4"], first: Float[Tensor, "N 3"], second: Float[Tensor, "N 3"]
) -> tuple[Float[Tensor, "N 3"], Bool[Tensor, " N"]]:
    """Points in the first camera's axes midway between the nearest points of the two rays, and which lie before both cameras."""
    rotation, centre = pose[:3, :3], -pose[:3, :3].T @ pose[:3, 3]
    other = second @ rotation
    aa, bb, ab = first.square().sum(1), other.square().sum(1), (first * other).sum(1)
    ac, bc = first @ centre, other @ centre
    determinant = (aa * bb - ab * ab).clamp_min(1e-12)
    near, far = (bb * ac - ab * bc) / determinant, (ab * ac - aa * bc) / determinant
    points = (near[:, None] * first + centre + far[:, None] * other) / 2
    return points, (near > 0) & (far > 0)


def _pose_of_rays(first: Tensor, second: Tensor, width: float) -> Float[Tensor, "4 4"] | None:
    """The pose (step of length 1) of the essential matrix that most matches obey."""
    import cv2

    cv2.setRNGSeed(SEED)
    a, b = (rays[:, :2].double().numpy() for rays in (first, second))
    matrix, kept = cv2.findEssentialMat(a, b, np.eye(3), cv2.USAC_MAGSAC, 0.9999, width)
    if matrix is None or matrix.shape != (3, 3):
        return None
    _, rotation, shift, _ = cv2.recoverPose(matrix, a, b, np.eye(3), mask=kept)
    return _pose(rotation, shift[:, 0])


def _pose_of_depth(first: Tensor, second: Tensor, depth: Tensor, width: float) -> Float[Tensor, "4 4"] | None:
    """The pose from which most of the first view's points are seen where they match, the points being as far as the depth says."""
    import cv2

    cv2.setRNGSeed(SEED)
    points, seen = (first * depth[:, None]).double().numpy(), second[:, :2].double().numpy()
    done, turn, shift, inliers = cv2.solvePnPRansac(
        points, seen, np.eye(3), None, iterationsCount=1000, reprojectionError=6 * width, flags=cv2.SOLVEPNP_SQPNP
    )
    if not done or inliers is None or len(inliers) < FEWEST // 2:
        return None
    chosen = inliers[:, 0]
    turn, shift = cv2.solvePnPRefineLM(points[chosen], seen[chosen], np.eye(3), None, turn, shift)
    return _pose(cv2.Rodrigues(turn)[0], shift[:, 0])


def _refined(pose: Tensor, first: Tensor, second: Tensor, width: float) -> Float[Tensor, "4 4"]:
    """The pose nearby that keeps the matches on their epipolar lines (Cauchy loss); the step's length becomes 1."""
    import cv2
    from scipy.optimize import least_squares

    a, b, start = first.double(), second.double(), pose.double()
    if float(start[:3, 3].norm()) < 1e-9:
        return pose
    step = (start[:3, 3] / start[:3, 3].norm()).numpy()

    def moved(change: np.ndarray) -> Tensor:
        shift = step + change[3:]
        return _pose(cv2.Rodrigues(change[:3])[0] @ start[:3, :3].numpy(), shift / np.linalg.norm(shift))

    def errors(change: np.ndarray) -> np.ndarray:
        return (epipolar_distance(moved(change).double(), a, b) / width).numpy()

    found = least_squares(errors, np.zeros(6), loss="cauchy", f_scale=0.5, max_nfev=20)
    return moved(found.x)


def _agreement(estimate: Tensor, found: Tensor) -> float:
    """Share of triangulated depths that a scale and shift of the estimate's disparity explains."""
    if len(found) < 4:
        return 0.0
    return float(fit_disparity(estimate, found, tolerance=0.1).inliers.float().mean())


def _parallax(pose: Tensor, first: Tensor, second: Tensor) -> float:
    """Median angle in degrees between matched rays, the rotation taken out."""
    turned = first @ pose[:3, :3].T
    cosine = torch.nn.functional.cosine_similarity(turned.double(), second.double(), dim=1).clamp(-1, 1)
    return float(torch.rad2deg(torch.arccos(cosine)).median())


def _step_of_depth(
    pose: Tensor, first: Tensor, second: Tensor, rays: list[Tensor], depth: Tensor, good: Tensor
) -> Step:
    """The step that PnP gives, its points where the depth says."""
    return Step(pose, first[good], second[good], (rays[0] * depth[:, None])[good])


def _seen(cameras: list[Camera], steps: list[Step], number: int) -> Sparse:
    """What one view sees of the points of the steps before and after it."""
    pixels, points = [], []
    for start, place in ((number - 1, "second"), (number, "first")):
        if 0 <= start < len(steps):
            pose = cameras[start].world_to_camera
            pixels.append(getattr(steps[start], place))
            points.append((steps[start].points - pose[:3, 3]) @ pose[:3, :3])
    return Sparse(cameras[number], torch.cat(pixels), torch.cat(points))


def _rays(pixels: Float[Tensor, "N 2"], K: Float[Tensor, "3 3"]) -> Float[Tensor, "N 3"]:
    """Directions of pixels in the camera's axes, z = 1."""
    return torch.cat([pixels, torch.ones_like(pixels[:, :1])], 1) @ torch.linalg.inv(K).T


def _pose(rotation: np.ndarray, shift: np.ndarray) -> Float[Tensor, "4 4"]:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, shift
    return torch.from_numpy(matrix).float()
