"""What a view shows of values that the Gaussians carry, with gradients: A f forward, A^T g backward, no rasteriser."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from relook.ops.splats.blend import Blend


def rendered(blend: Blend, values: Float[Tensor, "N D"]) -> Float[Tensor, "D H W"]:
    """`blend.render(values)`, differentiable in the values, of which it is a linear function. Raises ShapeError as `Blend.render`."""
    return _Rendered.apply(values, blend)


def rendered_harmonics(blend: Blend, sh: Float[Tensor, "N K 3"], basis: Float[Tensor, "N K"]) -> Float[Tensor, "3 H W"]:
    """The picture (RGB) of colours that move with the view: A (1/2 + Y sh), linear in the coefficients too; where nothing is, 0.

    basis: `harmonics` at every Gaussian's direction from the camera. Colours below 0 are not cut off, as `seen_colours` does.
    """
    return rendered(blend, 0.5 + (basis[:, :, None] * sh).sum(1))


class _Rendered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, blend: Blend) -> Tensor:
        ctx.blend = blend
        return blend.render(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        return ctx.blend.transposed(gradients[0]), None
