"""Gaussians projected to the image plane: EWA splatting (Zwicker et al. 2001) as 3D Gaussian Splatting (Kerbl et al. 2023) does it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.gaussians import Gaussians
from relook.types import Camera

NEAR = 0.05
"""Gaussians whose centre is nearer than this (scene units) are left out."""
DILATION = 0.3
"""Added to the variance of every splat in square pixels, so that none falls between pixels."""
FAINT = 1 / 255
"""A Gaussian that covers a pixel by less than this does not count there."""
FIELD = 1.3
"""Tangents beyond this many times the half field of view are held there in the Jacobian."""


@dataclass(frozen=True)
class Projected:
    """The M Gaussians that a camera sees, nearest first; differentiable in the Gaussians' geometry."""

    ids: Int[Tensor, " M"]
    """Which Gaussian each is."""
    centres: Float[Tensor, "M 2"]
    """(x, y) in pixels."""
    conics: Float[Tensor, "M 3"]
    """(a, b, c) of the inverse covariance in 1 / square pixels: a Gaussian falls off by exp(-(a dx^2 + 2 b dx dy + c dy^2) / 2)."""
    opacities: Float[Tensor, " M"]
    """At the centre, with the loss by dilation taken off."""
    extents: Float[Tensor, "M 2"]
    """Half width and height in pixels of the box outside which it is fainter than FAINT; no gradient."""
    depths: Float[Tensor, " M"]
    """Of the centres, along the axis."""


def project(gaussians: Gaussians, camera: Camera, size: tuple[int, int], *, antialiased: bool = True) -> Projected:
    """What a camera whose picture has `size` (H, W) sees of Gaussians: J W Sigma W^T J^T + DILATION, sorted by depth.

    antialiased: opacity times sqrt(det / det dilated) (Mip-Splatting, Yu et al. 2024), so that small Gaussians do not grow brighter.
    """
    (height, width), pose = size, camera.world_to_camera.to(gaussians.means)
    fx, fy, cx, cy = (float(camera.K[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    points = gaussians.means @ pose[:3, :3].T + pose[:3, 3]
    ahead = points[:, 2] > NEAR
    ids = ahead.nonzero()[:, 0]
    x, y, z = points[ids].unbind(1)
    left, right = -FIELD * cx / fx, FIELD * (width - cx) / fx
    top, bottom = -FIELD * cy / fy, FIELD * (height - cy) / fy
    tx, ty = (x / z).clamp(left, right), (y / z).clamp(top, bottom)
    spread = pose[:3, :3] @ (gaussians.rotations[ids] * gaussians.scales[ids, None, :])
    across = (fx / z)[:, None] * (spread[:, 0] - tx[:, None] * spread[:, 2])
    down = (fy / z)[:, None] * (spread[:, 1] - ty[:, None] * spread[:, 2])
    a, b, c = (across * across).sum(1), (across * down).sum(1), (down * down).sum(1)
    small = a * c - b * b
    a, c = a + DILATION, c + DILATION
    determinant = a * c - b * b
    opacities = gaussians.opacities[ids]
    if antialiased:
        opacities = opacities * (small.clamp_min(0) / determinant).clamp_min(1e-12).sqrt()
    centres = torch.stack([fx * x / z + cx, fy * y / z + cy], 1)
    with torch.no_grad():
        reach = (2 * (opacities / FAINT).clamp_min(1).log()).sqrt()
        extents = reach[:, None] * torch.stack([a, c], 1).sqrt()
        low, high = centres + extents, centres - extents
        on = (opacities > FAINT) & (low > 0).all(1) & (high[:, 0] < width) & (high[:, 1] < height)
        order = on.nonzero()[:, 0]
        order = order[z[order].argsort(stable=True)]
    conics = torch.stack([c, -b, a], 1) / determinant[:, None]
    return Projected(ids[order], centres[order], conics[order], opacities[order], extents[order], z[order])
