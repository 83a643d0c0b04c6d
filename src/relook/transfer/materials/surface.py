"""Which pixels of a view show a plane of its room, and how it is seen."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.ops.flat import before, homography
from relook.perceive.layout.planes import SURE
from relook.types import View


class Surface(NamedTuple):
    """A region on a plane."""

    mask: Bool[Tensor, "H W"]
    """Its pixels."""
    H: Float[Tensor, "3 3"]
    """(x, y, 1) ~ H (u, v, 1): u across, v ahead, in metres, from below or above the camera."""


def surface_of(view: View, plane: str, mask: Bool[Tensor, "H W"]) -> Surface | None:
    """A region on a view's floor or ceiling; None where that plane is unknown, or the region is not in front of the camera."""
    layout = view.layout
    if layout is None or layout.directions < SURE or getattr(layout, plane) < SURE:
        return None
    height = 0.0 if plane == "floor" else -layout.height
    axes = torch.eye(3)
    H = homography(layout.camera, height * axes[1], axes[0], axes[2])
    mask = mask & before(H, view.size)
    return Surface(mask, H) if bool(mask.any()) else None
