"""A single file of the first authors' layout is the same family as the folder; the files are written by our own list of names."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import ldm_names
from ldm_layout import published
from ldm_names import said
from relook.errors import MissingModelError
from relook.models import family_files, family_parts
from relook.models.catalogue import entry
from relook.models.families import load_family
from relook.session import Placement

WRITERS: dict[str, Callable[[Path], Path]] = {"sd15": ldm_names.write_sd15, "sdxl": ldm_names.write_sdxl}


@pytest.fixture(scope="module", params=["sd15", "sdxl"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path, Path]:
    """A kind, a whole family in a folder, a mirror of the hub without its weights, and the file that has them."""
    kind, root = request.param, tmp_path_factory.mktemp(request.param)
    folder, mirror, one = WRITERS[kind](root / "whole"), root / "mirror", entry(request.param)
    file = ldm_names.write_single_file(folder, root / "some checkpoint.safetensors", kind)
    shutil.copytree(folder / "controlnet", mirror / entry(one.control).repository)
    shutil.copytree(folder, mirror / one.repository, ignore=shutil.ignore_patterns("*.safetensors", "controlnet"))
    return kind, folder, mirror, file


def test_a_single_file_says_the_same_as_the_folder(
    made: tuple[str, Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, folder, mirror, file = made
    monkeypatch.setenv("RELOOK_MODELS", str(mirror))
    one, whole = load_family(file), load_family(folder)
    assert file in one.weights
    assert one.scheduler.config == whole.scheduler.config
    expected, found = said(whole), said(one)
    assert found.keys() == expected.keys()
    assert ("pooled" in found) == (kind == "sdxl")
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-5)
    assert float((expected["noise"][0] - expected["noise"][1]).abs().max()) > 1e-2


def test_single_files_are_read_in_half_precision(
    made: tuple[str, Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, mirror, file = made
    monkeypatch.setenv("RELOOK_MODELS", str(mirror))
    place = Placement(torch.device("cpu"), torch.float16)
    files = family_files.find(str(file), half=True)
    parts = family_parts.denoiser(files, place), *family_parts.text(files, place).encoders
    assert {weight.dtype for part in parts for weight in part.parameters()} == {torch.float16}


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
    assert published(part, name, settings).name == expected


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
    words_read = next(name for name in load_file(file) if name.endswith("layers.0.mlp.fc1.bias"))
    middle = "model.diffusion_model.middle_block.1.norm.weight"
    for name, change, words in (
        (
            "inpainting",
            lambda t: t.update({first: torch.zeros(8, 9, 3, 3)}),
            r"inpainting.safetensors, got: .*conv_in.weight expected shape",
        ),
        ("broken", lambda t: t.pop(middle), "unet in .*broken.safetensors, got a file without some"),
        ("deaf", lambda t: t.pop(words_read), "text_encoder in .* without some"),
        ("distilled", lambda t: t.update({"model.diffusion_model.new": torch.zeros(1)}), "also with 1 others"),
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
    schedule = family_parts.scheduler(found)
    assert schedule.config["prediction_type"] == "v_prediction"
    assert float(schedule.alphas_cumprod[-1]) < 1e-6
    plain = family_parts.scheduler(family_files.find(str(file)))
    assert plain.config["prediction_type"] == "epsilon"
