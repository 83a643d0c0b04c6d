"""The core that every way of lifting shares: a ray is a weighted sum of places in the sources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from relook.errors import ShapeError
from relook.ops.lifting.kernels import lift_rows
from relook.ops.lifting.rays import Cameras, Rays, fetched, seen

FAINT = 1e-3
"""Weights below this share of a ray are left out where no gradient is asked for."""
TOLERANCE = 0.03
"""A source shows a point if its own depth there is not nearer by more than this part."""


@dataclass(frozen=True)
class Blending:
    """R rays as sums over S samples in V sources."""

    grid: Float[Tensor, "V R S 2"]
    """Where, from -1 to 1 across a source's picture."""
    weights: Float[Tensor, "R S V"]
    """How much; they sum to one over samples and sources, or to zero where no source shows the ray."""

    @property
    def shown(self) -> Bool[Tensor, " R"]:
        """Rays that some source shows."""
        return self.weights.sum((1, 2)) > 0.5

    def without_faint(self) -> Blending:
        """The same without weights below FAINT, normalised anew."""
        kept = torch.where(self.weights >= FAINT, self.weights, 0.0)
        total = kept.sum((1, 2), keepdim=True)
        return Blending(self.grid, kept / total.clamp_min(1e-6))


def lifted(blending: Blending, maps: Float[Tensor, "V C h w"]) -> Float[Tensor, "R C"]:
    """Maps of the sources, of any width and size, as the rays show them: sum_{s,v} w_sv maps_v(grid_vs).

    Where no gradient is asked for, on the CPU, a compiled loop; elsewhere torch. Raises ShapeError for another number of maps than sources.
    """
    if maps.ndim != 4 or len(maps) != len(blending.grid):
        raise ShapeError(
            f"Expected one map (C, h, w) for each of {len(blending.grid)} sources, got {tuple(maps.shape)}; pass those of these very views."
        )
    needed = torch.is_grad_enabled() and (maps.requires_grad or blending.weights.requires_grad)
    if needed or maps.device.type != "cpu":
        return torch.einsum("rsvc,rsv->rc", fetched(maps, blending.grid), blending.weights.to(maps))
    last = maps.detach().float().permute(0, 2, 3, 1).contiguous().numpy()
    grid, weights = (part.detach().float().contiguous().numpy() for part in (blending.grid, blending.weights))
    out = np.zeros((weights.shape[0], last.shape[3]), np.float32)
    lift_rows(0, len(out), grid, weights, last, out)
    return torch.from_numpy(out).to(maps.dtype)


def known(
    rays: Rays, depth: Float[Tensor, " R"], cameras: Cameras, depths: Float[Tensor, "V 1 h w"], sharp: float = 40.0
) -> Blending:
    """The untrained blending where depth is known: each ray's one point, in the sources that show it, those that look most alike first.

    depth: of the rays; depths: the sources' own; NaN where unknown. A source's weight is exp(sharp (cosine of the rays - 1)), 0 where its own
    depth is nearer than the point by more than TOLERANCE (so something hides it).
    """
    solid = torch.isfinite(depth) & (depth > 0)
    places = torch.where(solid, depth, 1.0)[:, None]
    found = seen(rays, places, cameras)
    points = rays.origin + rays.directions * places
    z = torch.einsum("vj,rj->vr", cameras.poses[:, 2, :3], points) + cameras.poses[:, 2, 3][:, None]
    own = functional.grid_sample(depths, found.grid.to(depths), "nearest", "border", align_corners=False)[:, 0, :, 0]
    hidden = torch.nan_to_num(own, nan=float("inf")) < z * (1 - TOLERANCE)
    shown = found.shown[:, 0] & ~hidden.T & solid[:, None]
    weights = torch.exp(sharp * (found.turned[:, 0, :, 3] - 1)) * shown
    return Blending(found.grid, (weights / weights.sum(1, keepdim=True).clamp_min(1e-6))[:, None])
