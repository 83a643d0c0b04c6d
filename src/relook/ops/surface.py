"""Smooth a picture within its surfaces: patterns go, the edges of the geometry stay."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.errors import ShapeError
from relook.ops.guided import box

STEP = 0.22
"""Diffusion per iteration; above 0.25 it is unstable."""
BEND = 0.5
"""Disparity (0 to 1 over the picture) is affine on a plane; where its slope, per picture length, changes by more, a crease is."""


def conductance(
    labels: Int[Tensor, "H W"], disparity: Float[Tensor, "h w"] | None = None
) -> tuple[Float[Tensor, "H-1 W"], Float[Tensor, "H W-1"]]:
    """How freely colour flows between vertical and between horizontal neighbours, 0 to 1.

    Nothing flows between regions, and little across creases, where the second difference of disparity is large: the
    inverse depth of a plane is affine in pixels.
    """
    if disparity is not None and disparity.shape != labels.shape:
        raise ShapeError(
            f"Expected disparity of {tuple(labels.shape)}, got {tuple(disparity.shape)}; resize it to its picture."
        )
    flows = []
    for axis in (0, 1):
        n = labels.shape[axis]
        flow = (labels.narrow(axis, 0, n - 1) == labels.narrow(axis, 1, n - 1)).float()
        if disparity is not None and n > 2:
            bend = torch.zeros_like(disparity)
            inner = disparity.narrow(axis, 1, n - 2)
            bend.narrow(axis, 1, n - 2).copy_(
                disparity.narrow(axis, 0, n - 2) - 2 * inner + disparity.narrow(axis, 2, n - 2)
            )
            bend = bend.abs() * (max(labels.shape) / BEND)
            flow = flow * torch.exp(-torch.maximum(bend.narrow(axis, 0, n - 1), bend.narrow(axis, 1, n - 1)).square())
        flows.append(flow)
    return flows[0], flows[1]


def smooth_within(
    image: Float[Tensor, "C H W"],
    labels: Int[Tensor, "h w"],
    disparity: Float[Tensor, "h w"] | None = None,
    *,
    reach: float = 0.04,
) -> Float[Tensor, "C H W"]:
    """Anisotropic diffusion (Perona and Malik 1990) steered by geometry instead of colour.

    reach: deviation of the equivalent Gaussian on an open surface, as a fraction of the longer side; the number of
    iterations is (reach * side)^2 / (2 STEP). Raises ShapeError for maps of another size than the picture.
    """
    if image.shape[-2:] != labels.shape:
        raise ShapeError(
            f"Expected labels of {tuple(image.shape[-2:])}, got {tuple(labels.shape)}; resize them to the picture."
        )
    down, across = (STEP * flow for flow in conductance(labels, disparity))
    result = image.clone()
    for _ in range(round((reach * max(labels.shape)) ** 2 / (2 * STEP))):
        falling = down * (result[:, 1:] - result[:, :-1])
        passing = across * (result[:, :, 1:] - result[:, :, :-1])
        result[:, :-1] += falling
        result[:, 1:] -= falling
        result[:, :, :-1] += passing
        result[:, :, 1:] -= passing
    return result


def edges(
    labels: Int[Tensor, "H W"], disparity: Float[Tensor, "H W"] | None = None, *, reach: float = 0.012
) -> Float[Tensor, "H W"]:
    """1 on the geometry's edges (region borders, creases), falling to 0 within a few times `reach` of the longer side."""
    down, across = conductance(labels, disparity)
    edge = torch.zeros(labels.shape, device=labels.device)
    for flow, axis in ((down, 0), (across, 1)):
        n = labels.shape[axis]
        for start in (0, 1):
            part = edge.narrow(axis, start, n - 1)
            part.copy_(torch.maximum(part, 1 - flow))
    pixels = max(1, round(reach * max(labels.shape)))
    wide = torch.nn.functional.max_pool2d(edge[None, None], 2 * pixels + 1, 1, pixels)[0]
    return box(wide, pixels)[0]
