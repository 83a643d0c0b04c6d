"""One pass of the denoiser over rows that know different things: a prompt, depth, a picture as a prompt, a timestep of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from relook.models.families import Family
from relook.models.text import Text, joined
from relook.transfer.edit import AttentionEdit, edited
from relook.transfer.guidance import Mix, available, composed
from relook.transfer.sample import Predictor
from relook.transfer.share import distinct, spread


@dataclass(frozen=True)
class Row:
    """One row of a denoiser's batch."""

    latents: Float[Tensor, "1 C h w"]
    timestep: int
    text: Text
    """One prompt."""
    depth: Float[Tensor, "1 3 H W"] | None = None
    """Control image, or None for no control."""
    image: Float[Tensor, "1 D"] | None = None
    """Image prompt (zeros: none), in every row of a batch or in none; an adapter must be in the denoiser (`relook.models.image_prompt`)."""


Predict = Callable[[Sequence[Row], Sequence[AttentionEdit]], Tensor]
"""(rows, edits that name rows by their place) -> the noise of every row [R C h w], or of the first of them."""


def predict_rows(
    family: Family, rows: Sequence[Row], edits: Sequence[AttentionEdit] = (), *, control_scale: float = 1.0
) -> Float[Tensor, "R C h w"]:
    """The noise of every row in one pass of the denoiser, float32; edits name rows by their place here.

    Rows with a control image get the ControlNet's residuals; EditError when the family has no ControlNet for them. Rows of the same
    latents, timestep, text, depth and image run once through the encoder, where nothing is edited.
    """
    firsts, index = distinct([(row.latents, row.timestep, row.text, row.depth, row.image) for row in rows])
    asked = [rows[place] for place in firsts]
    latents = torch.cat([row.latents for row in asked]).to(family.dtype)
    timesteps = torch.tensor([row.timestep for row in asked], device=latents.device)
    depths = [row.depth for row in asked if row.depth is not None]
    images = [row.image for row in asked if row.image is not None]
    with spread(family.denoiser, index), edited(family.denoiser, *edits):
        output = family.denoise(
            latents, timesteps, joined([row.text for row in asked]),
            control=torch.cat(depths) if depths else None, control_scale=control_scale,
            controlled=[place for place, row in enumerate(asked) if row.depth is not None],
            image=torch.cat(images) if images else None,
        )  # fmt: skip
    index = index.to(latents.device)
    return family.noise_of(output, latents[index], timesteps[index])


def predictor(
    family: Family, mix: Mix, prompt: Text, empty: Text, depth: Tensor | None = None, *, control_scale: float = 1.0
) -> Predictor:
    """A predictor without swapped attention, e.g. for inversion: the weighted sum of its conditions."""
    mix = available(mix, prompt=True, swap=False, depth=depth is not None)

    def predict(latents: Tensor, timestep: int) -> Tensor:
        rows = [Row(latents, timestep, prompt if c.prompt else empty, depth if c.depth else None) for c in mix]
        return composed(mix, predict_rows(family, rows, control_scale=control_scale))

    return predict
