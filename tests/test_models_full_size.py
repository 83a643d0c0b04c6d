"""Stable Diffusion 1.5 and SDXL at their real sizes: parameters, tensors and published names; every method on both at odd sizes.

What builds gigabytes is skipped unless RELOOK_FULL_SIZE=1: it takes minutes, and 10 GB of memory (SDXL 16).
"""

from __future__ import annotations

import gc
import json
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

import ldm_names
import tiny
from ldm_layout import PREFIXES
from ldm_names import config, drawn, extras, layout, said
from relook.correspond.semantic import Correspondence, match_segments
from relook.models.catalogue import entry
from relook.models.families import Family, load_family
from relook.models.text import TextReader
from relook.models.view_refiner import PUBLISHED, ViewRefiner, network_of
from relook.session import Placement
from relook.transfer.presets import preset_of
from relook.transfer.refine import Refinement, refined
from relook.transfer.settings import Preset
from relook.types import View
from tiny import restyle

SLOW = pytest.mark.skipif(
    os.environ.get("RELOOK_FULL_SIZE") != "1", reason="builds models of gigabytes; set RELOOK_FULL_SIZE=1 to run it"
)
METHODS = ("restyle3d", "cross-image-attention", "eye-for-an-eye", "style-id", "ip-adapter")
STEPS = {"style-id": 1}
"""Other than two: inverting both pictures, it predicts five times a step."""
PARAMETERS = {
    "sd15_unet": 859_520_964,
    "sd15_controlnet": 361_279_120,
    "sd15_vae": 83_653_863,
    "sd15_text_encoder": 123_060_480,
    "sdxl_unet": 2_567_463_684,
    "sdxl_vae": 83_653_863,
    "sdxl_text_encoder": 123_060_480,
    "sdxl_text_encoder_2": 694_659_840,
}
"""Of the public checkpoints."""
TENSORS = {"sd15_unet": 686, "sd15_vae": 248, "sd15_text_encoder": 196, "sdxl_unet": 1680, "sdxl_vae": 248}
"""Tensors of the public classes."""
SCHEDULE = ("betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod",
            "log_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod", "posterior_variance",
            "posterior_log_variance_clipped", "posterior_mean_coef1", "posterior_mean_coef2")  # fmt: skip
"""Tensors of the noise schedule in files of Stable Diffusion 1."""
MARKS = ("edm_vpred.sigma_max", "edm_vpred.sigma_min", "v_pred", "ztsnr")
"""Tensors by which some files of SDXL say what they predict."""
LISTED = {"sd15": (1143, 73_262, SCHEDULE), "sdxl": (2519, 179_682, MARKS)}
"""Names, and characters in all, of the public lists of names in such files (ljleb/sd-mecha, sd1_ldm_keys.txt and sdxl_sgm_keys.txt),
and which of them are no weights."""


def kinds() -> dict[str, Any]:
    from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel

    return {kind.__name__: kind for kind in (UNet2DConditionModel, ControlNetModel, AutoencoderKL)}


def empty(name: str) -> Any:
    """The public class of a configuration with its weights on the meta device."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    settings = config(name)
    with torch.device("meta"):
        if "_class_name" in settings:
            return kinds()[settings["_class_name"]].from_config(settings)
        kind = CLIPTextModelWithProjection if name.endswith("_2") else CLIPTextModel
        return kind(CLIPTextConfig(**settings))


@cache
def shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Tensors of a public class with their shapes."""
    return {tensor: tuple(value.shape) for tensor, value in empty(name).state_dict().items()}


@cache
def published_layout(kind: str) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the weights in a published file of that kind."""
    found: dict[str, tuple[int, ...]] = {}
    for part in PREFIXES[kind]:
        found |= layout(kind, part, shapes(f"{kind}_{part}"), config(f"{kind}_{part}"))
    return found


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_real_configurations_have_the_published_parameters(name: str) -> None:
    assert sum(torch.Size(shape).numel() for shape in shapes(name).values()) == PARAMETERS[name]
    assert len(shapes(name)) == TENSORS.get(name, len(shapes(name)))


@pytest.mark.parametrize("kind", LISTED)
def test_the_names_in_a_single_file_are_the_published_ones(kind: str) -> None:
    """As many names with as many characters in all as in the public list."""
    count, characters, others = LISTED[kind]
    marks = {name for name in extras(kind) if name.startswith("cond")}
    names = {*published_layout(kind), *marks, *others}
    assert len(names) == count
    assert len("\n".join(names)) == characters


@pytest.mark.parametrize(
    ("kind", "name", "shape"),
    [
        ("sd15", "model.diffusion_model.input_blocks.1.1.proj_in.weight", (320, 320, 1, 1)),
        ("sd15", "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", (320, 768)),
        ("sd15", "model.diffusion_model.output_blocks.2.1.conv.weight", (1280, 1280, 3, 3)),
        ("sd15", "model.diffusion_model.output_blocks.5.0.in_layers.2.weight", (1280, 1920, 3, 3)),
        ("sd15", "first_stage_model.decoder.mid.attn_1.q.weight", (512, 512, 1, 1)),
        ("sd15", "first_stage_model.decoder.up.0.block.0.nin_shortcut.weight", (128, 256, 1, 1)),
        ("sd15", "first_stage_model.quant_conv.weight", (8, 8, 1, 1)),
        ("sd15", "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight", (49408, 768)),
        ("sdxl", "model.diffusion_model.input_blocks.4.1.proj_in.weight", (640, 640)),
        ("sdxl", "model.diffusion_model.input_blocks.8.1.transformer_blocks.9.attn2.to_v.weight", (1280, 2048)),
        ("sdxl", "model.diffusion_model.output_blocks.2.2.conv.weight", (1280, 1280, 3, 3)),
        ("sdxl", "model.diffusion_model.label_emb.0.0.weight", (1280, 2816)),
        ("sdxl", "conditioner.embedders.1.model.transformer.resblocks.31.attn.in_proj_weight", (3840, 1280)),
        ("sdxl", "conditioner.embedders.1.model.text_projection", (1280, 1280)),
        ("sdxl", "conditioner.embedders.1.model.positional_embedding", (77, 1280)),
    ],
)
def test_shapes_in_a_single_file_are_the_published_ones(kind: str, name: str, shape: tuple[int, ...]) -> None:
    assert published_layout(kind)[name] == shape


def test_the_published_view_refiner_joins_at_its_real_size() -> None:
    """ReStyle3D's checkpoint: SDXL's names and a second first convolution, of twelve channels, with a bias of its own."""
    tensors = shapes("sdxl_unet") | {"conv_in_image.weight": (320, 12, 3, 3), "conv_in_image.bias": (320,)}
    assert tensors["conv_in.weight"] == (320, 4, 3, 3)
    network = network_of(
        {name: torch.empty(shape, device="meta") for name, shape in tensors.items()}, config("sdxl_unet")
    )
    found = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert found == shapes("sdxl_unet") | {"conv_in.weight": (320, 16, 3, 3)}
    assert network.config["in_channels"] == 16
    assert ViewRefiner(narrow("sdxl"), network, conventions=PUBLISHED).conditions == ("warped", "depth", "mask")


def test_the_adapters_image_encoder_is_as_large_as_the_published_file() -> None:
    """2,528,373,448 bytes in float32: the header of a safetensors file, the places of the 257 patches, 632 M parameters."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    with torch.device("meta"):
        model = CLIPVisionModelWithProjection(CLIPVisionConfig(**config("ip_adapter_image_encoder")))
    header, end = {"__metadata__": {"format": "pt"}}, 0
    places = {"vision_model.embeddings.position_ids": ("I64", [1, 257], 8)}
    weights = {name: ("F32", list(weight.shape), 4) for name, weight in sorted(model.named_parameters())}
    for name, (kind, shape, size) in (places | weights).items():
        begin, end = end, end + size * torch.Size(shape).numel()
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}
    text = len(json.dumps(header, separators=(",", ":")))
    assert 8 + text + -text % 8 + end == 2_528_373_448


def pair(height: int, width: int) -> tuple[View, View, Correspondence]:
    structure, style = tiny.view(height, width), tiny.view(height // 2, width // 2, seed=1)
    return structure, style, match_segments(structure.segments, style.segments)


@pytest.fixture
def restyled(tmp_path: Path) -> Callable[..., torch.Tensor]:
    """One or two steps of a method, by its default preset or another; methods with an image prompt get a random adapter for the family."""

    def run(
        family: Family, method: str, structure: View, style: View, matched: Correspondence, preset: Preset | None = None
    ):
        preset, options = preset or preset_of(method), {"steps": STEPS.get(method, 2), "prompt": "a room"}
        if preset.denoising.image_scale > 0:
            options["image_prompt"] = str(tiny.write_adapter(tmp_path, family.denoiser))
        return restyle(family, structure, style, matched, preset, **options)

    return run


@cache
def narrow(kind: str) -> Family:
    """The public family's blocks, with few channels."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        return load_family((ldm_names.write_sd15 if kind == "sd15" else ldm_names.write_sdxl)(Path(folder)))


@pytest.mark.parametrize(
    ("kind", "width", "height"),
    [
        ("sd15", 384, 256),
        ("sdxl", 768, 512),
        ("sdxl", 512, 320),
        *(pytest.param(*one, marks=SLOW) for one in (("sd15", 768, 512), ("sd15", 1024, 640), ("sdxl", 1024, 640))),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_on_both_families_at_sizes_that_are_not_square(
    kind: str, width: int, height: int, method: str, restyled: Any
) -> None:
    """Edits that do not find their layers by name and grid raise; the finish, which knows no layers, are left out."""
    found = restyled(narrow(kind), method, *pair(height, width), preset_of(method).unfinished())
    assert found.shape == (3, height, width)
    assert bool(torch.isfinite(found).all())
    assert float(found.std()) > 0.01


@cache
def full(kind: str, dtype: torch.dtype = torch.float32) -> Family:
    """The public family at its real size with seeded random weights."""
    from diffusers import DDIMScheduler
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    def filled(name: str) -> Any:
        return drawn(empty(name).to(dtype).to_empty(device="cpu"), seed=0).requires_grad_(False)

    texts = [CLIPTextModel(CLIPTextConfig(**config(f"{kind}_text_encoder")))]
    if kind == "sdxl":
        texts.append(CLIPTextModelWithProjection(CLIPTextConfig(**config("sdxl_text_encoder_2"))))
    return Family(
        name=kind, autoencoder=filled(f"{kind}_vae"), denoiser=filled(f"{kind}_unet"), control=filled(f"{kind}_controlnet"),
        text=TextReader((tiny.tokenizer(),) * len(texts), tuple(text.to(dtype).eval() for text in texts)),
        scheduler=DDIMScheduler.from_config(config(f"{kind}_scheduler")), weights=(), size=512 if kind == "sd15" else 1024,
        place=Placement(torch.device("cpu"), dtype),
    )  # fmt: skip


@SLOW
@pytest.mark.parametrize("side", [512, 768])
@pytest.mark.parametrize("method", METHODS)
def test_full_size_sd15_takes_steps_in_every_method(method: str, side: int, restyled: Any) -> None:
    found = restyled(full("sd15"), method, *pair(side, side))
    assert found.shape == (3, side, side)
    assert bool(torch.isfinite(found).all())
    assert float(found.std()) > 0.01


@SLOW
@pytest.mark.parametrize("method", METHODS)
def test_full_size_sdxl_takes_steps_in_every_method(method: str, restyled: Any) -> None:
    full.cache_clear()
    found = restyled(full("sdxl", torch.bfloat16), method, *pair(512, 512))
    assert found.shape == (3, 512, 512)
    assert bool(torch.isfinite(found).all())


@SLOW
def test_full_size_sdxl_refines() -> None:
    found = refined(torch.rand(3, 256, 256), tiny.view(256, 256), full("sdxl", torch.bfloat16), Refinement(steps=5))
    assert found.shape == (3, 512, 512)
    assert bool(torch.isfinite(found).all())


@SLOW
@pytest.mark.parametrize("kind", ["sd15", "sdxl"])
def test_full_size_saved_and_loaded_says_the_same(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its folder and from one file; in bfloat16, for room."""
    place, one, whole = Placement(torch.device("cpu"), torch.bfloat16), entry(kind), tmp_path / "whole"
    full.cache_clear()
    family = full(kind, torch.bfloat16)
    for part, model in (("unet", family.denoiser), ("vae", family.autoencoder), ("controlnet", family.control)):
        model.save_pretrained(whole / part)
    for number, (tokenizer, encoder) in enumerate(zip(family.text.tokenizers, family.text.encoders, strict=True)):
        ending = f"_{number + 1}" if number else ""
        tokenizer.save_pretrained(whole / f"tokenizer{ending}")
        encoder.save_pretrained(whole / f"text_encoder{ending}")
    family.scheduler.save_pretrained(whole / "scheduler")
    expected = said(family)
    del family
    full.cache_clear()
    gc.collect()
    again = said(load_family(whole, place))
    file = ldm_names.write_single_file(whole, tmp_path / "one.safetensors", kind)
    (tmp_path / entry(one.control).repository).parent.mkdir(parents=True)
    (whole / "controlnet").rename(tmp_path / entry(one.control).repository)
    shutil.copytree(whole, tmp_path / one.repository, ignore=shutil.ignore_patterns("*.safetensors*"))
    shutil.rmtree(whole)
    monkeypatch.setenv("RELOOK_MODELS", str(tmp_path))
    for found in (again, said(load_family(file, place))):
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-5)
