"""Feature maps inside networks that were made for something else: denoisers (DIFT) and vision transformers (DINO and its kin).

Every function takes one RGB picture and gives a map that spans the whole picture, whatever its aspect.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from relook.errors import InputError, ShapeError
from relook.models.load import read
from relook.models.store import find
from relook.ops.resize import resized, scaled
from relook.session import CPU, Placement
from relook.types import Depth

if TYPE_CHECKING:
    from relook.models.families import Family

BATCH = 4
"""Noised copies in one pass of a denoiser."""


def fitted(image: Float[Tensor, "3 H W"], side: int, multiple: int) -> Float[Tensor, "3 H2 W2"]:
    """The picture with about side x side pixels, its aspect kept up to sides that are multiples of `multiple`."""
    scale = side / math.sqrt(image.shape[-2] * image.shape[-1])
    return resized(image, scaled(image.shape[-2:], scale, multiple), "bicubic")


@contextmanager
def recorded(module: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the module's outputs while the block runs; its hook is gone afterwards, also after an exception."""
    outputs: list[Tensor] = []

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        outputs.append((output[0] if isinstance(output, tuple) else output).detach())

    handle = module.register_forward_hook(keep)
    try:
        yield outputs
    finally:
        handle.remove()


@dataclass(frozen=True)
class Dift:
    """Which features of a denoiser describe a picture (DIFT, Tang et al. 2023, section 4); the defaults are the paper's."""

    timestep: int = 261
    """How much noise is put on the picture, out of the family's training timesteps."""
    block: int = 1
    """Number of the decoder stage whose output is read, from the deepest."""
    ensemble: int = 8
    """Draws of noise whose features are averaged."""
    side: int | None = None
    """Root of the area at which the picture is read; the family's own size if None."""


@torch.no_grad()
def denoiser_features(
    family: Family,
    image: Float[Tensor, "3 H W"],
    setting: Dift | None = None,
    *,
    depth: Depth | None = None,
    prompt: str = "",
    seed: int = 0,
) -> Float[Tensor, "C h w"]:
    """Mean features of a decoder stage over draws of noise at one timestep; float32 on the CPU.

    x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) noise, one pass of the denoiser for each draw. The same seed gives the same features.
    depth: shown to the denoiser through the family's ControlNet, if it has one (not part of DIFT).
    Raises InputError for a timestep or a stage that the family does not have.
    """
    setting = setting or Dift()
    levels, stages = family.noise_levels(), list(family.denoiser.up_blocks)
    if not 0 <= setting.timestep < len(levels) or not 0 <= setting.block < len(stages) or setting.ensemble < 1:
        raise InputError(
            f"Expected a timestep below {len(levels)}, a decoder stage below {len(stages)} and at least one draw for "
            f"{family.name!r}, got {setting.timestep}, {setting.block} and {setting.ensemble}; choose others."
        )
    picture = fitted(image, setting.side or family.size, family.multiple)
    clean = family.encode(picture[None]).float()
    signal = levels[setting.timestep]
    draws = torch.randn(setting.ensemble, *clean.shape[1:], generator=torch.Generator().manual_seed(seed)).to(clean)
    noised = (signal.sqrt() * clean + (1 - signal).sqrt() * draws).to(family.dtype)
    text = family.embed([prompt])
    control = None
    if depth is not None and family.control is not None:
        control = family.control_image(depth, picture.shape[-2:])
    with recorded(stages[setting.block]) as outputs:
        for part in noised.split(BATCH):
            steps = torch.full((len(part),), setting.timestep, device=family.device)
            conditions = None if control is None else control.expand(len(part), -1, -1, -1)
            family.denoise(part, steps, text.expand(len(part)), control=conditions, controlled=range(len(part)))
    return torch.cat(outputs).float().mean(0).cpu()


@dataclass(frozen=True)
class Backbone:
    """A vision transformer (or a network with a feature map) that reads pictures of any aspect."""

    model: nn.Module
    mean: tuple[float, ...]
    """Of the colours that it was trained on."""
    deviation: tuple[float, ...]
    patch: int
    """Pixels per token along one side."""
    side: int
    """Root of the area at which pictures are read."""

    @torch.no_grad()
    def features(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        """The last layer's tokens as a map, float32; class and register tokens, which come first, are left out.

        Position encodings are interpolated to the picture's own grid. Raises ShapeError when the network gives fewer tokens than
        that grid has.
        """
        picture = fitted(image, self.side, self.patch)[None].to(next(self.model.parameters()).device)
        mean, deviation = (picture.new_tensor(values).view(1, -1, 1, 1) for values in (self.mean, self.deviation))
        takes = inspect.signature(self.model.forward).parameters
        options = {"interpolate_pos_encoding": True} if "interpolate_pos_encoding" in takes else {}
        found = self.model(pixel_values=(picture - mean) / deviation, **options).last_hidden_state.float().cpu()
        if found.ndim == 4:
            return found[0]
        grid = (picture.shape[-2] // self.patch, picture.shape[-1] // self.patch)
        if found.shape[1] < grid[0] * grid[1]:
            raise ShapeError(
                f"Expected at least {grid[0]} x {grid[1]} tokens from {type(self.model).__name__}, got {found.shape[1]}; "
                f"use a backbone with one token per patch."
            )
        return found[0, -grid[0] * grid[1] :].T.unflatten(1, grid).contiguous()


def load_backbone(name: str, side: int | None = None, place: Placement = CPU) -> Backbone:
    """A backbone by hub id or local folder (DINOv2 with or without registers, DINOv3, ViT, the seeing half of CLIP and the like), frozen, in full precision.

    side: root of the area at which it reads pictures; its training size if None. Only safetensors are read.
    Raises MissingModelError when it is not on this machine and cannot be fetched.
    """
    from transformers import AutoModel
    from transformers.image_processing_base import ImageProcessingMixin
    from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

    folder = find(name, "the backbone")
    model = read(folder, AutoModel.from_pretrained, use_safetensors=True, dtype=torch.float32)
    try:
        processor, _ = ImageProcessingMixin.get_image_processor_dict(folder)
    except OSError:
        processor = {}
    seeing = getattr(model, "vision_model", model)  # of CLIP and its kin, which also read words
    settings = getattr(model.config, "vision_config", model.config)
    own, patch = getattr(settings, "image_size", None), getattr(settings, "patch_size", None)
    return Backbone(
        place.placed(seeing),
        tuple(processor.get("image_mean") or IMAGENET_DEFAULT_MEAN),
        tuple(processor.get("image_std") or IMAGENET_DEFAULT_STD),
        patch if isinstance(patch, int) else 32,
        side or (own if isinstance(own, int) else 224),
    )
