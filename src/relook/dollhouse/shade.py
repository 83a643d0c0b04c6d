"""The fast half of rendering: colour cached geometry in any style."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from relook.dollhouse.style import Style
from relook.dollhouse.trace import Geometry
from relook.errors import ShapeError


def shade(
    geometry: Geometry, styles: Sequence[Style], *, atlases: Float[Tensor, "B C T T 3"] | None = None
) -> Float[Tensor, "B 3 H W"]:
    """RGB of B cached rooms, each in its own style; `atlases` may hold the styles' baked materials.

    colour = albedo * (glow + (1 - glow) * (ambient + key * w(n . l)) * (1 - shadow * occlusion)), w(x) = max(0, (x + 0.4) / 1.4),
    averaged over the rays of each pixel.
    """
    count = len(geometry.depth)
    if len(styles) != count:
        raise ShapeError(f"Expected one style for each of {count} rooms, got {len(styles)}; repeat or drop some.")
    if atlases is None:
        atlases = torch.stack([style.atlas(geometry.texels) for style in styles])
    rows = atlases.reshape(-1, 3)
    start = torch.arange(count, dtype=torch.int32)[:, None] * (len(rows) // count)
    albedo = rows.index_select(0, (geometry.texel + start).flatten()).view(count, -1, 3)
    directions, keys, ambients, shadows = (
        torch.tensor([getattr(style.light, name) for style in styles])
        for name in ("direction", "key", "ambient", "shadow")
    )
    facing = torch.bmm(geometry.ray_normals, directions[:, :, None])
    facing = facing.add_(0.4).clamp_min_(0).div_(1.4)
    height, width = geometry.depth.shape[1:]
    samples = geometry.tint.shape[1] // (height * width)
    open_sky = (1 - shadows[:, None] * geometry.occlusion.flatten(1)).repeat_interleave(samples, 1)[..., None]
    glow = geometry.glow[..., None]
    light = torch.addcmul(ambients[:, None], facing, keys[:, None])
    light = light.mul_(open_sky * (1 - glow)).add_(glow).mul_(geometry.tint[..., None]).mul_(albedo)
    return light.view(count, height, width, samples, 3).mean(3).clamp_(0, 1).permute(0, 3, 1, 2).contiguous()
