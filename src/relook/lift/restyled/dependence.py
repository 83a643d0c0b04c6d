"""Colours that change with where one looks from, when the colour they belong to changes."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.config import Dependence
from relook.gaussians import SH_ZERO, Gaussians

LUMA = (0.2126, 0.7152, 0.0722)
"""Of R, G and B in luminance (Rec. 709)."""
SHADING = 0.3
"""Share of a colour beyond which no coefficient is its shading: a highlight on black is no fog of the new colour."""
DARK = 0.05
"""Least squared length that an old colour counts as: near black nothing says what is shading."""


def recoloured(
    gaussians: Gaussians, colours: Float[Tensor, "N 3"], changed: Bool[Tensor, " N"], how: Dependence
) -> Gaussians:
    """The Gaussians with new colours of degree 0 where they changed; all others keep every coefficient, bit for bit.

    changed: which may change. how: `keep` leaves higher degrees as they are; `scale` splits each of their coefficients v into shading along
    the old colour c, which takes the new colour, and the rest, which becomes grey: v' = s c' + luminance(v - s c), s = v . c / c . c within
    SHADING; `none` drops them where all may change, else they are 0 for those that may.
    """
    allowed, changed = changed, changed & (colours != gaussians.colours).any(1)
    first = torch.where(changed[:, None], (colours - 0.5) / SH_ZERO, gaussians.sh[:, 0])[:, None]
    higher = gaussians.sh[:, 1:]
    if not higher.shape[1] or (how == "none" and bool(allowed.all())):
        return replace(gaussians, sh=first)
    if how == "none":
        higher = torch.where(allowed[:, None, None], 0, higher)
    if how == "scale":
        higher = torch.where(changed[:, None, None], _scaled(higher, gaussians.colours, colours), higher)
    return replace(gaussians, sh=torch.cat([first, higher], 1))


def _scaled(
    higher: Float[Tensor, "N K 3"], old: Float[Tensor, "N 3"], new: Float[Tensor, "N 3"]
) -> Float[Tensor, "N K 3"]:
    old = old.clamp(0, 1)
    along = (higher * old[:, None]).sum(2, keepdim=True) / old.square().sum(1).clamp_min(DARK)[:, None, None]
    along = along.clamp(-SHADING, SHADING)
    rest = higher - along * old[:, None]
    return along * new[:, None] + (rest * torch.tensor(LUMA)).sum(2, keepdim=True)
