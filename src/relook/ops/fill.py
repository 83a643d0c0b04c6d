"""Holes of maps, filled from the nearest pixel that is none."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor


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
