"""Which way surfaces face, by depth: unit normals in the camera's axes, towards the eye."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from relook.ops.geometry import pixel_centres
from relook.ops.resize import at_most
from relook.ops.surface import smooth_within

GRAIN = 0.006
"""Reach, as a fraction of the longer side, within which depth is smoothed before it says where a surface faces; normals within twice it."""
FACE = 0.08
"""Reach of the mean that replaces them where depth is rough."""
COARSE = 96
"""Longer side in pixels at which that mean is taken."""
CALM = 0.15
"""Angle in radians between normals and their mean at which depth counts as half rough."""


def normals(depth: Float[Tensor, "H W"], K: Float[Tensor, "3 3"] | None = None) -> Float[Tensor, "3 H W"]:
    """Unit normals in the camera's axes, towards the eye: on a plane n . p = 1 the inverse depth is n . K^-1 (x, y, 1).

    Slopes are one-sided, the flatter of the two, so that surfaces keep their normals up to their edges. Without K it is that of `pinhole`.
    """
    height, width = depth.shape
    if min(height, width) < 2:
        return depth.new_tensor([0.0, 0.0, -1.0])[:, None, None].expand(3, height, width)
    inverse = 1 / depth
    K = pinhole((height, width)).to(depth) if K is None else K
    return of_slopes(inverse, _slope(inverse, 1), _slope(inverse, 0), K)


def of_slopes(
    inverse: Float[Tensor, "H W"], across: Float[Tensor, "H W"], down: Float[Tensor, "H W"], K: Float[Tensor, "3 3"]
) -> Float[Tensor, "3 H W"]:
    """Unit normals in the camera's axes, towards the eye, of an inverse depth that changes by `across` and `down` per pixel."""
    xs, ys = pixel_centres((inverse.shape[0], inverse.shape[1]), inverse.device).to(inverse).unbind(-1)
    x, y = (xs - K[0, 2]) / K[0, 0], (ys - K[1, 2]) / K[1, 1]
    across, down = across * K[0, 0], down * K[1, 1]
    normal = -torch.stack([across, down, inverse - across * x - down * y])
    return normal / normal.norm(dim=0).clamp_min(1e-9)


def pinhole(size: tuple[int, int], focal: float = 0.7) -> Float[Tensor, "3 3"]:
    """K of an unknown camera: its principal point in the middle, its focal length in longer sides of a picture of `size` (H, W)."""
    far = focal * max(size)
    return torch.tensor([[far, 0, size[1] / 2], [0, far, size[0] / 2], [0, 0, 1.0]])


class Facing(NamedTuple):
    """Which way surfaces face, and how much that can be trusted."""

    normals: Float[Tensor, "3 H W"]
    """Unit, in the camera's axes, towards the eye."""
    calm: float
    """1 for depth that is smooth between creases, near 0 for a network's rough guess."""


def facing(depth: Float[Tensor, "H W"], labels: Int[Tensor, "H W"], K: Float[Tensor, "3 3"] | None = None) -> Facing:
    """Unit normals within regions, without the depth's grain; where depth is rough all over, those of the surroundings at large.

    Measured or drawn depth is smooth between creases: half of its normals are within a few degrees of the mean around them. A
    network's guess is not (15 to 25 degrees), and light by its every bump would be blotches. So with a the median of those angles the
    mean counts 1 - calm, calm = CALM^4 / (a^4 + CALM^4). Raises ShapeError for labels of another size.
    """
    inverse = smooth_within(1 / depth.clamp_min(1e-6)[None], labels, reach=GRAIN)[0]
    near = normalize(smooth_within(normals(1 / inverse, K), labels, reach=2 * GRAIN), dim=0)
    size, small = labels.shape, at_most(labels.shape, COARSE)
    few = interpolate(labels[None, None].double(), small, mode="nearest-exact")[0, 0].long()
    wide = smooth_within(interpolate(near[None], small, mode="area")[0], few, reach=FACE)
    far = normalize(interpolate(wide[None], size, mode="bilinear", align_corners=False)[0], dim=0)
    rough = float((near * far).sum(0).clamp(-1, 1).acos().median()) ** 4
    share = rough / (rough + CALM**4)
    return Facing(normalize(torch.lerp(near, far, share), dim=0), 1 - share)


def _slope(values: Float[Tensor, "H W"], axis: int) -> Float[Tensor, "H W"]:
    """Change per pixel along an axis: forward or backward, whichever is less."""
    change = values.diff(dim=axis)
    ahead = torch.cat([change, change.narrow(axis, -1, 1)], axis)
    behind = torch.cat([change.narrow(axis, 0, 1), change], axis)
    return torch.where(ahead.abs() < behind.abs(), ahead, behind)
