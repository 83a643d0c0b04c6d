"""A single file of the first authors' layout is the same family as the folder: against diffusers' own reader, and to the last bit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import ldm_names
from ldm_names import said
from relook.errors import MissingModelError
from relook.models import family_files, single_file
from relook.models.families import load_family

WRITERS: dict[str, Callable[[Path], Path]] = {"sd15": ldm_names.write_sd15, "sdxl": ldm_names.write_sdxl}
HALVES = torch.float16


@pytest.fixture(scope="module", params=["sd15", "sdxl"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path, Path]:
    """A kind, a whole family in a folder, a mirror of the hub without its weights, and the file that has them."""
    kind, root = request.param, tmp_path_factory.mktemp(request.param)
    folder, mirror, entry = WRITERS[kind](root / "whole"), root / "mirror", family_files.HUB[request.param]
    file = ldm_names.write_single_file(folder, root / "some checkpoint.safetensors", kind)
    shutil.copytree(folder / "controlnet", mirror / str(entry.control))
    shutil.copytree(folder, mirror / entry.repository, ignore=shutil.ignore_patterns("*.safetensors", "controlnet"))
    return kind, folder, mirror, file


def test_a_single_file_says_the_same_as_the_folder(
    made: tuple[str, Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, folder, mirror, file = made
    monkeypatch.setenv("RELOOK_MODELS", str(mirror))
    one, whole = load_family(file), load_family(folder)
    assert file in one.weights
    assert one.scheduler.config == whole.scheduler.config
    theirs, ours = said(whole), said(one)
    assert ours.keys() == theirs.keys()
    assert ("pooled" in ours) == (kind == "sdxl")
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, atol=1e-5, rtol=1e-5)
    assert float((theirs["noise"][0] - theirs["noise"][1]).abs().max()) > 1e-2


def test_diffusers_own_reader_finds_the_same_tensors(made: tuple[str, Path, Path, Path]) -> None:
    """An independent implementation of the same names: every tensor of every part is equal."""
    from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm

    kind, folder, _, file = made
    for part in single_file.PREFIXES[kind]:
        ours = single_file.read_part(file, folder, part, torch.float32).state_dict()
        model: Any = single_file.CLASSES[part]
        if part in ("unet", "vae"):
            theirs = model.from_single_file(str(file), config=str(folder), subfolder=part, local_files_only=True)
        else:
            theirs = create_diffusers_clip_model_from_ldm(
                model, load_file(file), subfolder=part, config=str(folder), local_files_only=True
            )
        other = theirs.state_dict()
        assert ours.keys() == other.keys()
        for name, value in ours.items():
            assert torch.equal(value, other[name]), name


def test_single_files_are_read_in_half_precision(made: tuple[str, Path, Path, Path]) -> None:
    kind, folder, _, file = made
    for part in single_file.PREFIXES[kind]:
        model = single_file.read_part(file, folder, part, HALVES)
        assert {weight.dtype for weight in model.parameters()} == {HALVES}


@pytest.mark.parametrize(
    ("part", "name", "expected"),
    [
        ("unet", "down_blocks.1.resnets.1.time_emb_proj.bias", "input_blocks.5.0.emb_layers.1.bias"),
        ("unet", "down_blocks.2.downsamplers.0.conv.weight", "input_blocks.9.0.op.weight"),
        ("unet", "mid_block.resnets.1.conv2.weight", "middle_block.2.out_layers.3.weight"),
        ("unet", "up_blocks.0.upsamplers.0.conv.bias", "output_blocks.2.1.conv.bias"),
        ("unet", "up_blocks.1.upsamplers.0.conv.bias", "output_blocks.5.2.conv.bias"),
        ("unet", "up_blocks.3.attentions.2.proj_in.weight", "output_blocks.11.1.proj_in.weight"),
        ("vae", "decoder.up_blocks.0.upsamplers.0.conv.weight", "decoder.up.3.upsample.conv.weight"),
        ("vae", "encoder.down_blocks.1.resnets.0.conv_shortcut.bias", "encoder.down.1.block.0.nin_shortcut.bias"),
        ("vae", "decoder.mid_block.attentions.0.to_out.0.bias", "decoder.mid.attn_1.proj_out.bias"),
        ("vae", "encoder.mid_block.resnets.1.norm1.weight", "encoder.mid.block_2.norm1.weight"),
        ("text_encoder_2", "text_model.encoder.layers.31.mlp.fc2.bias", "transformer.resblocks.31.mlp.c_proj.bias"),
        ("text_encoder_2", "text_model.encoder.layers.0.self_attn.v_proj.bias", "transformer.resblocks.0.attn.in_proj_bias"),
    ],
)  # fmt: skip
def test_names_are_the_published_ones(part: str, name: str, expected: str) -> None:
    """As they stand in the files of Stable Diffusion 1.5 and SDXL."""
    settings = {} if part == "text_encoder_2" else ldm_names.config(f"sd15_{part}")
    assert single_file.published(part, name, settings).name == expected


def changed(file: Path, to: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> Path:
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, to)
    return to


def test_files_of_another_kind_are_one_sentence(
    made: tuple[str, Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, mirror, file = made
    monkeypatch.setenv("RELOOK_MODELS", str(mirror))
    first = "model.diffusion_model.input_blocks.0.0.weight"
    middle = "model.diffusion_model.middle_block.1.norm.weight"
    for name, change, words in (
        (
            "inpainting",
            lambda t: t.update({first: torch.zeros(8, 9, 3, 3)}),
            r"input_blocks.0.0.weight of shape \(8, 9",
        ),
        ("broken", lambda t: t.pop(middle), "without 1 tensors such as " + middle),
        ("distilled", lambda t: t.update({"model.diffusion_model.new": torch.zeros(1)}), "also with 1 tensors"),
        ("denoiser", lambda t: [t.pop(n) for n in list(t) if n.startswith("first_stage")], "another layout"),
    ):
        with pytest.raises(MissingModelError, match=words) as caught:
            load_family(changed(file, tmp_path / f"{name}.safetensors", change))
        assert str(caught.value).startswith("Expected ")
        assert "\n" not in str(caught.value)


def test_a_file_can_say_that_it_predicts_v(
    made: tuple[str, Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, mirror, file = made
    monkeypatch.setenv("RELOOK_MODELS", str(mirror))
    marks = {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    found = family_files.find(str(changed(file, tmp_path / "v.safetensors", lambda tensors: tensors.update(marks))))
    schedule = family_files.read_scheduler(found)
    assert schedule.config["prediction_type"] == "v_prediction"
    assert float(schedule.alphas_cumprod[-1]) < 1e-6
    plain = family_files.read_scheduler(family_files.find(str(file)))
    assert plain.config["prediction_type"] == "epsilon"
