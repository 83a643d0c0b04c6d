"""FreeU (Si et al. 2023) in a denoiser's decoder, for as long as a block runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.utils.torch_utils import fourier_filter
from jaxtyping import Float
from torch import Tensor, nn

from relook.errors import EditError
from relook.transfer.settings import FreeU


@contextmanager
def freeu(denoiser: UNet2DConditionModel, setting: FreeU | None) -> Iterator[None]:
    """Run the block with FreeU; the model is as before afterwards; EditError for a denoiser without decoder."""
    if setting is None:
        yield
        return
    if not list(getattr(denoiser, "up_blocks", [])):
        raise EditError(f"Expected decoder stages for FreeU, got none in {type(denoiser).__name__}; switch FreeU off.")
    with (_at_inputs if setting.where == "inputs" else _standard)(denoiser, setting):
        yield


@contextmanager
def _standard(denoiser: UNet2DConditionModel, setting: FreeU) -> Iterator[None]:
    """The published technique, in the two deepest stages."""
    (b1, b2), (s1, s2) = setting.backbone, setting.low
    denoiser.enable_freeu(s1=s1, s2=s2, b1=b1, b2=b2)
    try:
        yield
    finally:
        denoiser.disable_freeu()


@contextmanager
def _at_inputs(denoiser: UNet2DConditionModel, setting: FreeU) -> Iterator[None]:
    """Cross-Image Attention's: once per stage, on what enters it from below."""
    deepest = int(denoiser.config["block_out_channels"][-1])

    def hook(_: nn.Module, arguments: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return arguments, options | {"hidden_states": scaled_input(options["hidden_states"], deepest, setting)}

    with ExitStack() as hooks:
        for stage in denoiser.up_blocks:
            hooks.enter_context(stage.register_forward_pre_hook(hook, with_kwargs=True))
        yield


def scaled_input(hidden: Float[Tensor, "R C h w"], deepest: int, setting: FreeU) -> Float[Tensor, "R C h w"]:
    """The input of a decoder stage: the first half of its channels scaled, then the low frequencies of all of them.

    The factors go by its width: the first ones where it is as wide as the `deepest` stage, the second where it is half as wide.
    """
    for width, backbone, low in zip((deepest, deepest // 2), setting.backbone, setting.low, strict=True):
        if hidden.shape[1] == width:
            half, other = hidden.chunk(2, dim=1)
            return fourier_filter(torch.cat([half * backbone, other], dim=1), threshold=1, scale=low)
    return hidden
