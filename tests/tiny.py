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
    from tokenizers import Tokenizer, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast
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
    CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=8,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
        )
    ).save_pretrained(folder / "text_encoder")
    words = Tokenizer(models.WordLevel({word: id for id, word in enumerate(WORDS)}, unk_token=WORDS[1]))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = TemplateProcessing(
        single=f"{WORDS[0]} $A {WORDS[1]}", special_tokens=[(WORDS[0], 0), (WORDS[1], 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=words,
        bos_token=WORDS[0],
        eos_token=WORDS[1],
        pad_token=WORDS[1],
        unk_token=WORDS[1],
        model_max_length=8,
    ).save_pretrained(folder / "tokenizer")
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
