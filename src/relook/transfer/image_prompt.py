"""The style picture as a prompt: which rows of a batch are shown it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.models.families import Family
from relook.models.text import Text


@dataclass(frozen=True)
class _Shown(Family):
    """A family whose denoiser is shown a picture beside every row's words."""

    images: Float[Tensor, "R D"] | None = None

    def denoise(
        self, latents: Float[Tensor, "B C h w"], timesteps: Int[Tensor, "B"], text: Text, **told: Any
    ) -> Float[Tensor, "B C h w"]:
        return super().denoise(latents, timesteps, text, image=self.images, **told)


def shown(family: Family, images: Sequence[Float[Tensor, "1 D"]]) -> Family:
    """The family for one batch, with the image prompt of every row in the batch's order (zeros: none).

    An adapter must be in its denoiser (`relook.models.image_prompt.prompted`).
    """
    parts = {field.name: getattr(family, field.name) for field in fields(Family)}
    return _Shown(**parts, images=torch.cat(list(images)))
