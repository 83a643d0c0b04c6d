"""A surface of the structure picture in another material, under its own light."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.ops.exemplar import fetched, grown
from relook.ops.flat import Places, before, places
from relook.ops.guided import guided_filter
from relook.ops.srgb import from_linear
from relook.transfer.materials.sample import DIRECTED, Material
from relook.transfer.materials.shading import lit, shading_of
from relook.transfer.materials.surface import Surface

RADIUS, EDGE, SIDE = 0.004, 1e-4, 2048
"""Of a surface's border: half window as a fraction of the longer side, variance of colour that is an edge, longer side on which it is found."""
FULL = (0.08, 0.92)
"""Weights below and above count as none and all."""
LONG = 4.0
"""Aspect of the patches of a pattern with lines."""
FAR = 24.0
"""Pixels that show more than so many cells across show the mean."""


def covered(
    image: Float[Tensor, "3 H W"],
    original: Float[Tensor, "3 H W"],
    surface: Surface,
    material: Material,
    strength: float = 1.0,
) -> Float[Tensor, "3 H W"]:
    """A picture with a material on a surface, under the light that the original picture shows there; soft only at its border.

    Unchanged where the material's pattern cannot be grown over the surface.
    """
    alpha = guided_filter(original, surface.mask[None].to(image), RADIUS, EDGE, working_side=SIDE)[0]
    alpha = ((alpha - FULL[0]) / (FULL[1] - FULL[0])).clamp(0, 1)
    where = (alpha > 0) & before(surface.H, (alpha.shape[0], alpha.shape[1]))
    detail = _pattern(places(surface.H, where), surface.mask[where], material)
    if detail is None:
        return image
    light = lit(material.colour, detail, shading_of(original, surface.mask)[where])
    result = image.clone()
    result[:, where] = torch.lerp(image[:, where], from_linear(light).clamp(0, 1), strength * alpha[where])
    return result


def _pattern(found: Places, inside: Bool[Tensor, " N"], material: Material) -> Float[Tensor, "3 N"] | None:
    """The material's pattern at every place, grown over those inside that do not only show its mean."""
    detail = material.detail
    near = inside & (found.short < FAR * detail.cell)
    if not bool(detail.values.any()) or not bool(near.any()):
        return torch.zeros(3, len(inside))
    rows, columns = detail.known.nonzero(as_tuple=True)
    middle = torch.stack([columns, rows]).float().mean(1) * detail.cell + torch.tensor(detail.corner)
    shift = found.place[:, near].median(1).values - middle  # its middle comes to where most is seen
    texture = grown(detail, found.place[:, near], (float(shift[0]), float(shift[1])), _aspect(material))
    return None if texture is None else fetched(texture, found.place, found.short, found.along)


def _aspect(material: Material) -> float:
    """Of patches: long along the pattern's lines."""
    if abs(material.lines) < DIRECTED:
        return 1.0
    return 1 / LONG if material.lines > 0 else LONG
