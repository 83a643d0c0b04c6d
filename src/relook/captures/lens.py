"""Lenses that bend straight lines, and how their pictures are made straight, by OpenCV.

Its model ("Camera Calibration and 3D Reconstruction"): a ray (x, y, 1) with r2 = x2 + y2 is seen in the direction
    x' = x (1 + k1 r2 + k2 r4 + k3 r6) / (1 + k4 r2 + k5 r4 + k6 r6) + 2 p1 x y + p2 (r2 + 2 x2),   and y' likewise,
which is COLMAP's SIMPLE_RADIAL, RADIAL, OPENCV and FULL_OPENCV, and nerfstudio's OPENCV, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relook.errors import GeometryError
from relook.ops.geometry import pixel_centres, sample

NONE = 1e-9
"""Coefficients smaller than this count as none."""
MOST = 3.0
"""A lens whose picture would have to be enlarged by more than this to be straight without an empty border is refused."""
HALF = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
"""What OpenCV's K has less than Relook's: its pixel centres lie at integers."""
ROUNDS = 30
"""Halvings in the search for that enlargement."""


@dataclass(frozen=True)
class Lens:
    """A pinhole camera's intrinsics with distortion; numbers only, so that equal lenses are equal."""

    focal: tuple[float, float]
    """(fx, fy) in pixels."""
    centre: tuple[float, float]
    """(cx, cy) in pixels, pixel centres at half-integers."""
    radial: tuple[float, float, float, float, float, float]
    """k1 to k6."""
    tangential: tuple[float, float]
    """p1 and p2."""

    def pixels(self, rays: Float[Tensor, "*N 2"]) -> Float[Tensor, "*N 2"]:
        """Where the lens shows the rays (x, y, 1)."""
        import cv2

        points = torch.cat([rays, torch.ones_like(rays[..., :1])], -1).reshape(-1, 1, 3).double().numpy()
        seen, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), *self._opencv())
        return torch.from_numpy(seen).to(rays).reshape(rays.shape) + 0.5

    def pinhole(self, size: tuple[int, int]) -> Float[Tensor, "3 3"]:
        """K of the straight picture of `size` (H, W): the lens's own, enlarged as little as it takes to leave no empty border.

        Raises GeometryError for a lens that bends too much for that.
        """
        if not self._covers(MOST, size):
            raise GeometryError(
                f"Expected a lens that a pinhole camera can stand for, got distortion {self.radial}, {self.tangential}; "
                "undistort the pictures first."
            )
        if self._covers(1.0, size):
            return self._enlarged(1.0)
        low, high = 1.0, MOST
        for _ in range(ROUNDS):
            middle = (low + high) / 2
            low, high = (low, middle) if self._covers(middle, size) else (middle, high)
        return self._enlarged(high)

    def straight(
        self, picture: Float[Tensor, "C H W"], K: Float[Tensor, "3 3"], *, nearest: bool = False
    ) -> Float[Tensor, "C H W"]:
        """What a pinhole camera K would have seen, bilinear; `nearest` takes whole pixels, as depth with holes needs."""
        import cv2

        straight = K.double().numpy() - HALF
        maps = cv2.initUndistortRectifyMap(*self._opencv(), None, straight, picture.shape[:0:-1], cv2.CV_32FC1)
        pixels = torch.from_numpy(np.stack(maps, -1)) + 0.5
        if not nearest:
            return sample(picture, pixels).clamp(0, 1)
        x, y = pixels.floor().long().unbind(-1)
        return picture[:, y.clamp(0, picture.shape[1] - 1), x.clamp(0, picture.shape[2] - 1)]

    def _opencv(self) -> tuple[np.ndarray, np.ndarray]:
        """K and the coefficients as OpenCV has them: pixel centres at integers, the tangential ones after k2."""
        (fx, fy), (cx, cy), k = self.focal, self.centre, self.radial
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]) - HALF, np.array([*k[:2], *self.tangential, *k[2:]])

    def _bend(self, r2: Tensor) -> Tensor:
        k1, k2, k3, k4, k5, k6 = self.radial
        return (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))

    def _enlarged(self, factor: float) -> Float[Tensor, "3 3"]:
        (fx, fy), (cx, cy) = self.focal, self.centre
        return torch.tensor([[fx * factor, 0, cx], [0, fy * factor, cy], [0, 0, 1]], dtype=torch.float64)

    def _covers(self, factor: float, size: tuple[int, int]) -> bool:
        """Whether the straight picture, enlarged by `factor`, shows only what the lens saw, each thing once."""
        height, width = size
        centres = pixel_centres(size).double()
        border = torch.cat([centres[0], centres[-1], centres[:, 0], centres[:, -1]])
        K = self._enlarged(factor)
        rays = (border - K[:2, 2]) / K[[0, 1], [0, 1]]
        seen = self.pixels(rays)
        radii = torch.linspace(0, 1, 256, dtype=torch.float64) * rays.norm(dim=-1).max()
        bent = radii * self._bend(radii.square())
        inside = (seen >= 0).all() & (seen[:, 0] <= width).all() & (seen[:, 1] <= height).all()
        return bool(inside & (bent.diff() > 0).all())


def lens(
    focal: Sequence[float], centre: Sequence[float], radial: Sequence[float], tangential: Sequence[float]
) -> Lens | None:
    """A lens out of numbers, missing ones 0; None where nothing is bent."""
    k = (*map(float, radial), *[0.0] * (6 - len(radial)))
    p = (*map(float, tangential), *[0.0] * (2 - len(tangential)))
    if max(map(abs, (*k, *p))) < NONE:
        return None
    (fx, fy), (cx, cy) = focal, centre
    return Lens((float(fx), float(fy)), (float(cx), float(cy)), (k[0], k[1], k[2], k[3], k[4], k[5]), (p[0], p[1]))
