"""3DG-QA: a rendered picture should look good rather than bad, sharp rather than blurry, colourful rather than dull (CLIP-IQA, Wang et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from relook.models.pooled_encoder import SCORES

WEIGHTS: Mapping[str, float] = dict(zip(SCORES, (0.4, 0.4, 0.2), strict=True))
"""Of quality, sharpness and colourfulness (the paper's supplement)."""
PROMPTS: Mapping[str, tuple[str, str]] = {
    "quality": ("Good photo.", "Bad photo."),
    "sharpness": ("Sharp photo.", "Blurry photo."),
    "colourfulness": ("Colorful photo.", "Dull photo."),
}
"""The two opposites of each score, as CLIP reads them."""


def quality_loss(scores: Float[Tensor, "B Q"]) -> Float[Tensor, ""]:
    """1 - (.4 quality + .4 sharpness + .2 colourfulness), the mean over pictures; scores from 0 to 1 in the order of SCORES."""
    weights = scores.new_tensor([WEIGHTS[name] for name in SCORES])
    return 1 - (scores * weights).sum(1).mean()


def antonym_scores(
    images: Float[Tensor, "B D"], good: Float[Tensor, "Q D"], bad: Float[Tensor, "Q D"], scale: float = 100.0
) -> Float[Tensor, "B Q"]:
    """How much more alike a picture is to one prompt than to its opposite: softmax of scale times both cosines (Wang et al., equation 3).

    All are unit vectors; scale is that of CLIP's logits.
    """
    both = torch.stack([images @ good.T, images @ bad.T], -1) * scale
    return both.softmax(-1)[..., 0]
