"""The peers that the papers compare with: first Style Injection in Diffusion, and the presets of all."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

import tiny
from oracles import attend_reference, groups_of
from relook import PhotoConfig, restyle_photo
from relook.correspond.semantic import match_segments
from relook.errors import EditError, InputError
from relook.ops.statistics import adain, adain_by_class
from relook.transfer.edit import AttentionEdit, Rows, edited
from relook.transfer.presets import STYLE_ID, Swap, preset_of
from relook.transfer.scene import scene_of
from relook.transfer.settings import Denoising
from tiny import restyle

SIZE = (6, 10)


@pytest.fixture(scope="module")
def denoiser():
    return tiny.unet()


@pytest.fixture(scope="module")
def pair():
    structure, style = tiny.view(29, 43), tiny.view(40, 24, ("wall", "sofa", "rug"), seed=1)
    return structure, style, match_segments(structure.segments, style.segments)


@pytest.fixture
def batch():
    draw = torch.Generator().manual_seed(0)
    latents, text = torch.randn(3, 4, *SIZE, generator=draw), torch.randn(3, 3, 16, generator=draw)
    return latents, torch.tensor([500, 500, 500]), text


def run(denoiser, batch, *edits):
    with torch.no_grad():
        if not edits:
            return denoiser(*batch).sample
        with edited(denoiser, *edits):
            return denoiser(*batch).sample


# Queries and temperature, layer by layer


def test_a_layer_with_mixed_queries_and_a_temperature_equals_the_formula(denoiser):
    """softmax(t (g Qc + (1 - g) Qo) Ks^T / sqrt(d)) Vs, written out from the layer's own matrices."""
    layer = denoiser.up_blocks[1].attentions[1].transformer_blocks[0].attn1
    hidden = torch.randn(3, 60, 8, generator=torch.Generator().manual_seed(5))
    mask = torch.rand(60, 60, generator=torch.Generator().manual_seed(6)) > 0.5
    mask[7] = False

    def heads(states):
        return states.unflatten(-1, (layer.heads, -1)).transpose(1, 2)

    query, key, value = heads(layer.to_q(hidden)), heads(layer.to_k(hidden)), heads(layer.to_v(hidden))
    asked = 0.75 * query[2:] + 0.25 * query[:1]
    filled = mask[None].clone()
    filled[0, 7] = True
    wanted = attend_reference(1.5 * asked, key[1:2], value[1:2], filled)
    wanted[:, :, 7] = attend_reference(asked, key[:1], value[:1])[:, :, 7]  # no style token: its own, as ever
    rows = Rows((0,), (1,), (2,))
    edit = AttentionEdit(rows, SIZE, mask=lambda *_: groups_of(mask), query_share=0.75, temperature=1.5)
    with torch.no_grad(), edited(denoiser, edit):
        got = layer(hidden)
    torch.testing.assert_close(got[:1], layer.to_out[0](wanted.transpose(1, 2).flatten(2)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(got[1:], layer(hidden)[1:], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_keys_answer_the_mixed_query(denoiser, share):
    """What the edit asks with is seen at the layer's own to_q: outputs there are mixed, nothing else is."""
    layer = denoiser.up_blocks[1].attentions[1].transformer_blocks[0].attn1
    hidden = torch.randn(3, 60, 8, generator=torch.Generator().manual_seed(5))
    heard: list[torch.Tensor] = []
    handle = layer.to_q.register_forward_hook(lambda module, inputs, output: heard.append(output.clone()))
    try:
        edit = AttentionEdit(Rows((0,), (1,), (2,)), SIZE, query_share=share)
        with torch.no_grad(), edited(denoiser, edit):
            got = layer(hidden)
    finally:
        handle.remove()
    mixed = heard[0].clone()
    mixed[0] = share * heard[0][2] + (1 - share) * heard[0][0]
    again = layer.to_q.register_forward_hook(lambda module, inputs, output: mixed)
    try:
        with torch.no_grad(), edited(denoiser, replace(edit, query_share=0.0)):
            torch.testing.assert_close(got[0], layer(hidden)[0])
    finally:
        again.remove()


def test_a_temperature_is_a_factor_on_the_query(denoiser, batch):
    rows = Rows((0,), (1,))
    hot = run(denoiser, batch, AttentionEdit(rows, SIZE, temperature=1.5))
    layers = [module for name, module in denoiser.named_modules() if name.endswith("attn1") and "up_blocks" in name]

    def warm(module, inputs, output):
        return torch.cat([1.5 * output[:1], output[1:]])

    handles = [layer.to_q.register_forward_hook(warm) for layer in layers]
    try:
        scaled = run(denoiser, batch, AttentionEdit(rows, SIZE))
    finally:
        for handle in handles:
            handle.remove()
    torch.testing.assert_close(hot, scaled)
    assert not torch.allclose(hot[0], run(denoiser, batch, AttentionEdit(rows, SIZE))[0], atol=1e-4)


def test_a_share_of_queries_needs_a_structure_and_no_rearrangement(denoiser, batch):
    with pytest.raises(EditError, match="giving row"):
        run(denoiser, batch, AttentionEdit(Rows(), SIZE, query_share=0.5))
    for change in ({"query_share": 0.5}, {"temperature": 2.0}):
        with pytest.raises(EditError, match="rearranged"):
            AttentionEdit(Rows((0,), (1,), (2,)), SIZE, rearrange="features", **change)


# Style Injection, whole runs


def test_with_its_own_picture_as_style_the_structure_comes_back():
    """Query of the structure alone, its own keys and values, no statistics: DDIM inversion and back.

    The denoiser speaks softly and the noise is moderate, so that inversion, which asks for the noise one step off, is nearly exact.
    """
    family, structure = tiny.family(), tiny.view(24, 32)
    denoiser = deepcopy(family.denoiser)
    denoiser.conv_out.weight.data *= 0.1
    denoiser.conv_out.bias.data *= 0.1
    family = replace(family, denoiser=denoiser)
    preset = STYLE_ID.but(query_share=1.0, temperature=1.0, start_adain="none", start=0.6)
    same = match_segments(structure.segments, structure.segments)
    image, other = (
        restyle(family, structure, style, same, preset, steps=50) for style in (structure, tiny.view(24, 32, seed=3))
    )
    with torch.no_grad():
        truth = family.decode(family.encode(structure.image[None]))[0]
    assert (image - truth).square().mean() < (other - truth).square().mean() / 4


def test_the_run_starts_from_the_structures_noise_in_the_styles_statistics(pair, monkeypatch):
    """Without attention and with no step to take, the picture is the first latents decoded."""
    family = tiny.family()
    runs = []
    monkeypatch.setattr("relook.transfer.restyle.denoised", lambda run, _: (runs.append(run), run.start)[1])
    for kind in ("none", "global", "class"):
        restyle(family, *pair, STYLE_ID.but(start_adain=kind), steps=2)
    with torch.no_grad():
        classes = scene_of(family, *pair).classes
    style, own = runs[0].style[0], runs[0].structure[0]
    assert torch.equal(runs[0].start, own)
    torch.testing.assert_close(runs[1].start, adain(own, style))
    torch.testing.assert_close(runs[2].start, adain_by_class(own, style, *classes, unmatched=True))
    assert not torch.allclose(runs[1].start, runs[2].start, atol=1e-3)


def test_plain_inversion_is_one_prediction_a_step(pair):
    done = []
    restyle(tiny.family(), *pair, STYLE_ID, steps=3, listen=done.append)
    assert [step.done for step in done if step.stage == "inverting"] == [0, 1, 2, 3] * 2  # both paths
    assert [step.done for step in done if step.stage == "restyling"] == [0, 1, 2, 3]


def test_style_injection_takes_no_prompt(pair):
    family = tiny.family()
    quiet, prompted = (restyle(family, *pair, STYLE_ID, steps=2, prompt=words) for words in ("", "a sofa"))
    assert torch.equal(quiet, prompted)
    assert not torch.equal(quiet, restyle(family, *pair, STYLE_ID.but(query_share=0.0), steps=2))
    assert not torch.equal(quiet, restyle(family, *pair, STYLE_ID.but(temperature=1.0), steps=2))


def test_style_injection_attends_to_the_two_finest_levels_in_every_step(pair):
    """Decoder layers 7 to 12 of Stable Diffusion 1.5 are its levels of 32 x 32 and 64 x 64 tokens."""
    assert STYLE_ID.denoising.attention == (Swap((0.5, 1.0), (0.0, 1.0)),)
    family = tiny.xl_family()
    assert restyle(family, *pair, STYLE_ID, steps=2).isfinite().all()
    with pytest.raises(EditError, match="fire"):
        restyle(family, *pair, STYLE_ID.but(attention=(Swap((2.0,)),)), steps=2)


def test_photos_are_restyled_by_their_names(pair, tmp_path):
    options = {"preset": "paper", "family": str(tiny.write_family(tmp_path / "family")), "steps": 2}
    image = restyle_photo(*pair[:2], PhotoConfig(method="style-id", **options)).image
    assert image.shape == pair[0].image.shape
    assert not torch.allclose(image, pair[0].image, atol=0.05)
    with pytest.raises(InputError, match="sd15, sdxl"):
        restyle_photo(*pair[:2], PhotoConfig(method="ip-adapter", **options))


def test_the_presets_are_the_papers():
    paper: Denoising = preset_of("style-id", "paper").denoising
    assert (paper.steps, paper.query_share, paper.temperature, paper.eta) == (50, 0.75, 1.5, 0.0)
    assert (paper.inversion, paper.start_adain, paper.masked, paper.no_prompt) == ("ddim", "global", False, True)
    prompted_paper = preset_of("ip-adapter", "paper").denoising
    assert (prompted_paper.steps, prompted_paper.image_scale, prompted_paper.scale) == (50, 1.0, (7.5, 7.5))
    with pytest.raises(InputError, match="ip-adapter"):
        preset_of("magic")
