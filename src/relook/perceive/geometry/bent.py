"""Estimated depth bent to what is known of it at some pixels."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from relook.ops.align import fit_disparity
from relook.ops.geometry import pixel_centres, sample

NEAR = 0.08
"""Distance, as a part of the longer side, over which a sparse point corrects the depth around it."""
PRIOR = 0.5
"""Weight of "no correction" against one sparse point on the spot."""
WRONG = 0.4
"""Natural logarithm by which a sparse point may differ from the fitted depth before it counts as a mistake."""
GRID = 32
"""Corrections are found on a grid of so many cells along the longer side."""


def fit_to_points(
    depth: Float[Tensor, "H W"], pixels: Float[Tensor, "N 2"], known: Float[Tensor, " N"], *, shift: bool = True
) -> tuple[Float[Tensor, "H W"], Float[Tensor, "H W"]]:
    """Estimated depth bent to known depths at some pixels, and how far to trust it.

    First scale and, with `shift`, shift of disparity (robust; relative depth needs the shift, metric depth is better without).
    Then, around known depths, the smooth correction of its logarithm that they ask for: sum w r / (sum w + PRIOR) with Gaussian
    weights w. Confidence is sum w / (sum w + 1), less where the corrections disagree.
    """
    size = (depth.shape[0], depth.shape[1])
    usable = torch.isfinite(known) & (known > 0)
    estimate = sample(depth[None], pixels[None])[0, 0]
    fit = fit_disparity(estimate[usable], known[usable], shift=shift)
    fitted = fit.apply(depth)
    residual = (known / sample(fitted[None], pixels[None])[0, 0]).log()
    right = usable & (residual.abs() < WRONG)
    cells = tuple(max(1, round(GRID * side / max(size))) for side in size)
    centres = pixel_centres((cells[0], cells[1])) * torch.tensor([size[1] / cells[1], size[0] / cells[0]])
    reach = NEAR * max(size)
    distances = torch.cdist(centres.reshape(-1, 2), pixels[right])
    weights = torch.exp(-distances.square() / (2 * reach**2))
    total = weights.sum(1)
    correction = (weights @ residual[right]) / (total + PRIOR)
    spread = (weights * (residual[right] - correction[:, None]).square()).sum(1) / total.clamp_min(1e-6)
    confidence = total / (total + 1) / (1 + spread.clamp_min(0).sqrt() / 0.1)
    maps = torch.stack([correction, confidence]).view(2, *cells)
    correction, confidence = torch.nn.functional.interpolate(
        maps[None], size, mode="bicubic" if min(cells) > 3 else "bilinear", align_corners=False
    )[0]
    return fitted * correction.exp(), confidence.clamp(0, 1)
