"""Denoisers that know the style picture, as score distillation asks them: by attention to it (any family), or by an image prompt (IP-Adapter)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate, pad

from relook.models.families import Family
from relook.models.image_prompt import Adapter, prompted
from relook.models.text import Text
from relook.ops.resize import scaled
from relook.transfer.edit import AttentionEdit, Rows
from relook.transfer.guidance import Condition
from relook.transfer.predict import Row, predict_rows
from relook.types import Depth

CLEANER = 0.3
"""The style's own timestep as a part of the picture's, as the embedded family was trained."""


@dataclass(frozen=True, eq=False)
class StyledDenoiser:
    """A family with one style picture."""

    family: Family
    size: tuple[int, int]
    """(H, W) in pixels at which pictures are looked at, multiples of the family's."""
    text: Text
    """One prompt."""
    style: Float[Tensor, "1 C h w"]
    """The style's latents, of pictures of that size."""
    style_noise: Float[Tensor, "1 C h w"]
    adapter: Adapter | None = None
    image: Float[Tensor, "1 D"] | None = None
    """The style as an image prompt, for an adapter; without one, attention goes to the style's latents."""

    @property
    def by_prompt(self) -> bool:
        """Whether the style is an image prompt."""
        return self.image is not None

    def latents(self, picture: Float[Tensor, "3 H W"]) -> Float[Tensor, "1 C h w"]:
        """Of a rendered picture of any size, with gradients."""
        return self.family.encode(fitted(picture, self.size)[None]).float()

    def control(self, depth: Float[Tensor, "H W"]) -> Float[Tensor, "1 3 h w"]:
        """What the family's ControlNet reads of a view's depth in metres (or any scene unit)."""
        return self.family.control_image(Depth(depth, "metric"), self.size)

    def noises(
        self,
        noised: Float[Tensor, "1 C h w"],
        timestep: int,
        conditions: Mapping[Condition, float],
        control: Float[Tensor, "1 3 _ _"] | None = None,
    ) -> Float[Tensor, "R C h w"]:
        """The noise predicted under each condition, in one pass; `control` for those that know depth."""
        depths = [control if one.depth else None for one in conditions]
        if self.image is None:
            return self._attending(noised, timestep, list(conditions), depths)
        images = [self.image if one.prompt else torch.zeros_like(self.image) for one in conditions]
        rows = [Row(noised, timestep, self.text, *both) for both in zip(depths, images, strict=True)]
        with prompted(self.family.denoiser, self.adapter):
            return predict_rows(self.family, rows)

    def _attending(
        self, noised: Tensor, timestep: int, conditions: Sequence[Condition], depths: Sequence[Tensor | None]
    ) -> Tensor:
        """Rows whose decoder's self-attention goes to a row of the style, less noisy than they are."""
        rows = [Row(noised, timestep, self.text, depth) for depth in depths]
        asking = [place for place, one in enumerate(conditions) if one.swap]
        if not asking:
            return predict_rows(self.family, rows)
        signal = self.family.noise_levels()[round(CLEANER * timestep)]
        style = signal.sqrt() * self.style + (1 - signal).sqrt() * self.style_noise
        rows.append(Row(style, round(CLEANER * timestep), self.text))
        size = noised.shape[-2], noised.shape[-1]
        edit = AttentionEdit(Rows(asking, (len(conditions),)), size)
        return predict_rows(self.family, rows, [edit])[: len(conditions)]


@torch.no_grad()
def styled_denoiser(
    family: Family,
    style: Float[Tensor, "3 H W"],
    size: tuple[int, int],
    *,
    adapter: Adapter | None = None,
    prompt: str = "",
    seed: int = 0,
) -> StyledDenoiser:
    """For rendered pictures of `size` (H, W), which are looked at with the family's own number of pixels along the longer side."""
    working = scaled(size, family.size / max(size), family.multiple)
    latents = family.encode(fitted(style, working)[None]).float()
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed)).to(latents)
    image = None if adapter is None else adapter.embed(style)
    return StyledDenoiser(family, working, family.embed([prompt]), latents, noise, adapter, image)


def fitted(picture: Float[Tensor, "3 H W"], size: tuple[int, int]) -> Float[Tensor, "3 h w"]:
    """A picture stretched to the size, antialiased where it shrinks; with gradients."""
    if tuple(picture.shape[1:]) == tuple(size):
        return picture
    if min(picture.shape[1:]) < 2:  # a picture of one pixel cannot be filtered
        picture = pad(picture[None], (0, 1, 0, 1), mode="replicate")[0]
    return interpolate(picture[None], size, mode="bilinear", antialias=True)[0]
