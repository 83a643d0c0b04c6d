"""Parts of a family out of one .safetensors file in the layout of its first authors, tensor by tensor.

Stable Diffusion 1 (Rombach et al. 2022) keeps its denoiser under model.diffusion_model, its autoencoder under first_stage_model and its
text encoder under cond_stage_model; SDXL (Podell et al. 2023) has two text encoders under conditioner.embedders, the second one in the
names of OpenCLIP. `published` says where each tensor of the public classes lies; only those are read from the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from relook.errors import MissingModelError
from relook.models.pretrained import read, settings

CLASSES: Mapping[str, Any] = {
    "unet": UNet2DConditionModel,
    "vae": AutoencoderKL,
    "text_encoder": CLIPTextModel,
    "text_encoder_2": CLIPTextModelWithProjection,
}
"""What each part is."""

PREFIXES: Mapping[str, Mapping[str, str]] = {
    "sd15": {
        "unet": "model.diffusion_model.",
        "vae": "first_stage_model.",
        "text_encoder": "cond_stage_model.transformer.text_model.",
    },
    "sdxl": {
        "unet": "model.diffusion_model.",
        "vae": "first_stage_model.",
        "text_encoder": "conditioner.embedders.0.transformer.text_model.",
        "text_encoder_2": "conditioner.embedders.1.model.",
    },
}
"""What the names of a part's tensors begin with, by the kind of file."""


@dataclass(frozen=True)
class Published:
    """Where a tensor of a public class lies in such a file."""

    name: str
    third: int | None = None
    """Which third of the rows it is, where query, key and value are joined."""
    transposed: bool = False

    def tensor(self, found: Any, shape: torch.Size) -> Tensor:
        """It, of the shape that the class wants, out of an opened safetensors file; ValueError when it cannot be."""
        if self.third is None:
            value = found.get_tensor(self.name)
        else:
            rows = found.get_slice(self.name)
            if rows.get_shape()[0] != 3 * shape[0]:
                raise ValueError(f"{self.name} of shape {tuple(rows.get_shape())} in place of three {tuple(shape)}")
            value = rows[self.third * shape[0] : (self.third + 1) * shape[0]]
        value = value.T.contiguous() if self.transposed else value
        if value.ndim == len(shape) + 2 and value.shape[2:] == (1, 1):  # a 1 x 1 convolution where the class is linear
            value = value.flatten(1)
        if value.shape != shape:
            raise ValueError(f"{self.name} of shape {tuple(value.shape)} in place of {tuple(shape)}")
        return value


def kind_of(names: set[str]) -> str | None:
    """`sd15` or `sdxl`, by the names of a file's tensors; None for any other layout."""
    for kind, prefixes in PREFIXES.items():
        if all(any(name.startswith(prefix) for name in names) for prefix in prefixes.values()):
            return kind
    return None


def read_part(file: Path, folder: Path, part: str, dtype: torch.dtype) -> Any:
    """One part with the weights of `file` and the configuration in `folder`, in a precision; in evaluation mode.

    Raises MissingModelError, one sentence, when tensors are missing or do not fit, or when the file has more than the part takes.
    """
    from safetensors import SafetensorError, safe_open

    model = read(folder / part, _empty, part=part)
    config = settings(folder / part)
    wanted = model.state_dict()
    try:
        with safe_open(file, framework="pt") as found:
            names = set(found.keys())
            prefix = PREFIXES[kind_of(names) or "sd15"][part]
            places = {name: published(part, name, config, prefix) for name in wanted}
            _check(file, part, names, prefix, {place.name for place in places.values()})
            tensors = {name: places[name].tensor(found, like.shape).to(dtype) for name, like in wanted.items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise MissingModelError(
            f"Expected the weights of {part} in {file}, got {error}; give a file that fits the configuration in {folder}."
        ) from error
    model.load_state_dict(tensors, strict=True, assign=True)
    return model.eval()


def published(part: str, name: str, config: Mapping[str, Any], prefix: str = "") -> Published:
    """Where the tensor `name` of a part lies; config: the part's config.json."""
    if part == "unet":
        return Published(prefix + _unet(name, config))
    if part == "vae":
        return Published(prefix + _autoencoder(name, len(config["block_out_channels"])))
    name = name.removeprefix("text_model.")
    return Published(prefix + name) if part == "text_encoder" else _open_clip(name, prefix)


RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
"""Layers of the denoiser's residual blocks."""
ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "time_embedding.cond_proj": "time_embed.cond_proj",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
"""Layers of the denoiser that are in no block."""
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
"""Layers of the autoencoder's attention."""
OPEN_CLIP = {
    "embeddings.token_embedding": "token_embedding",
    "final_layer_norm": "ln_final",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
"""Layers of the second text encoder."""


def _unet(name: str, config: Mapping[str, Any]) -> str:
    """The denoiser's blocks are counted through all levels: residual block and attention in one, resampling in one or after them."""
    layer, _, kind = name.rpartition(".")
    if layer in ENDS:
        return f"{ENDS[layer]}.{kind}"
    match = re.fullmatch(
        r"(down|mid|up)_blocks?\.(?:(\d+)\.)?(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)", name
    )
    if match is None:
        raise ValueError(f"no published name of {name}")
    side, block, what, number, rest = match.groups()
    inner = RESNET[layer.rpartition(".")[2]] + "." + kind if what == "resnets" else rest
    if side == "mid":
        return f"middle_block.{2 * int(number) if what == 'resnets' else 1}.{inner}"
    each = config["layers_per_block"] + 1
    first = int(block) * each
    if what == "downsamplers":
        return f"input_blocks.{first + each}.0.op.{kind}"
    if what == "upsamplers":
        attends = "CrossAttn" in config["up_block_types"][int(block)]
        return f"output_blocks.{first + each - 1}.{2 if attends else 1}.{rest}"
    place = f"input_blocks.{first + 1 + int(number)}" if side == "down" else f"output_blocks.{first + int(number)}"
    return f"{place}.{0 if what == 'resnets' else 1}.{inner}"


def _autoencoder(name: str, levels: int) -> str:
    """The decoder's levels are counted from the finest, though they run from the coarsest."""
    name = re.sub(r"up_blocks\.(\d+)", lambda found: f"up.{levels - 1 - int(found[1])}", name)
    name = re.sub(r"mid_block\.resnets\.(\d+)", lambda found: f"mid.block_{int(found[1]) + 1}", name)
    name = name.replace("down_blocks.", "down.").replace("mid_block.attentions.0.", "mid.attn_1.")
    name = name.replace(".resnets.", ".block.").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"(down|up)samplers\.0", r"\1sample", name).replace("conv_norm_out", "norm_out")
    head, attention, layer = name.partition(".attn_1.")
    layer, _, kind = layer.rpartition(".")
    return f"{head}{attention}{ATTENTION[layer]}.{kind}" if attention else name


def _open_clip(name: str, prefix: str) -> Published:
    """OpenCLIP joins query, key and value, and multiplies by its projection from the other side."""
    if name == "text_projection.weight":
        return Published(f"{prefix}text_projection", transposed=True)
    if name == "embeddings.position_embedding.weight":
        return Published(f"{prefix}positional_embedding")
    for ours, theirs in OPEN_CLIP.items():
        name = name.replace(ours, theirs)
    name = name.replace("encoder.layers.", "transformer.resblocks.")
    if match := re.fullmatch(r"(.+)\.self_attn\.([qkv])_proj\.(weight|bias)", name):
        return Published(f"{prefix}{match[1]}.attn.in_proj_{match[3]}", third="qkv".index(match[2]))
    return Published(prefix + name)


def _empty(folder: str, *, part: str, local_files_only: bool) -> Any:
    """A model of a configuration, its weights nowhere yet (on the meta device); its buffers are real."""
    from accelerate import init_empty_weights

    kind = CLASSES[part]
    with init_empty_weights(include_buffers=False):
        if part in ("unet", "vae"):
            return kind.from_config(kind.load_config(folder, local_files_only=local_files_only))
        return kind(kind.config_class.from_pretrained(folder, local_files_only=local_files_only))


def _check(file: Path, part: str, names: set[str], prefix: str, wanted: set[str]) -> None:
    """MissingModelError when tensors are missing, or when a denoiser has others too: then it is of another kind."""
    missing = sorted(wanted - names)
    more = sorted({name for name in names if name.startswith(prefix)} - wanted) if part == "unet" else []
    for found, what in ((missing, "without"), (more, "also with")):
        if found:
            raise MissingModelError(
                f"Expected the weights of {part} in {file} as its public family has them, got a file {what} {len(found)} tensors such as "
                f"{found[0]}; give a checkpoint of Stable Diffusion 1.5 or SDXL base, or a folder in the diffusers layout."
            )
