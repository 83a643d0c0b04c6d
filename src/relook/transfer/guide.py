"""Guidance: predicted noises under several conditions, composed linearly; and FreeU.

Every published guidance here is a weighted sum of noises predicted with or without prompt, swapped attention and depth.
So a guidance is a mapping from `Condition` to weight, and conditions of weight 0 cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from relook.errors import EditError
from relook.models.families import Family
from relook.models.text import Text, joined
from relook.transfer.edit import AttentionEdit, edited
from relook.transfer.layers import DECODER
from relook.transfer.sample import Predictor
from relook.transfer.share import spread, twins

DEPTH_SHARE = 0.6
"""Share of depth against semantic attention in ReStyle3D's guidance (its code's)."""


@dataclass(frozen=True)
class Condition:
    """What the denoiser knows when it predicts the noise of the output."""

    prompt: bool = True
    """The prompt (else the empty one)."""
    swap: bool = False
    """Attention to the style picture."""
    depth: bool = False
    """The structure's depth, through the ControlNet."""


Mix = Mapping[Condition, float]
"""Weights of the noises predicted under each condition; they sum to 1."""


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


def classifier_free(scale: float, *, swap: bool = False, depth: bool = False) -> Mix:
    """eps_empty + scale (eps_prompt - eps_empty) (Ho and Salimans 2022)."""
    return {Condition(False, swap, depth): 1 - scale, Condition(True, swap, depth): scale}


def appearance(scale: float) -> Mix:
    """eps_self + scale (eps_cross - eps_self) (Cross-Image Attention, eq. 4), both with depth."""
    return {Condition(swap=True, depth=True): scale, Condition(swap=False, depth=True): 1 - scale}


def semantic(scale: float) -> Mix:
    """(1 - a) eps_empty + a ((1 - d) eps_semantic + d eps_depth) (ReStyle3D, eq. 5), d = DEPTH_SHARE."""
    return {
        Condition(prompt=False): 1 - scale,
        Condition(swap=True): scale * (1 - DEPTH_SHARE),
        Condition(depth=True): scale * DEPTH_SHARE,
    }


def semantic_released(scale: float) -> Mix:
    """(1 - s) (d eps[no swap, depth] + (1 - d) eps[swap, no depth]) + s eps[swap, depth]: ReStyle3D's code."""
    return {
        Condition(depth=True): (1 - scale) * DEPTH_SHARE,
        Condition(swap=True): (1 - scale) * (1 - DEPTH_SHARE),
        Condition(swap=True, depth=True): scale,
    }


def linear(start: float, end: float, fraction: float) -> float:
    """From `start` at the beginning of the run to `end` at its end."""
    return start + (end - start) * fraction


def simplified(mix: Mix, *, prompt: bool, swap: bool, depth: bool) -> Mix:
    """The mix where some conditions are not to be had: they are dropped, equal ones merged, zero weights left out."""
    merged: dict[Condition, float] = {}
    for condition, weight in mix.items():
        there = Condition(condition.prompt and prompt, condition.swap and swap, condition.depth and depth)
        merged[there] = merged.get(there, 0.0) + weight
    return {condition: weight for condition, weight in merged.items() if abs(weight) > 1e-9}


def predict_rows(
    family: Family, rows: Sequence[Row], edits: Sequence[AttentionEdit] = (), *, control_scale: float = 1.0
) -> Float[Tensor, "R C h w"]:
    """The noise of every row in one pass of the denoiser, float32; edits name rows by their place here.

    Rows with a control image get the ControlNet's residuals; EditError when the family has no ControlNet for them. Rows of the same
    latents, timestep, text, depth and image run once through the encoder, where nothing is edited.
    """
    before = all(edit.layers == DECODER for edit in edits)
    parts = [(row.latents, row.timestep, row.text, row.depth, row.image) for row in rows]
    firsts, index = twins(parts if before else [(place,) for place in range(len(rows))])
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
    mix = simplified(mix, prompt=True, swap=False, depth=depth is not None)

    def predict(latents: Tensor, timestep: int) -> Tensor:
        rows = [Row(latents, timestep, prompt if c.prompt else empty, depth if c.depth else None) for c in mix]
        return compose(mix, predict_rows(family, rows, control_scale=control_scale))

    return predict


def compose(mix: Mix, noises: Float[Tensor, "R C h w"]) -> Float[Tensor, "1 C h w"]:
    """The weighted sum of the first rows, which are in the order of the mix."""
    weights = torch.tensor(list(mix.values()), device=noises.device, dtype=noises.dtype)
    return (weights.view(-1, 1, 1, 1) * noises[: len(weights)]).sum(0, keepdim=True)


@dataclass(frozen=True)
class FreeU:
    """FreeU (Si et al. 2023): stronger backbone, weaker low frequencies of the skips, in the decoder's first stages."""

    backbone: tuple[float, ...] = (1.5, 1.6)
    """Factor on the first half of the backbone's channels, per decoder stage from the deepest; 1 = stage off."""
    skip: tuple[float, ...] = (0.9, 0.2)
    """Factor on the low frequencies, per stage."""
    lowpass: str = "skip"
    """Whose low frequencies are scaled: `skip` (standard) or `backbone` (Cross-Image Attention's code)."""


@contextmanager
def freeu(denoiser: nn.Module, setting: FreeU | None) -> Iterator[None]:
    """Run the block with FreeU; the model is as before afterwards; EditError for a denoiser without decoder."""
    handles = []
    if setting is not None:
        blocks = list(getattr(denoiser, "up_blocks", []))
        if not blocks:
            raise EditError(
                f"Expected decoder stages for FreeU, got none in {type(denoiser).__name__}; switch FreeU off."
            )
        width = int(denoiser.config["block_out_channels"][-1])  # type: ignore[index, union-attr, arg-type]
        for block, backbone, skip in zip(blocks, setting.backbone, setting.skip, strict=False):
            for resnet in block.resnets:
                handles.append(resnet.register_forward_pre_hook(_scaler(width, backbone, skip, setting.lowpass)))
                width = int(resnet.out_channels)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _scaler(width: int, factor: float, low: float, lowpass: str) -> Any:
    """A hook that changes a decoder block's input: `width` backbone channels, then the skip's."""

    def hook(module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        joined, *others = arguments
        half, rest, skip = joined.tensor_split([width // 2, width], dim=1)
        half = half * factor
        if lowpass == "backbone":
            half = _scale_low(half, low)
        else:
            skip = _scale_low(skip, low)
        return torch.cat([half, rest, skip], dim=1), *others

    return hook


def _scale_low(features: Tensor, factor: float) -> Tensor:
    """Features with their lowest frequencies (two by two around zero, as FreeU's code has it) scaled."""
    spectrum = torch.fft.fftshift(torch.fft.fft2(features.float()), dim=(-2, -1))
    row, column = features.shape[-2] // 2, features.shape[-1] // 2
    scale = torch.ones(features.shape[-2:], device=features.device)
    scale[max(row - 1, 0) : row + 1, max(column - 1, 0) : column + 1] = factor
    return torch.fft.ifft2(torch.fft.ifftshift(spectrum * scale, dim=(-2, -1))).real.to(features.dtype)
