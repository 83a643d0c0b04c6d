"""The released presets against recorded numbers of their authors' code (../shared/parity): schedules, inversion, every step, whole runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from golden import METHODS, Golden, family, off
from relook.models.text import Text
from relook.ops.attention import attend, attend_materialised, nearest_tokens
from relook.ops.statistics import adain
from relook.transfer import edit
from relook.transfer import step as stepping
from relook.transfer.freeu import freeu, scaled_input
from relook.transfer.guidance import classifier_free, composed, depth_guided, eps, guidance
from relook.transfer.predict import Row, predict_rows
from relook.transfer.presets import preset_of
from relook.transfer.restyle import denoised
from relook.transfer.settings import FreeU
from relook.transfer.step import guided_noise, step

pytestmark = pytest.mark.weights


@pytest.fixture
def parity(shared: Path) -> Path:
    if not (shared / "parity").is_dir():
        pytest.skip(f"needs the recorded numbers, and {shared} has none")
    return shared / "parity"


@pytest.fixture(params=METHODS)
def golden(parity: Path, request) -> Golden:
    return Golden(parity, request.param)


@pytest.fixture
def pieces(parity: Path) -> dict[str, torch.Tensor]:
    return load_file(parity / "pieces.safetensors")


def test_schedules_are_theirs(golden):
    schedule, run = golden.timing.schedule, golden.run
    assert list(schedule.timesteps) == run["timesteps"].tolist()
    assert golden.timing.first == golden.settings["skip"]
    assert off(schedule.signal[:-1], run["alpha_bar"]) < 1e-6
    assert off(schedule.signal[1:], run["alpha_bar_previous"]) < 1e-6


def test_windows_are_the_steps_in_which_they_act(golden):
    timing, denoising, theirs = golden.timing, golden.preset.denoising, golden.settings
    acting = lambda window: [i for i in range(len(timing.run)) if timing.within(window, timing.first + i, after=True)]  # noqa: E731
    first, last = theirs["attention"]["edited_steps"]
    for swap in denoising.attention:
        assert acting(swap.window) == list(range(first, last + 1))
    assert acting(denoising.injection) == theirs["attention"]["structure_steps"]
    first, last = theirs["adain"]["steps"]
    assert acting(denoising.adain_window) == list(range(first, last + 1))
    if "window" in theirs["guidance"]:
        first, last = theirs["guidance"]["window"]
        assert acting(denoising.guidance_window) == list(range(first, last + 1))
        low, high = denoising.scale
        scales = [low + (high - low) * timing.ramp(index) for index in timing.run]
        assert off(torch.tensor(scales), golden.run["guidance_scale"]) < 1e-6


@pytest.mark.usefixtures("unchecked")
def test_inversion_and_every_recorded_step(golden, monkeypatch):
    """Single steps from recorded latents, so that no error of one hides in the next."""
    run, timing = golden.prepared(), golden.timing
    for name, path in (("style", run.style), ("structure", run.structure)):
        assert off(path[timing.first :, 0], golden.run[f"inversion.xts_{name}"][timing.first :]) < 1e-6
    noises = (golden.run[f"inversion.zs_{name}"] for name in ("structure", "style", "structure"))
    assert off(run.noise[timing.first :], torch.stack(list(noises), 1)[timing.first :]) < 1e-5
    said = []
    monkeypatch.setattr(stepping, "guided_noise", lambda *asked: said.append(guided_noise(*asked)) or said[-1])
    with torch.no_grad(), freeu(golden.family.denoiser, golden.preset.denoising.freeu):
        for i in golden.settings["recorded_steps"]:
            index, there = timing.first + i, lambda name, i=i: golden.run[f"step_{i:02d}.{name}"]
            force(monkeypatch, golden, index)
            out = step(run, there("latents_in"), index)
            assert off(said.pop(), there("noise_guided")) < 2e-5, i
            assert off(out, there("latents_out")) < 2e-5, i
            assert not said


@pytest.mark.usefixtures("unchecked")
def test_whole_runs(golden, monkeypatch):
    """Eye-for-an-eye with the recorded matches: one that falls the other way moves its end by .44."""
    run = golden.prepared()
    for index in golden.timing.run:
        force(monkeypatch, golden, index, add=index > golden.timing.first)
    with torch.no_grad(), freeu(golden.family.denoiser, golden.preset.denoising.freeu):
        final = denoised(run)
    limit = 3e-4 if golden.method == "eye-for-an-eye" else 1e-4
    assert off(final, golden.run["final"]) < limit
    assert off(final[:1], golden.run["final"][:1]) < limit


def test_eye_for_an_eye_matches_alike(parity, monkeypatch):
    """Its own matches where a step begins from recorded latents: none differs unless the two best are as good as equal."""
    golden = Golden(parity, "eye-for-an-eye")
    run, found = golden.prepared(), []
    steps = [i for i in golden.settings["recorded_steps"] if i in golden.run["matches.steps"].tolist()]

    def noted(query, key, mask=None):
        found.append(nearest_tokens(query, key, mask)[0])
        return recorded.pop(0)[None]

    monkeypatch.setattr(edit, "nearest_tokens", noted)
    with torch.no_grad(), freeu(golden.family.denoiser, golden.preset.denoising.freeu):
        for i in steps:
            recorded = golden.recorded("style_token", i)
            step(run, golden.run[f"step_{i:02d}.latents_in"], golden.timing.first + i)
            assert not recorded
    expected, margins = (
        [layer for i in steps for layer in golden.recorded(what, i)] for what in ("style_token", "margin")
    )
    assert len(found) == len(expected) == 6 * len(steps) > 40
    assert all((margin[one != other] < 1e-5).all() for one, other, margin in zip(found, expected, margins, strict=True))


def test_masks_are_equal(parity):
    golden = Golden(parity, "restyle3d")
    scene = golden.scene()
    for side in (8, 16):
        assert torch.equal(scene.mask((side, side), (side, side)).matrix[0], golden.run[f"mask_{side}x{side}"].bool())


@pytest.mark.parametrize("side", [8, 16])
def test_attention(pieces, side):
    """The output's row alone is edited; row 1 gives."""
    part = lambda name: pieces[f"attention.{side}x{side}.{name}"]  # noqa: E731
    query, key, value, mask = part("q"), part("k"), part("v"), part("mask").bool()[None]
    swapped = query[:1], key[1:2], value[1:2]
    contrast = {"contrast": 1.67, "clip": True}
    found = {
        "plain": attend(*swapped),
        "contrast_clip": attend_materialised(*swapped, **contrast),
        "masked": attend_materialised(*swapped, mask, masking="multiplied"),
        "masked_contrast_clip": attend_materialised(*swapped, mask, masking="multiplied", **contrast),
    }
    for name, answer in found.items():
        assert off(answer, part(name)[:1]) < 1e-5, name
    assert off(attend(query[1:], key[1:], value[1:]), part("masked_contrast_clip")[1:]) < 1e-5


@pytest.mark.parametrize("side", [8, 16])
def test_rearrangement(pieces, side):
    hidden = pieces[f"rearrange.{side}x{side}.hidden"]
    assert torch.equal(nearest_tokens(hidden[3:4], hidden[4:5])[0], pieces[f"rearrange.{side}x{side}.style_token"])
    moved = hidden.clone()
    moved[3] = hidden[4][pieces[f"rearrange.{side}x{side}.style_token"]]
    assert torch.equal(moved, pieces[f"rearrange.{side}x{side}.out"])


def test_adain(pieces):
    content, style = pieces["adain.content"], pieces["adain.style"]
    within = {name: pieces[f"adain.mask_{name}"].bool() for name in ("content", "style", "few")}
    assert off(adain(content, style), pieces["adain.whole"]) < 1e-5
    assert off(adain(content, style, within["content"], within["style"]), pieces["adain.masked"]) < 1e-5
    few = [
        adain(content, style, *masks)
        for masks in ((within["few"], within["style"]), (within["content"], within["few"]))
    ]
    assert min(off(one, pieces["adain.masked_few"]) for one in few) < 1e-5


def test_freeu_at_inputs(pieces):
    setting = preset_of("cross-image-attention", "released").denoising.freeu
    for door in range(4):
        there = lambda name, door=door: pieces[f"freeu.block_input.door{door}.{name}"]  # noqa: E731
        assert off(scaled_input(there("hidden"), 64, setting), there("out")) < 1e-5


def test_the_denoiser_with_and_without_control_and_freeu(parity, pieces):
    recorded, inputs = family(parity), Golden(parity, "restyle3d").inputs
    control = pieces["unet.control_image"].expand(-1, 3, -1, -1)
    cases = {
        "plain": (None, None), "plain_control": (control, None), "diffusers_freeu": (None, FreeU()),
        "block_input_freeu": (None, preset_of("eye-for-an-eye", "released").denoising.freeu),
    }  # fmt: skip
    for name, (depth, setting) in cases.items():
        row = Row(pieces["unet.latents"], 500, Text(inputs["text_prompt"]), depth)
        with torch.no_grad(), freeu(recorded.denoiser, setting):
            assert off(predict_rows(recorded, [row]), pieces[f"unet.{name}"]) < 1e-5, name


def test_guidance(pieces):
    """Each guidance as a function of the predictions that it asks for."""

    def said(mix, **noises):
        return composed(mix, torch.cat([noises[_name(condition)][:1] for condition in mix]))

    def there(part):
        return {
            name.rpartition(".")[2]: value for name, value in pieces.items() if name.startswith(f"guidance.{part}.")
        }

    scale = lambda method, i, run: guidance(preset_of(method, "released").denoising, i / (run - 1))  # noqa: E731
    for part, i in (("first_inside", 10), ("inside", 12)):
        known = there(f"cross-image.{part}")
        mix = {_less_depth(c): w for c, w in scale("cross-image-attention", i, 68).items()}
        assert off(said(mix, **known), known["out"][:1]) < 1e-5
        known = there(f"semantic.{part}")
        assert off(said(scale("restyle3d", i, 88), **known), known["out"][:1]) < 1e-5
    for part in ("outside", "after"):
        known = there(f"semantic.{part}")
        assert off(said(depth_guided(), **known), known["out"][:1]) < 1e-5
    both = pieces["guidance.prompt.both"]
    mix = classifier_free(2.5)
    empty_first = both.view(2, 3, *both.shape[1:]).transpose(0, 1)
    assert [condition.prompt for condition in mix] == [False, True]
    assert off(torch.cat([composed(mix, row) for row in empty_first]), pieces["guidance.prompt.out"]) < 1e-5
    assert eps() != eps(swap=True)


def _name(condition) -> str:
    return ("swap" if condition.swap else "plain") + ("_control" if condition.depth else "")


def _less_depth(condition):
    return replace(condition, depth=False)


def force(monkeypatch, golden: Golden, index: int, *, add: bool = False) -> None:
    """Eye-for-an-eye takes the recorded matches of a step; add: after those that are waiting."""
    if golden.method != "eye-for-an-eye":
        return
    if not add:
        FORCED.clear()
    FORCED.extend(golden.recorded("style_token", index - golden.timing.first))
    monkeypatch.setattr(edit, "nearest_tokens", lambda query, key, mask=None: FORCED.pop(0)[None])


FORCED: list[torch.Tensor] = []
"""Matches that are waiting."""
