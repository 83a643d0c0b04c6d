"""Models of the published configurations with seeded random weights: the time and the memory of the real ones, without a download."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from torch import nn

from relook.models.families import Family
from relook.models.text import TextReader
from relook.session import Placement

PUBLISHED = Path(__file__).parents[1] / "tests" / "fixtures" / "published"
"""Configurations of the public models, one JSON file each."""
NORMED = {"norm_num_groups": 4, "layers_per_block": 1}
SD15 = NORMED | {"block_out_channels": [8, 8, 16, 16], "cross_attention_dim": 16, "attention_head_dim": 2}
SDXL = NORMED | {
    "block_out_channels": [8, 8, 16], "cross_attention_dim": 28, "attention_head_dim": [2, 2, 4],
    "transformer_layers_per_block": [1, 1, 2], "addition_time_embed_dim": 4, "projection_class_embeddings_input_dim": 34,
}  # fmt: skip
CONTROL = {"conditioning_embedding_out_channels": [8, 8, 8, 8]}
VAE = {"block_out_channels": [4, 4, 8, 8], "norm_num_groups": 2, "layers_per_block": 1}
CLIP = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
NARROW: dict[str, dict[str, Any]] = {
    "sd15_unet": SD15, "sd15_controlnet": SD15 | CONTROL, "sd15_vae": VAE, "sd15_text_encoder": CLIP,
    "sdxl_unet": SDXL, "sdxl_controlnet": SDXL | CONTROL, "sdxl_vae": VAE, "sdxl_text_encoder": CLIP,
    "sdxl_text_encoder_2": CLIP | {"hidden_size": 12, "projection_dim": 10},
    "ip_adapter_image_encoder": CLIP | {"projection_dim": 12},
}  # fmt: skip
"""What makes the published configurations small."""
KINDS = {kind.__name__: kind for kind in (UNet2DConditionModel, ControlNetModel, AutoencoderKL)}


def narrowed(folder: Path) -> Path:
    """Write small kinds of the published configurations, for rehearsals and tests; returns the folder."""
    for file in PUBLISHED.glob("*.json"):
        settings = json.loads(file.read_text()) | NARROW.get(file.stem, {})
        (folder / file.name).write_text(json.dumps(settings))
    return folder


def model(name: str, place: Placement, folder: Path = PUBLISHED) -> Any:
    """The public class of the configuration FOLDER/name.json: matrices keep the size of what they read, norms start at one."""
    settings = json.loads((folder / f"{name}.json").read_text())
    with torch.device("meta"):
        if "_class_name" in settings:
            empty = KINDS[settings["_class_name"]].from_config(settings)
        else:
            kind = getattr(transformers, settings["architectures"][0])
            empty = kind(kind.config_class(**settings))
    made = nn.Module.to(empty, place.dtype).to_empty(device=place.device)  # diffusers' own `to` warns of nothing
    torch.manual_seed(0)
    for part, weight in made.named_parameters():
        if weight.ndim > 1:
            nn.init.normal_(weight, std=0.5 * weight[0].numel() ** -0.5)
        else:
            nn.init.constant_(weight, 1.0 if "norm" in part and part.endswith("weight") else 0.0)
    for part, buffer in made.named_buffers():
        if part.endswith("position_ids"):
            buffer.copy_(torch.arange(buffer.shape[-1], device=place.device))
    return place.placed(made)


def random_family(kind: str, place: Placement, folder: Path = PUBLISHED) -> Family:
    """All parts of `sd15` or `sdxl`; the autoencoder in the family's precision, as SDXL's repaired one can be. Words are read as none."""
    names = [f"{kind}_text_encoder", *([f"{kind}_text_encoder_2"] if kind == "sdxl" else [])]
    encoders = tuple(model(name, place, folder) for name in names)
    autoencoder, denoiser = model(f"{kind}_vae", place, folder), model(f"{kind}_unet", place, folder)
    return Family(
        name=f"{kind}, random weights",
        autoencoder=autoencoder,
        denoiser=denoiser,
        control=model(f"{kind}_controlnet", place, folder),
        text=TextReader((blank_tokenizer(),) * len(encoders), encoders, blank=len(encoders) > 1),
        scheduler=DDIMScheduler.from_config(json.loads((folder / f"{kind}_scheduler.json").read_text())),
        weights=(),
        size=denoiser.config["sample_size"] * 2 ** (len(autoencoder.config["block_out_channels"]) - 1),
        place=place,
    )


def blank_tokenizer() -> transformers.PreTrainedTokenizerFast:
    """A tokenizer of CLIP's length to which every word is the end."""
    from tokenizers import Tokenizer, models

    end = "<|endoftext|>"
    words = Tokenizer(models.WordLevel({end: 0}, unk_token=end))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token=end, pad_token=end, eos_token=end, model_max_length=77
    )


def write_adapter(target: Path, denoiser: UNet2DConditionModel, place: Placement, folder: Path = PUBLISHED) -> Path:
    """A random IP-Adapter for the denoiser in `target`, in its published files, with the published image encoder; returns `target`."""
    encoder = model("ip_adapter_image_encoder", place, folder)
    encoder.save_pretrained(target / "image_encoder")
    width, seen = denoiser.config["cross_attention_dim"], encoder.config.projection_dim
    shapes = {"image_proj.proj.weight": (4 * width, seen)}
    for number, name in enumerate(denoiser.attn_processors):
        if name.endswith("attn2.processor"):
            channels = denoiser.get_submodule(name.removesuffix(".processor")).to_q.out_features
            shapes |= {f"ip_adapter.{number}.to_{part}_ip.weight": (channels, width) for part in "kv"}
    draw = torch.Generator().manual_seed(0)
    tensors = {name: torch.randn(shape, generator=draw) * 0.5 * shape[1] ** -0.5 for name, shape in shapes.items()}
    tensors |= {"image_proj.proj.bias": torch.zeros(4 * width)}
    tensors |= {"image_proj.norm.weight": torch.ones(width), "image_proj.norm.bias": torch.zeros(width)}
    save_file({name: tensor.to(place.dtype) for name, tensor in tensors.items()}, target / "adapter.safetensors")
    return target
