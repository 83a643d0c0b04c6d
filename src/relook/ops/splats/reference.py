"""The rasteriser in plain torch: every Gaussian at every pixel. Slow, differentiable, what the fast kernels are tested against."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from relook.ops.splats.project import FAINT, Projected

OPAQUE = 0.999
"""The most that one Gaussian covers of a pixel."""


def weights(projected: Projected, size: tuple[int, int]) -> Float[Tensor, "P M"]:
    """Blending weights of M Gaussians in P = H W pixels: w_k = alpha_k prod_{j < k} (1 - alpha_j), nearest first."""
    height, width = size
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    dx, dy = (
        at.reshape(-1, 1).to(projected.centres) - centre
        for at, centre in zip((x, y), projected.centres.unbind(1), strict=True)
    )
    a, b, c = projected.conics.unbind(1)
    alpha = projected.opacities * torch.exp(-0.5 * (a * dx * dx + c * dy * dy) - b * dx * dy)
    alpha = torch.where(alpha >= FAINT, alpha.clamp_max(OPAQUE), torch.zeros_like(alpha))
    through = torch.cumprod(1 - alpha, 1)
    return alpha * torch.cat([torch.ones_like(through[:, :1]), through[:, :-1]], 1)


def rasterise(
    projected: Projected, values: Float[Tensor, "N D"], size: tuple[int, int]
) -> tuple[Float[Tensor, "D H W"], Float[Tensor, "H W"]]:
    """Values of Gaussians blended in every pixel, and the share of each pixel that they cover (relook.ops.splats.rasterise, slowly)."""
    blending = weights(projected, size)
    image = blending @ values[projected.ids]
    return image.T.reshape(-1, *size), blending.sum(1).reshape(size)
