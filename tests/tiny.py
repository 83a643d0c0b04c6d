"""A tiny random family made of the real diffusers and transformers classes, for tests."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

SIZES = {"block_out_channels": (8, 16), "norm_num_groups": 4}
WORDS = ("<|startoftext|>", "<|endoftext|>", "a", "room", "living", "bedroom", "kitchen", "sofa", "wood")


def unet(*, attention: bool = True, finest: bool = True, channels: int = 4, seed: int = 0):
    """A UNet with self-attention at levels 1 (if `finest`) and 0.5 of its decoder, or none if `attention` is False."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(seed)
    kind = "CrossAttn" if attention else ""
    return UNet2DConditionModel(
        in_channels=channels,
        out_channels=channels,
        down_block_types=(f"{kind}DownBlock2D",) * 2,
        up_block_types=(f"{kind}UpBlock2D", f"{kind if finest else ''}UpBlock2D"),
        mid_block_type="UNetMidBlock2DCrossAttn" if attention else None,
        layers_per_block=1,
        cross_attention_dim=16,
        attention_head_dim=2,
        **SIZES,
    ).eval()


def write_family(
    folder: Path, *, attention: bool = True, finest: bool = True, prediction: str = "epsilon", seed: int = 0
) -> Path:
    """Save a whole random family (about 100 thousand parameters) in the diffusers layout."""
    from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler
    from transformers import CLIPTextModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(seed)
    denoiser = unet(attention=attention, finest=finest, seed=seed)
    denoiser.save_pretrained(folder / "unet")
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 8),
        latent_channels=4,
        norm_num_groups=4,
        scaling_factor=0.7,
        shift_factor=0.1,
        sample_size=32,
    )
    vae.save_pretrained(folder / "vae")
    if attention:
        ControlNetModel.from_unet(denoiser, conditioning_embedding_out_channels=(8, 8, 8)).save_pretrained(
            folder / "controlnet"
        )
    CLIPTextModel(text_config()).save_pretrained(folder / "text_encoder")
    tokenizer().save_pretrained(folder / "tokenizer")
    DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type=prediction,
        clip_sample=False,
        set_alpha_to_one=False,
    ).save_pretrained(folder / "scheduler")
    (folder / "relook.json").write_text(json.dumps({"name": "tiny", "size": 32, "notes": "random weights for tests"}))
    return folder


def text_config(width: int = 16, layers: int = 1, projection: int = 16):
    """A small CLIP text encoder's."""
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=len(WORDS), hidden_size=width, intermediate_size=16, num_hidden_layers=layers, num_attention_heads=2,
        max_position_embeddings=8, projection_dim=projection, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip


def tokenizer():
    """One of nine words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: id for id, word in enumerate(WORDS)}, unk_token=WORDS[1]))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = TemplateProcessing(
        single=f"{WORDS[0]} $A {WORDS[1]}", special_tokens=[(WORDS[0], 0), (WORDS[1], 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        bos_token=WORDS[0],
        eos_token=WORDS[1],
        pad_token=WORDS[1],
        unk_token=WORDS[1],
        model_max_length=8,
    )


def write_xl_family(folder: Path, *, seed: int = 0) -> Path:
    """A random family of SDXL's kind: two text encoders, three levels, deeper transformers, sizes among the conditions."""
    from diffusers import ControlNetModel, UNet2DConditionModel
    from transformers import CLIPTextModelWithProjection

    write_family(folder, seed=seed)
    torch.manual_seed(seed)
    denoiser = UNet2DConditionModel(
        block_out_channels=(8, 8, 16),
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1, 2),
        layers_per_block=1,
        cross_attention_dim=16 + 12,
        attention_head_dim=(2, 2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=6 * 4 + 10,
        sample_size=16,
    ).eval()
    denoiser.save_pretrained(folder / "unet")
    ControlNetModel.from_unet(denoiser, conditioning_embedding_out_channels=(8, 8, 8)).save_pretrained(
        folder / "controlnet"
    )
    CLIPTextModelWithProjection(text_config(12, 2, 10)).save_pretrained(folder / "text_encoder_2")
    tokenizer().save_pretrained(folder / "tokenizer_2")
    (folder / "model_index.json").write_text(json.dumps({"force_zeros_for_empty_prompt": True}))
    (folder / "relook.json").write_text(json.dumps({"name": "tiny xl", "size": 64}))
    return folder


@cache
def xl_family():
    """The family of `write_xl_family`, loaded; one per process."""
    from relook.models.families import load_family

    with TemporaryDirectory() as folder:
        return load_family(write_xl_family(Path(folder)))


@cache
def family(*, attention: bool = True, finest: bool = True, prediction: str = "epsilon"):
    """The family of `write_family`, loaded; one per process."""
    from relook.models.families import load_family

    with TemporaryDirectory() as folder:
        return load_family(write_family(Path(folder), attention=attention, finest=finest, prediction=prediction))


def view(height: int, width: int, names: tuple[str, str, str] = ("wall", "sofa", "bed"), seed: int = 0):
    """A random picture of three regions (one above, two below) with depth."""
    from relook.types import Depth, Region, Segments, View

    draw = torch.Generator().manual_seed(seed)
    labels = torch.ones(height, width, dtype=torch.int64)
    labels[height // 2 :, : width // 2], labels[height // 2 :, width // 2 :] = 2, 3
    segments = Segments(labels, {id: Region(name) for id, name in enumerate(names, start=1)})
    depth = Depth(torch.rand(height, width, generator=draw) + 1, "metric")
    return View(torch.rand(3, height, width, generator=draw), segments, depth)


def write_adapter(folder: Path, denoiser, *, seed: int = 0, silent: bool = False) -> Path:
    """A random IP-Adapter for a denoiser, named as published: its file and its image encoder; `silent`: values are zero."""
    from safetensors.torch import save_file
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(seed)
    config = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=24, patch_size=8,
        projection_dim=12,
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).save_pretrained(folder / "image_encoder")
    width = denoiser.config["cross_attention_dim"]
    tensors = {
        "image_proj.proj.weight": torch.randn(4 * width, 12),
        "image_proj.proj.bias": torch.randn(4 * width),
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }
    for place, name in enumerate(denoiser.attn_processors):
        if name.endswith("attn2.processor"):
            channels = denoiser.get_submodule(name.removesuffix(".processor")).to_q.out_features
            tensors[f"ip_adapter.{place}.to_k_ip.weight"] = torch.randn(channels, width)
            tensors[f"ip_adapter.{place}.to_v_ip.weight"] = torch.randn(channels, width) * (0 if silent else 1)
    save_file(tensors, folder / "ip-adapter_tiny.safetensors")
    return folder
