"""A change of look that is known in a part of a picture, guessed elsewhere from like pixels."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from relook.ops.guided import guided_filter
from relook.ops.normals import normals
from relook.ops.resize import at_most

SIDE = 96
"""Like pixels are looked for at this length of the longer side."""
ALIKE, NEAR, TURNED = 0.05, 0.15, 0.35
"""Distances of colour (RGB), of position (in sides) and of direction (unit normals) at which a pixel counts e^-1/2 as much."""


@torch.no_grad()
def recoloured(
    picture: Float[Tensor, "3 H W"],
    look: Float[Tensor, "3 H W"],
    holes: Bool[Tensor, "H W"],
    depth: Float[Tensor, "H W"] | None = None,
) -> Float[Tensor, "3 H W"]:
    """The picture with its colours moved as `look` moved them where it is known; structure and patterns stay the picture's.

    For a hole pixel i the change is sum_j w_ij (look_j - picture_j) over the known pixels j; w_ij is a softmax of
    -|colour|^2 / 2 ALIKE^2 - |position|^2 / 2 NEAR^2 - |normal|^2 / 2 TURNED^2 of the differences between i and j (normals where depth is
    known, up to one scale), found at SIDE pixels and carried up along the picture's edges. Unchanged where nothing is known.
    """
    if bool(holes.all()):
        return picture
    size = at_most(holes.shape, SIDE)
    known = (~holes).float()[None]
    maps = interpolate(torch.cat([picture, look * known, picture * known, known])[None], size, mode="area")[0]
    there = maps[9] > min(0.5, 0.99 * float(maps[9].max()))
    change = (maps[3:6] - maps[6:9]) / maps[9].clamp_min(1e-6)
    ys, xs = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    features = [maps[:3] / ALIKE, torch.stack([ys, xs]).to(picture) / (max(size) * NEAR)]
    if depth is not None and min(size) > 1:
        features.append(normals(interpolate(depth[None, None], size, mode="nearest-exact")[0, 0]) / TURNED)
    flat = torch.cat(features).flatten(1).T / 2**0.5
    give, changes = there.flatten(), change.flatten(1).T.clone()
    takers, givers = flat[~give], flat[give]
    found = [torch.softmax(-torch.cdist(part, givers).square(), 1) @ changes[give] for part in takers.split(1024)]
    if found:
        changes[~give] = torch.cat(found)
    return (picture + guided_filter(picture, changes.T.reshape(3, *size), 0.012, 1e-4)).clamp(0, 1)
