"""The light on a surface of the structure picture, and a material under it."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.ops.means import mean_of_known
from relook.ops.resize import at_most
from relook.ops.srgb import luminance, to_linear

DARK = 0.004
"""Light below counts as this."""
SPREAD = 100_000
"""Pixels of which quantiles are found."""
SIDE = 512
"""Longer side on which shading is looked for."""
REACH, RANGE = 6.0, 0.12
"""Deviations of the bilateral filter: pixels, and log of light at least."""
TEXTURE = 2.5
"""Its range in robust deviations of the surface's own pattern: what varies less is pattern, more is a shadow."""
HIGHLIGHTS = 0.8
"""How much of what is brighter than the median stays: materials shine differently."""
GLOSS = 0.75
"""Share of it that is reflected at the surface, and so gets no brighter on a lighter material."""
GLARE = 0.35
"""log of the light over the median up to which a lighter material gets brighter than the surface was: where most of a floor lies in the
shadow of a bed, its sunlit rest would glare."""
SHOULDER = 0.8
"""Light above is compressed, so that nothing is clipped."""


def shading_of(image: Float[Tensor, "3 H W"], mask: Bool[Tensor, "H W"], share: float = 0.5) -> Float[Tensor, "H W"]:
    """log of the light on a surface over that quantile of it: shadows and slow changes, without the surface's pattern."""
    shading = smooth_light(image, mask)
    return shading - main_of(shading, mask, share)


def smooth_light(image: Float[Tensor, "3 H W"], mask: Bool[Tensor, "H W"]) -> Float[Tensor, "H W"]:
    """log of the light on a surface without the surface's pattern."""
    height, width = mask.shape
    rows, columns = at_most((height, width), SIDE)
    light = light_of(image).numpy()
    small = cv2.resize(light, (columns, rows), interpolation=cv2.INTER_AREA)
    inside = cv2.resize(mask.numpy().astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    weight = (inside > 0.95).astype(np.float32)
    if weight.sum() < 20:
        weight = (inside > 0.3).astype(np.float32)
    found = np.where(weight > 0, small, mean_of_known(small, weight + 1e-5 * inside, REACH)).astype(np.float32)
    pattern = 1.4826 * float(np.median(np.abs(found - mean_of_known(found, weight, 5.0))[weight > 0]))
    for _ in range(2):
        found = cv2.bilateralFilter(found, -1, max(RANGE, TEXTURE * pattern), REACH).astype(np.float32)
    found = np.where(weight > 0, found, mean_of_known(found, weight, 4.0))
    return torch.from_numpy(cv2.resize(found.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC))


def without_gloss(
    shading: Float[Tensor, "*pixels"], median: float, colour: Float[Tensor, "3"]
) -> Float[Tensor, "*pixels"]:
    """The shading under which a lighter material does not shine as much as a dark one does.

    Light above the median is (1 + e) times it; of that e the share GLOSS is reflected at the surface, whatever lies below: on a material r
    times as light it counts for e / r, and what is brighter than GLARE is no brighter than the surface was. median: of the log of the
    structure's light on the surface.
    """
    lighter = max(0.0, float(luminance(colour).clamp_min(DARK).log()) - median)
    excess = shading.exp() - 1
    duller = torch.where(shading > 0, (1 + excess * (1 - GLOSS + GLOSS * math.exp(-lighter))).log(), shading)
    return torch.minimum(duller, (shading - lighter).clamp_min(GLARE)) if lighter > 0 else duller


def main_light(image: Float[Tensor, "3 H W"], mask: Bool[Tensor, "H W"], share: float) -> float:
    """That quantile of the log of light in a region."""
    return main_of(light_of(image), mask, share)


def main_of(light: Float[Tensor, "H W"], mask: Bool[Tensor, "H W"], share: float) -> float:
    """That quantile of a map of light in a region."""
    inside = light[mask]
    return float(inside[:: -(-len(inside) // SPREAD)].quantile(share))


def light_of(image: Float[Tensor, "3 H W"]) -> Float[Tensor, "H W"]:
    """log of light."""
    return luminance(to_linear(image)).clamp_min(DARK).log()


def lit(colour: Float[Tensor, "3"], detail: Float[Tensor, "3 N"], shading: Float[Tensor, " N"]) -> Float[Tensor, "3 N"]:
    """Light from a material of that colour and pattern under that shading."""
    shading = torch.where(shading > 0, HIGHLIGHTS * shading, shading)
    light = (colour.log()[:, None] + detail + shading).exp()
    room = 1 - SHOULDER
    return torch.where(light > SHOULDER, SHOULDER + room * (1 - (-(light - SHOULDER) / room).exp()), light)
