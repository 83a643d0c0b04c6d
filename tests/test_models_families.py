"""Public families: SDXL's conditions against diffusers' own pipeline, few-step kinds, precision, files, offloading."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import tiny
from relook.correspond.semantic import match_segments
from relook.errors import EditError, InputError, MissingModelError
from relook.models import family_files, family_parts
from relook.models.catalogue import entry
from relook.models.families import Family, load_family
from relook.models.text import Text, joined
from relook.session import Placement, offloaded, placement
from relook.transfer.presets import preset_of
from relook.transfer.sample import FRESH, posterior, schedule_of
from tiny import restyle

HALF = Placement(torch.device("cpu"), torch.float16)


@pytest.fixture(scope="module")
def xl() -> Family:
    return tiny.xl_family()


def heard(module: torch.nn.Module, call) -> dict:
    """The keyword arguments of a module's first call while `call` runs."""
    seen: list[dict] = []
    handle = module.register_forward_pre_hook(lambda _, __, options: seen.append(options), with_kwargs=True)
    try:
        call()
    finally:
        handle.remove()
    return seen[0]


@torch.no_grad()
def test_sdxl_hears_what_diffusers_own_pipeline_tells_it(xl: Family) -> None:
    """Both text encoders, the pooled prompt, the sizes, and zeros for no prompt."""
    from diffusers import StableDiffusionXLPipeline

    pipeline = StableDiffusionXLPipeline(
        xl.autoencoder, *xl.text.encoders, *xl.text.tokenizers, xl.denoiser, xl.scheduler,
        force_zeros_for_empty_prompt=True, add_watermarker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    latents = torch.randn(1, 4, 8, 12)
    theirs = heard(
        xl.denoiser,
        lambda: pipeline(
            "a living room", height=32, width=48, num_inference_steps=1, guidance_scale=5.0, latents=latents,
            output_type="latent",
        ),
    )  # fmt: skip
    text = xl.embed(["", "a living room"])
    ours = heard(xl.denoiser, lambda: xl.denoise(latents.expand(2, -1, -1, -1), torch.tensor([981, 981]), text))
    torch.testing.assert_close(ours["encoder_hidden_states"], theirs["encoder_hidden_states"])
    for name in ("text_embeds", "time_ids"):
        torch.testing.assert_close(ours["added_cond_kwargs"][name], theirs["added_cond_kwargs"][name])
    assert theirs["added_cond_kwargs"]["time_ids"][0].tolist() == [32, 48, 0, 0, 32, 48]
    assert not text[:1].states.any()


@torch.no_grad()
def test_the_control_of_sdxl_reaches_only_its_rows(xl: Family) -> None:
    latents, steps = torch.randn(1, 4, 8, 8).expand(2, -1, -1, -1), torch.tensor([500, 500])
    text, image = xl.embed(["a room", "a room"]), torch.rand(1, 3, 32, 32)
    plain = xl.denoise(latents, steps, text)
    for module in (*xl.control.controlnet_down_blocks, xl.control.controlnet_mid_block):
        torch.nn.init.constant_(module.bias, 0.5)  # a fresh ControlNet says nothing
    told = xl.denoise(latents, steps, text, control=image, controlled=[1])
    torch.testing.assert_close(told[0], plain[0])
    assert (told[1] - plain[1]).abs().max() > 1e-3
    with pytest.raises(EditError, match="ControlNet"):
        replace(xl, control=None).denoise(latents, steps, text, control=image, controlled=[1])


@pytest.mark.parametrize("size", [(64, 96), (60, 52)])
def test_every_method_runs_on_sdxls_kind(xl: Family, size: tuple[int, int]) -> None:
    from relook.correspond.semantic import match_segments

    structure, style = tiny.view(*size), tiny.view(40, 48, seed=1)
    matches = match_segments(structure.segments, style.segments)
    for method in ("restyle3d", "cross-image-attention", "eye-for-an-eye"):
        found = restyle(xl, structure, style, matches, preset_of(method), steps=2, prompt="a room")
        assert found.shape == (3, *size)
        assert bool(torch.isfinite(found).all())


def test_texts_are_joined_and_cut() -> None:
    one, two = (Text(torch.rand(1, 3, 4), torch.rand(1, 5)) for _ in range(2))
    both = joined([one, two])
    assert len(both) == 2
    assert torch.equal(both[1:].states, two.states)
    assert torch.equal(both[1:].pooled, two.pooled)
    assert joined([Text(one.states)]).pooled is None
    assert one.expand(3).pooled.shape == (3, 5)


@torch.no_grad()
def test_a_consistency_model_is_told_its_guidance(tmp_path: Path) -> None:
    from diffusers import LatentConsistencyModelPipeline, LCMScheduler, UNet2DConditionModel

    folder = tiny.write_family(tmp_path)
    config = json.loads((folder / "unet" / "config.json").read_text())
    torch.manual_seed(0)
    UNet2DConditionModel.from_config(config | {"time_cond_proj_dim": 12}).save_pretrained(folder / "unet")
    LCMScheduler().save_pretrained(folder / "scheduler")
    family = load_family(folder)
    assert family.few_steps
    seen = heard(
        family.denoiser,
        lambda: family.denoise(torch.randn(2, 4, 8, 8), torch.tensor([999, 99]), family.embed(["", "a room"])),
    )
    theirs = LatentConsistencyModelPipeline.get_guidance_scale_embedding(
        None, torch.tensor([7.0, 7.0]), embedding_dim=12
    )
    torch.testing.assert_close(seen["timestep_cond"], theirs)
    assert schedule_of(family, 4).timesteps == (999, 749, 499, 249)
    pair = tiny.view(32, 40), tiny.view(32, 40, seed=1)
    matches = match_segments(*(view.segments for view in pair))
    picture = restyle(family, *pair, matches, preset_of("restyle3d").but(masked=False))
    assert bool(torch.isfinite(picture).all())


def test_fresh_noise_replaces_all_of_the_old() -> None:
    """Algorithm 1 of Song et al. 2023: predict the picture, noise it anew."""
    clean, noise = torch.randn(1, 4, 4, 4), torch.randn(1, 4, 4, 4)
    now, then = torch.tensor(0.3), torch.tensor(0.7)
    mean, deviation = posterior(now.sqrt() * clean + (1 - now).sqrt() * noise, noise, now, then, FRESH)
    torch.testing.assert_close(mean, then.sqrt() * clean, atol=1e-5, rtol=1e-5)
    assert float(deviation) == pytest.approx(0.3**0.5)
    mean, deviation = posterior(now.sqrt() * clean + (1 - now).sqrt() * noise, noise, now, torch.tensor(1.0), FRESH)
    torch.testing.assert_close(mean, clean, atol=1e-5, rtol=1e-5)
    assert float(deviation) == 0.0


@torch.no_grad()
def test_weights_that_visit_layer_by_layer_say_the_same(tmp_path: Path) -> None:
    family = load_family(tiny.write_family(tmp_path))
    latents, steps, text = torch.randn(1, 4, 8, 8), torch.tensor([400]), family.embed(["a room"])
    before = family.denoise(latents, steps, text)
    moved = offloaded(family.denoiser, torch.device("cpu"))
    assert next(moved.parameters()).device.type == "meta"
    torch.testing.assert_close(family.denoise(latents, steps, text), before)


def test_low_vram_decodes_in_tiles(tmp_path: Path) -> None:
    family = load_family(tiny.write_family(tmp_path), replace(placement("cpu"), low_vram=True))
    assert family.autoencoder.use_tiling


def test_devices_and_precisions_that_are_not_here_are_refused() -> None:
    assert placement("cpu").dtype == torch.float32
    assert placement("cpu", "bf16").dtype == torch.bfloat16
    with pytest.raises(InputError, match="fp16"):
        placement("cpu", "fp16")
    for device in ("cuda:99", "toaster"):
        with pytest.raises(InputError, match="use cpu"):
            placement(device)


def test_bf16_stays_bf16(tmp_path: Path) -> None:
    family = load_family(tiny.write_family(tmp_path), placement("cpu", "bf16"))
    assert {
        p.dtype for model in (family.denoiser, family.control, *family.text.encoders) for p in model.parameters()
    } == {torch.bfloat16}
    pair = tiny.view(32, 40), tiny.view(32, 40, seed=1)
    matches = match_segments(*(view.segments for view in pair))
    picture = restyle(family, *pair, matches, preset_of("restyle3d").but(masked=False), steps=2)
    assert bool(torch.isfinite(picture).all())


def test_files_in_half_precision_are_read_where_they_are_wanted_or_alone(tmp_path: Path) -> None:
    folder = tiny.write_family(tmp_path / "both")
    plain = folder / "unet" / "diffusion_pytorch_model.safetensors"
    half = plain.with_name("diffusion_pytorch_model.fp16.safetensors")
    shutil.copy(plain, half)
    assert plain in family_files.find(str(folder)).weights
    assert half in family_files.find(str(folder), half=True).weights
    assert plain not in family_files.find(str(folder), half=True).weights
    plain.unlink()
    assert half in family_files.find(str(folder)).weights
    assert load_family(folder).denoiser.dtype == torch.float32


def test_an_autoencoder_that_overflows_stays_in_float32(tmp_path: Path) -> None:
    folder = tiny.write_family(tmp_path)
    config = folder / "vae" / "config.json"
    files = family_files.find(str(folder))
    for upcast, dtype in ((True, torch.float32), (False, torch.float16)):
        config.write_text(json.dumps(json.loads(config.read_text()) | {"force_upcast": upcast}))
        assert family_parts.autoencoder(files, HALF).dtype == dtype


def test_nan_is_not_a_black_picture(tmp_path: Path) -> None:
    family = load_family(tiny.write_family(tmp_path))
    with pytest.raises(EditError, match="precision bf16 or fp32"):
        family.decode(torch.full((1, 4, 4, 4), torch.nan))


def test_a_tiny_decoder_stands_in(tmp_path: Path) -> None:
    from diffusers import AutoencoderTiny

    folder = tiny.write_family(tmp_path)
    with pytest.raises(InputError, match="tiny decoder"):
        load_family(folder, tiny_decoder=True)
    small = AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8), decoder_block_out_channels=(8, 8, 8), num_encoder_blocks=(1, 1, 1),
        num_decoder_blocks=(1, 1, 1),
    )  # fmt: skip
    small.save_pretrained(folder / "tiny_decoder")
    family = load_family(folder, tiny_decoder=True)
    latents = torch.randn(1, 4, 6, 8)
    with torch.no_grad():
        expected = (small.decode(latents).sample / 2 + 0.5).clamp(0, 1)
        torch.testing.assert_close(family.decode(latents), expected)
    assert any("tiny_decoder" in str(file) for file in family.weights)


def test_a_mirror_of_the_hub_serves_a_public_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$RELOOK_MODELS/owner/name, and the parts that lie in other repositories."""
    one = entry("sdxl")
    tiny.write_xl_family(tmp_path / one.repository)
    for part, place in (("controlnet", one.control), ("vae", one.autoencoder)):
        (tmp_path / entry(place).repository).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(tmp_path / one.repository / part, tmp_path / entry(place).repository)
    monkeypatch.setenv("RELOOK_MODELS", str(tmp_path))
    family = load_family("sdxl")
    assert family.control is not None
    assert len(family.text.encoders) == 2
    assert {file.parent.name for file in family.weights} == {
        "unet", "text_encoder", "text_encoder_2", *(Path(entry(part).repository).name for part in (one.autoencoder, one.control)),
    }  # fmt: skip


def test_a_single_file_that_is_missing_or_broken_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MissingModelError, match=r"Expected a \.safetensors file"):
        load_family(tmp_path / "nowhere.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    with pytest.raises(MissingModelError, match="broken file"):
        load_family(tmp_path / "broken.safetensors")
