"""Holes of maps, filled from the nearest pixel that is none, or smoothly from all around."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from relook.ops.geometry import known_depth
from relook.types import Depth


def filled(values: Shaped[Tensor, "*C H W"], holes: Bool[Tensor, "H W"]) -> Shaped[Tensor, "*C H W"]:
    """The values, those of holes replaced by those of the nearest pixel (Euclidean distance) that is no hole.

    Unchanged where there is no hole, or nothing else.
    """
    from scipy.ndimage import distance_transform_edt

    if not bool(holes.any()) or bool(holes.all()):
        return values
    nearest = distance_transform_edt(holes.cpu().numpy(), return_distances=False, return_indices=True)
    rows, columns = torch.from_numpy(nearest).long().to(values.device)
    return values[..., rows, columns]


def whole_depth(depth: Depth) -> Depth | None:
    """The depth without holes, as networks read it: those of a sensor take the nearest pixel's; None where nothing was measured."""
    values = depth.masked()
    known = known_depth(values)
    if depth.valid is None and bool(known.all()):
        return depth
    return Depth(filled(values, ~known), depth.kind) if bool(known.any()) else None


def smoothly_filled(values: Float[Tensor, "C H W"], holes: Bool[Tensor, "H W"]) -> Float[Tensor, "C H W"]:
    """The values, those of holes by pull and push (Gortler et al. 1996, section 3.4): from the finest level of a pyramid of means that
    knows something there, bilinear between its cells. Unchanged where there is no hole; zero where there is nothing else.
    """
    if not bool(holes.any()):
        return values
    weight = (~holes).to(values)[None, None]
    levels = [(values[None] * weight, weight)]
    while min(levels[-1][1].shape[-2:]) > 1 or bool((levels[-1][1] == 0).any()):
        if max(levels[-1][1].shape[-2:]) == 1:
            break
        levels.append(tuple(avg_pool2d(_even(part), 2) for part in levels[-1]))  # type: ignore[arg-type]
    total, known = levels[-1]
    coarse = total / known.clamp_min(1e-12)
    for total, known in reversed(levels[:-1]):
        size = (known.shape[-2], known.shape[-1])
        above = interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)[..., : size[0], : size[1]]
        trust = known.clamp_max(1)
        coarse = trust * (total / known.clamp_min(1e-12)) + (1 - trust) * above
    return torch.where(holes, coarse[0], values)


def _even(part: Float[Tensor, "1 C H W"]) -> Float[Tensor, "1 C H2 W2"]:
    """With even sides, the last row and column repeated."""
    return pad(part, (0, part.shape[-1] % 2, 0, part.shape[-2] % 2), mode="replicate")
