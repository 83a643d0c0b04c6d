"""Single-file checkpoints as the first authors lay them out, written from families of the public classes, for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import tiny
from relook.models.single_file import PREFIXES, published

PUBLISHED = Path(__file__).parent / "published"
"""Configurations of the public models, one JSON file each."""


def config(name: str) -> dict[str, Any]:
    """A published configuration, e.g. `sd15_unet`."""
    return json.loads((PUBLISHED / f"{name}.json").read_text())


def layout(kind: str, part: str, shapes: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Name -> shape in the published file, of the tensors of one part (with their shapes in the public class)."""
    found: dict[str, tuple[int, ...]] = {}
    for name, shape in shapes.items():
        place, shape = published(part, name, settings, PREFIXES[kind][part]), tuple(shape)
        if place.third is not None:
            shape = (3 * shape[0], *shape[1:])
        if place.transposed:
            shape = shape[::-1]
        if part == "vae" and ".attn_1." in place.name and len(shape) == 2:
            shape = (*shape, 1, 1)
        found[place.name] = shape
    return found


def extras(kind: str) -> dict[str, Tensor]:
    """What the published files hold beside the weights that a family reads."""
    ids = torch.arange(77)[None]
    if kind == "sd15":
        return {
            "cond_stage_model.transformer.text_model.embeddings.position_ids": ids,
            "alphas_cumprod": torch.ones(1000),
            "model_ema.decay": torch.tensor(0.9999),
        }
    return {
        "conditioner.embedders.0.transformer.text_model.embeddings.position_ids": ids,
        "conditioner.embedders.1.model.logit_scale": torch.tensor(4.6),
    }


def write_single_file(folder: Path, file: Path, kind: str) -> Path:
    """One file with the weights of the diffusers folder `folder`."""
    tensors = extras(kind)
    for part in PREFIXES[kind]:
        place = folder / part
        settings = json.loads((place / "config.json").read_text())
        weights = load_file(next(place.glob("*.safetensors")))
        shapes = layout(kind, part, {name: weight.shape for name, weight in weights.items()}, settings)
        for name, weight in weights.items():
            spot = published(part, name, settings, PREFIXES[kind][part])
            weight = weight.T if spot.transposed else weight
            if spot.third is None:
                tensors[spot.name] = weight.reshape(shapes[spot.name]).contiguous()
                continue
            joined = tensors.setdefault(spot.name, torch.full(shapes[spot.name], torch.nan))
            joined[spot.third * len(weight) : (spot.third + 1) * len(weight)] = weight
    save_file(tensors, file)
    return file


def write_sd15(folder: Path, *, seed: int = 0) -> Path:
    """A family of Stable Diffusion 1.5's blocks with few channels, random weights, in the diffusers layout."""
    from diffusers import ControlNetModel, UNet2DConditionModel
    from transformers import CLIPTextModel

    tiny.write_family(folder, seed=seed)
    narrow = {"block_out_channels": [8, 8, 16, 16], "norm_num_groups": 4, "cross_attention_dim": 16}
    denoiser = drawn(UNet2DConditionModel.from_config(config("sd15_unet") | narrow | {"attention_head_dim": 2}), seed)
    denoiser.save_pretrained(folder / "unet")
    control = drawn(ControlNetModel.from_unet(denoiser, conditioning_embedding_out_channels=(8, 8, 8, 8)), seed)
    control.save_pretrained(folder / "controlnet")
    _small_vae(config("sd15_vae"), seed).save_pretrained(folder / "vae")
    drawn(CLIPTextModel(tiny.text_config(16, 2)), seed).save_pretrained(folder / "text_encoder")
    (folder / "relook.json").unlink()
    return folder


def write_sdxl(folder: Path, *, seed: int = 0) -> Path:
    """A family of SDXL's blocks with few channels and shallower transformers, random weights, in the diffusers layout."""
    from diffusers import ControlNetModel, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    tiny.write_xl_family(folder, seed=seed)
    narrow = {
        "block_out_channels": [8, 8, 16], "norm_num_groups": 4, "cross_attention_dim": 28, "attention_head_dim": [2, 2, 4],
        "transformer_layers_per_block": [1, 2, 3], "addition_time_embed_dim": 4, "projection_class_embeddings_input_dim": 34,
    }  # fmt: skip
    denoiser = drawn(UNet2DConditionModel.from_config(config("sdxl_unet") | narrow), seed)
    denoiser.save_pretrained(folder / "unet")
    control = drawn(ControlNetModel.from_unet(denoiser, conditioning_embedding_out_channels=(8, 8, 8, 8)), seed)
    control.save_pretrained(folder / "controlnet")
    _small_vae(config("sdxl_vae"), seed).save_pretrained(folder / "vae")
    drawn(CLIPTextModel(tiny.text_config(16, 2)), seed).save_pretrained(folder / "text_encoder")
    drawn(CLIPTextModelWithProjection(tiny.text_config(12, 3, 10)), seed).save_pretrained(folder / "text_encoder_2")
    (folder / "relook.json").unlink()
    return folder


def _small_vae(settings: dict[str, Any], seed: int) -> Any:
    from diffusers import AutoencoderKL

    return drawn(AutoencoderKL.from_config(settings | {"block_out_channels": [4, 4, 8, 8], "norm_num_groups": 2}), seed)


@torch.no_grad()
def drawn(model: Any, seed: int) -> Any:
    """The model with every weight drawn anew, none of them zero or one: what is lost or exchanged shows."""
    draw = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        spread = weight[0].numel() ** -0.5 if weight.ndim > 1 else 0.2
        weight.copy_(
            torch.randn(weight.shape, generator=draw) * spread + (weight.ndim == 1 and name.endswith("weight"))
        )
    return model.eval()


@torch.no_grad()
def said(family: Any) -> dict[str, torch.Tensor]:
    """What every part of a family says of the same things."""
    draw = torch.Generator().manual_seed(0)
    latents, images = torch.randn(2, 4, 8, 16, generator=draw), torch.rand(1, 3, 64, 128, generator=draw)
    text = family.embed(["", "a living room"])
    found = {
        "encoded": family.encode(images),
        "decoded": family.decode(latents),
        "states": text.states,
        "noise": family.denoise(latents, torch.tensor([700, 20]), text, control=images, controlled=[1]),
    }
    return found if text.pooled is None else found | {"pooled": text.pooled}
