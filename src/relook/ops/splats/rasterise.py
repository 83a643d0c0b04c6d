"""Gaussians to pictures, differentiable in geometry, opacity and values; compiled for the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relook.gaussians import Gaussians
from relook.ops.splats.harmonics import seen_colours
from relook.ops.splats.kernels import backward_rows, forward_rows
from relook.ops.splats.project import Projected, project
from relook.ops.splats.tiles import in_bands, tiled
from relook.types import Camera

STOP = 1e-4
"""A pixel is done when less than this shines through."""


def rasterise(
    projected: Projected, values: Float[Tensor, "N D"], size: tuple[int, int]
) -> tuple[Float[Tensor, "D H W"], Float[Tensor, "H W"]]:
    """Values of Gaussians blended in every pixel front to back, and the share of each pixel that they cover.

    Gradients reach `projected`'s centres, conics and opacities, and the values. Twin: relook.ops.splats.reference.rasterise.
    """
    image, coverage = _Rasterise.apply(
        projected.centres, projected.conics, projected.opacities, values[projected.ids], projected, size
    )
    return image.permute(2, 0, 1), coverage


def render(
    gaussians: Gaussians, camera: Camera, size: tuple[int, int], background: float | Float[Tensor, " 3"] = 0.0
) -> Float[Tensor, "3 H W"]:
    """The picture (RGB, not clamped) that a camera takes of Gaussians before a grey or an RGB of `background`."""
    image, coverage = shown(gaussians, camera, size)
    behind = torch.as_tensor(background).to(image).expand(3)
    return image + (1 - coverage) * behind[:, None, None]


def shown(
    gaussians: Gaussians, camera: Camera, size: tuple[int, int]
) -> tuple[Float[Tensor, "3 H W"], Float[Tensor, "H W"]]:
    """The same before black, and the share of each pixel that the Gaussians cover."""
    return rasterise(project(gaussians, camera, size), seen_colours(gaussians, camera), size)


class _Rasterise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        centres: Tensor,
        conics: Tensor,
        opacities: Tensor,
        values: Tensor,
        projected: Projected,
        size: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        tiles, carried = tiled(projected, size), values.detach().float().cpu().contiguous().numpy()
        image = np.zeros((*size, carried.shape[1]), np.float32)
        coverage = np.zeros(size, np.float32)

        def band(first: int, last: int) -> None:
            forward_rows(first, last, tiles, carried, np.float32(STOP), image, coverage)

        in_bands(band, tiles.rows, tiles.rows)
        ctx.tiles, ctx.carried, ctx.device = tiles, carried, values.device
        return torch.from_numpy(image).to(values), torch.from_numpy(coverage).to(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:
        tiles, (to_image, to_coverage) = (
            ctx.tiles,
            (one.detach().float().cpu().contiguous().numpy() for one in gradients),
        )

        def band(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
            return backward_rows(first, last, tiles, ctx.carried, np.float32(STOP), to_image, to_coverage)

        bands = in_bands(band, tiles.rows)
        to_splats, to_values = (torch.from_numpy(sum(parts)).to(ctx.device) for parts in zip(*bands, strict=True))
        return to_splats[:, :2], to_splats[:, 2:5], to_splats[:, 5], to_values, None, None
