"""FreeU (Si et al. 2023) in a denoiser's decoder, for as long as a block runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from relook.errors import EditError
from relook.transfer.settings import FreeU


@contextmanager
def freeu(denoiser: nn.Module, setting: FreeU | None) -> Iterator[None]:
    """Run the block with FreeU; the model is as before afterwards; EditError for a denoiser without decoder."""
    if setting is None:
        yield
        return
    blocks = list(getattr(denoiser, "up_blocks", []))
    if not blocks:
        raise EditError(f"Expected decoder stages for FreeU, got none in {type(denoiser).__name__}; switch FreeU off.")
    width = int(denoiser.config["block_out_channels"][-1])  # type: ignore[index, union-attr, arg-type]
    with ExitStack() as hooks:
        for block, backbone, skip in zip(blocks, setting.backbone, setting.skip, strict=False):
            for resnet in block.resnets:
                hook = _scaler(width, backbone, skip, setting.lowpass)
                hooks.enter_context(resnet.register_forward_pre_hook(hook))
                width = int(resnet.out_channels)
        yield


def _scaler(width: int, factor: float, low: float, lowpass: str) -> Any:
    """A hook that changes a decoder block's input: `width` backbone channels, then the skip's."""

    def hook(module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        joined, *others = arguments
        half, other, skip = joined.tensor_split([width // 2, width], dim=1)
        half = half * factor
        if lowpass == "backbone":
            half = _scale_low(half, low)
        else:
            skip = _scale_low(skip, low)
        return torch.cat([half, other, skip], dim=1), *others

    return hook


def _scale_low(features: Tensor, factor: float) -> Tensor:
    """Features with their lowest frequencies (two by two around zero, as FreeU's code has it) scaled."""
    spectrum = torch.fft.fftshift(torch.fft.fft2(features.float()), dim=(-2, -1))
    row, column = features.shape[-2] // 2, features.shape[-1] // 2
    scale = torch.ones(features.shape[-2:], device=features.device)
    scale[max(row - 1, 0) : row + 1, max(column - 1, 0) : column + 1] = factor
    return torch.fft.ifft2(torch.fft.ifftshift(spectrum * scale, dim=(-2, -1))).real.to(features.dtype)
