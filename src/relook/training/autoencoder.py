"""Train the embedded AutoencoderKL on crops of restyled rooms and dead leaves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional as F

from relook.training.data import World, crops
from relook.training.loop import LoopConfig, train

CHANNELS = 8
"""Latent channels; the autoencoder shrinks each side by 4."""
GROUPS = 4
"""Groups of every group norm."""
SPREAD = 2.0
"""Deviation that the constant channel gives its norm group."""
LINEAR = 4.0
"""Offset before a SiLU that makes it nearly linear."""


def small_autoencoder() -> AutoencoderKL:
    """An AutoencoderKL of about 1 M parameters: factor 4, 8 channels, no attention (so that any size is cheap)."""
    model = AutoencoderKL(
        block_out_channels=(24, 48, 64), down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1, latent_channels=CHANNELS, norm_num_groups=GROUPS, mid_block_add_attention=False,
        sample_size=256, scaling_factor=1.0, shift_factor=0.0,
    )  # fmt: skip
    return start_linear(model)


@torch.no_grad()
def start_linear(model: AutoencoderKL) -> AutoencoderKL:
    """Let training begin at a linear autoencoder: Haar wavelets down, smooth interpolation up, every residual at zero.

    Group norms forget how bright a flat picture is; one constant channel per group keeps their statistics nearly fixed, so
    that colour passes from the first step on. An offset keeps the closing SiLUs in their linear range.
    """
    for module in model.modules():
        if isinstance(module, ResnetBlock2D):
            nn.init.zeros_(module.conv2.weight)
            nn.init.zeros_(module.conv2.bias)
            if module.conv_shortcut is not None:
                _route(module.conv_shortcut, _one_to_one(module.conv_shortcut))
    enter, leave = model.encoder, model.decoder
    _route(enter.conv_in, _centred(_eye(_free(enter.conv_in.out_channels), range(3))))
    for block in enter.down_blocks[:-1]:
        _route(block.downsamplers[0].conv, _haar(_free(block.downsamplers[0].conv.out_channels)))
    inner = _free(enter.conv_out.in_channels)
    _route(enter.conv_out, _centred(_eye(range(CHANNELS), inner[:CHANNELS])), constant=False)
    _open(enter.conv_norm_out, enter.conv_out)
    _route(model.quant_conv, _eye(range(CHANNELS), range(CHANNELS))[..., None, None], constant=False)
    _route(model.post_quant_conv, _eye(range(CHANNELS), range(CHANNELS))[..., None, None], constant=False)
    _route(leave.conv_in, _centred(_eye(_free(leave.conv_in.out_channels), range(CHANNELS))))
    smooth = torch.tensor([0.25, 0.5, 0.25])
    for block in leave.up_blocks[:-1]:
        conv = block.upsamplers[0].conv
        _route(conv, _one_to_one(conv) * smooth[:, None] * smooth)
    _route(leave.conv_out, _centred(_eye(range(3), _free(leave.conv_out.in_channels)[:3])), constant=False)
    _open(leave.conv_norm_out, leave.conv_out)
    return model


def _open(norm: nn.GroupNorm, conv: nn.Conv2d) -> None:
    """Undo a norm's usual scale and shift in the convolution that follows it."""
    norm.bias.fill_(LINEAR)
    conv.weight.mul_(SPREAD)
    size = norm.num_channels // norm.num_groups
    mean = torch.full((norm.num_channels,), -(size**-0.5))
    mean[size - 1 :: size] += size**0.5
    _bias(conv).sub_((conv.weight.sum((2, 3)) * (LINEAR + mean)).sum(1))


def _bias(conv: nn.Conv2d) -> Tensor:
    """Every convolution of an AutoencoderKL has one."""
    return cast(Tensor, conv.bias)


def _free(channels: int) -> list[int]:
    """Channels that do not hold the constant of their norm group (its last one)."""
    size = channels // GROUPS
    return [c for c in range(channels) if c % size != size - 1]


def _one_to_one(conv: nn.Conv2d) -> Tensor:
    """A 1 x 1 kernel that hands on the channels one by one."""
    return _eye(_free(conv.out_channels), _free(conv.in_channels))[..., None, None]


def _eye(rows: Sequence[int], columns: Sequence[int]) -> Tensor:
    """Matrix that sends columns[i] to rows[i], grown to the largest indices needed."""
    matrix = torch.zeros(max(rows) + 1, max(columns) + 1)
    for row, column in zip(rows, columns, strict=False):
        matrix[row, column] = 1.0
    return matrix


def _centred(matrix: Tensor) -> Tensor:
    """A 3 x 3 kernel that looks at its centre only."""
    return F.pad(matrix[..., None, None], (1, 1, 1, 1))


def _haar(free: list[int]) -> Tensor:
    """Kernels of stride 2 that send the first three channels to means and Haar details, and other channels to their means."""
    signs = torch.tensor([[[1, 1], [1, 1]], [[1, -1], [1, -1]], [[1, 1], [-1, -1]], [[1, -1], [-1, 1]]]) / 4
    kernel = torch.zeros(free[-1] + 1, free[-1] + 1, 3, 3)
    for band in range(4):
        for colour in range(3):
            kernel[free[3 * band + colour], free[colour], :2, :2] = signs[band] * (1 if band == 0 else 2)
    for old, new in zip(free[3:], free[12:], strict=False):
        kernel[new, old, :2, :2] = signs[0]
    return kernel


def _route(conv: nn.Conv2d, kernel: Tensor, constant: bool = True) -> None:
    """Replace a convolution by a small random one plus `kernel`, keeping each norm group's constant channel constant."""
    conv.weight.mul_(0.02)
    _bias(conv).zero_()
    conv.weight[: kernel.shape[0], : kernel.shape[1]] += kernel
    if conv.in_channels > CHANNELS:
        size = conv.in_channels // GROUPS
        conv.weight[:, size - 1 :: size] = 0
    if constant:
        size = conv.out_channels // GROUPS
        conv.weight[size - 1 :: size] = 0
        _bias(conv)[size - 1 :: size] = SPREAD * size**0.5


def train_autoencoder(folder: Path, *, steps: int, seed: int) -> AutoencoderKL:
    """Fit and normalise an autoencoder; returns the averaged weights, latents at zero mean and unit mean variance.

    loss = |x - x'| + 4 (x - x')^2 + 1e-4 |z|^2, with a little noise on the latents so that near codes look alike.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = small_autoencoder().to(memory_format=torch.channels_last)
    world = World.build(96, 160, (256, 256), seed=seed, wild=0.35)

    def loss(picture: Tensor) -> dict[str, Tensor]:
        x = picture.to(memory_format=torch.channels_last) * 2 - 1
        mean = model.encode(x).latent_dist.mean
        values = _error(model.decode(mean + 0.03 * torch.randn_like(mean)).sample, x)
        return values | {"loss": values["loss"] + 1e-4 * mean.square().mean()}

    config = LoopConfig(steps, rate=8e-4, average=0.99)
    averaged = train(model, crops(world, 20, 64, generator), loss, config, folder)
    rooms = torch.arange(64) % len(world)
    return normalise(averaged.eval(), world.colour(rooms, torch.arange(64) % len(world.styles)))


def train_decoder(folder: Path, model: AutoencoderKL, *, steps: int, seed: int) -> AutoencoderKL:
    """Go on with the decoder alone, on larger crops: pictures get sharper, latents stay what they are."""
    generator = torch.Generator().manual_seed(seed + 1)
    world = World.build(96, 160, (256, 256), seed=seed + 5000, wild=0.35)
    model = model.float().requires_grad_(False).to(memory_format=torch.channels_last)
    model.decoder.requires_grad_(True)

    def loss(picture: Tensor) -> dict[str, Tensor]:
        x = picture.to(memory_format=torch.channels_last) * 2 - 1
        with torch.no_grad():
            mean = model.encode(x).latent_dist.mean
        return _error(model.decode(mean + 0.03 * torch.randn_like(mean)).sample, x)

    config = LoopConfig(steps, rate=8e-4, average=0.99)
    return train(model, crops(world, 16, 96, generator), loss, config, folder).eval()


def _error(output: Tensor, picture: Tensor) -> dict[str, Tensor]:
    """Absolute and squared error of pictures in [-1, 1]."""
    error = output - picture
    square = error.square().mean()
    return {"loss": error.abs().mean() + 4 * square, "psnr": -10 * torch.log10(square.detach() / 4)}


@torch.no_grad()
def normalise(model: AutoencoderKL, pictures: Tensor) -> AutoencoderKL:
    """Turn the latent space to its principal axes, folded into the 1 x 1 convolutions at the bottleneck (exact, no new code).

    With z = mean + U diag(s) y, the new latents are s^(1/2) y / g: uncorrelated, the strong (colour) axes still the strong
    ones, g such that the mean variance is 1.
    """
    latents = torch.cat([model.encode(part * 2 - 1).latent_dist.mean for part in pictures.split(8)])
    columns = latents.permute(1, 0, 2, 3).flatten(1).double()
    mean = columns.mean(1)
    variance, axes = torch.linalg.eigh((columns - mean[:, None]).cov())
    order = variance.argsort(descending=True)
    deviation, axes = variance[order].clamp_min(1e-12).sqrt(), axes[:, order]
    gain = deviation.mean().sqrt()
    forward = (axes / deviation.sqrt() / gain).T
    backward = axes * deviation.sqrt() * gain
    enter, leave = model.quant_conv, model.post_quant_conv
    weight, bias = enter.weight[:CHANNELS, :, 0, 0].double(), enter.bias[:CHANNELS].double()
    enter.weight[:CHANNELS] = (forward @ weight)[:, :, None, None].to(enter.weight)
    enter.bias[:CHANNELS] = (forward @ (bias - mean)).to(enter.bias)
    weight = leave.weight[:, :, 0, 0].double()
    leave.bias += (weight @ mean).to(leave.bias)
    leave.weight[:] = (weight @ backward)[:, :, None, None].to(leave.weight)
    return model
