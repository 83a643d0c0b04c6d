"""A picture as a prompt: IP-Adapter in its published format, put in, used and taken out."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import tiny
from oracles import attend_reference
from relook.correspond.semantic import match_segments
from relook.errors import EditError, InputError, MissingModelError
from relook.models.families import Family
from relook.models.image_prompt import adapter, find, prompted
from relook.transfer.presets import IP_ADAPTER, PROMPTED, Swap, preset_of
from relook.types import View
from tiny import restyle


@pytest.fixture(scope="module")
def pair():
    structure, style = tiny.view(29, 43), tiny.view(40, 24, ("wall", "sofa", "rug"), seed=1)
    return structure, style, match_segments(structure.segments, style.segments)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Adapters for the tiny families, and one whose values are zero."""
    place = tmp_path_factory.mktemp("adapters")
    return {
        "sd": tiny.write_adapter(place / "sd", tiny.family().denoiser),
        "xl": tiny.write_adapter(place / "xl", tiny.xl_family().denoiser),
        "silent": tiny.write_adapter(place / "silent", tiny.family().denoiser, silent=True),
    }


KINDS: dict[str, Callable[[], Family]] = {"sd": tiny.family, "xl": tiny.xl_family}


def state(denoiser) -> tuple[object, ...]:
    """All that an adapter may have changed."""
    processors = {name: id(processor) for name, processor in denoiser.attn_processors.items()}
    return processors, denoiser.encoder_hid_proj, dict(denoiser.config), list(denoiser.state_dict()), set(
        denoiser._modules
    )  # fmt: skip


def predicted(family: Family, loaded, scale: float = 1.0, images: torch.Tensor | None = None) -> torch.Tensor:
    latents = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(1))
    text, times = family.embed(["a room", ""]), torch.tensor([500, 500])
    with torch.no_grad(), prompted(family.denoiser, loaded, scale):
        return family.denoise(latents, times, text, image=images)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_a_prompt_and_the_denoiser_is_as_before_afterwards(folders, kind, pair):
    family = KINDS[kind]()
    before = state(family.denoiser)
    loaded = adapter(str(folders[kind]), family)
    one, two = (loaded.embed(view.image) for view in pair[:2])
    assert one.shape == (1, 12)
    assert not torch.allclose(one, two, atol=1e-3)
    plain, none = predicted(family, None), predicted(family, loaded, 0.0, torch.cat([one, two]))
    torch.testing.assert_close(none, plain)
    first, again, other = (predicted(family, loaded, 1.0, torch.cat([picture, one])) for picture in (one, one, two))
    assert torch.equal(first, again)
    assert (first - plain).abs().amax((1, 2, 3)).min() > 1e-3
    assert (first - other)[0].abs().max() > 1e-3
    torch.testing.assert_close(first[1], other[1])
    weak = predicted(family, loaded, 0.3, torch.cat([one, one]))
    assert (weak - plain).abs().mean() < (first - plain).abs().mean()
    assert state(family.denoiser) == before


def test_an_adapter_that_says_nothing_changes_nothing(folders, pair):
    family = tiny.family()
    silent = adapter(str(folders["silent"]), family)
    torch.testing.assert_close(
        predicted(family, silent, 1.0, torch.cat([silent.embed(pair[1].image)] * 2)), predicted(family, None)
    )


def test_what_a_layer_does_is_the_formula(folders, pair):
    """attention(Q, K, V) + scale attention(Q, K', V') with tokens LayerNorm(W e + b), from the file's own tensors."""
    family = tiny.family()
    loaded, tensors = adapter(str(folders["sd"]), family), load_file(folders["sd"] / "ip-adapter_tiny.safetensors")
    name = "up_blocks.1.attentions.0.transformer_blocks.0.attn2"
    layer, number = (
        family.denoiser.get_submodule(name),
        list(family.denoiser.attn_processors).index(f"{name}.processor"),
    )
    draw = torch.Generator().manual_seed(2)
    hidden, words, seen = (torch.randn(1, *size, generator=draw) for size in ((60, 8), (3, 16), (12,)))

    def heads(states):
        return states.unflatten(-1, (layer.heads, -1)).transpose(1, 2)

    tokens = (seen @ tensors["image_proj.proj.weight"].T + tensors["image_proj.proj.bias"]).view(1, 4, 16)
    tokens = (tokens - tokens.mean(-1, keepdim=True)) / (tokens.var(-1, keepdim=True, correction=0) + 1e-5).sqrt()
    query = heads(layer.to_q(hidden))
    key, value = (heads(tokens @ tensors[f"ip_adapter.{number}.to_{part}_ip.weight"].T) for part in "kv")
    wanted = attend_reference(query, heads(layer.to_k(words)), heads(layer.to_v(words)))
    wanted = layer.to_out[0]((wanted + 0.6 * attend_reference(query, key, value)).transpose(1, 2).flatten(2))
    with torch.no_grad(), prompted(family.denoiser, loaded, 0.6):
        shown_tokens = family.denoiser.encoder_hid_proj([seen[:, None]])
        got = layer(hidden, encoder_hidden_states=(words, shown_tokens))
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PROMPTED["ip-adapter"])
def test_every_preset_runs_on_both_kinds(folders, pair, kind, name):
    family, preset = KINDS[kind](), preset_of("ip-adapter", name)
    before = state(family.denoiser)
    options = {"steps": 2, "prompt": "a room", "image_prompt": str(folders[kind])}
    image = restyle(family, *pair, preset, **options)
    assert image.shape == pair[0].image.shape
    assert image.isfinite().all()
    assert torch.equal(image, restyle(family, *pair, preset, **options))
    inverted = replace(pair[1], image=1 - pair[1].image)
    assert not torch.allclose(image, restyle(family, pair[0], inverted, pair[2], preset, **options), atol=1e-4)
    assert state(family.denoiser) == before


def test_the_picture_alone_is_enough_and_guides(folders, pair):
    """Without words the guidance is towards the picture: eps(nothing) + g (eps(picture) - eps(nothing))."""
    family, bare = tiny.family(), (*(View(view.image) for view in pair[:2]), pair[2])
    options = {"steps": 2, "image_prompt": str(folders["sd"])}
    strong, weak = (restyle(family, *bare, IP_ADAPTER.but(scale=(scale, scale)), **options) for scale in (7.5, 1.0))
    assert not torch.allclose(strong, weak, atol=1e-4)
    silent = options | {"image_prompt": str(folders["silent"])}
    torch.testing.assert_close(
        *(restyle(family, *bare, IP_ADAPTER.but(scale=(scale, scale)), **silent) for scale in (7.5, 1.0))
    )


def test_the_guided_noise_is_the_sum_that_it_should_be(folders, pair, monkeypatch):
    """The rows of a step: nothing at all, and words with the picture; each has its control."""
    family, calls = tiny.family(), []
    real = Family.denoise

    def listen(self, latents, timesteps, text, **told):
        calls.append((text, told))
        return real(self, latents, timesteps, text, **told)

    monkeypatch.setattr(Family, "denoise", listen)
    restyle(family, *pair, IP_ADAPTER, steps=2, prompt="a room", image_prompt=str(folders["sd"]))
    text, told = calls[0]
    assert torch.equal(told["image"][0], torch.zeros(12))
    torch.testing.assert_close(told["image"][1:], adapter(str(folders["sd"]), family).embed(pair[1].image))
    torch.testing.assert_close(text.states, family.embed(["", "a room"]).states)
    assert told["controlled"] == [0, 1]
    assert len(calls) == 2


def test_attention_edits_and_a_picture_can_act_together(folders, pair):
    family = tiny.family()
    both = IP_ADAPTER.but(attention=(Swap(),), scale=(2.0, 2.0))
    options = {"steps": 2, "image_prompt": str(folders["sd"])}
    image = restyle(family, *pair, both, **options)
    assert image.isfinite().all()
    assert not torch.allclose(image, restyle(family, *pair, both.but(attention=()), **options), atol=1e-3)
    assert not torch.allclose(image, restyle(family, *pair, both.but(image_scale=0.0), **options), atol=1e-3)


def test_other_methods_are_as_they_were_after_a_prompted_run(folders, pair):
    family, preset = tiny.family(), preset_of("restyle3d")
    before = restyle(family, *pair, preset, steps=2)
    restyle(family, *pair, IP_ADAPTER, steps=2, image_prompt=str(folders["sd"]))
    assert torch.equal(restyle(family, *pair, preset, steps=2), before)


def test_exceptions_pass_and_the_denoiser_is_restored(folders):
    family = tiny.family()
    loaded, before = adapter(str(folders["sd"]), family), state(family.denoiser)
    with pytest.raises(KeyError), prompted(family.denoiser, loaded):
        raise KeyError("mine")
    assert state(family.denoiser) == before
    twice = prompted(family.denoiser, loaded)
    with prompted(family.denoiser, loaded), pytest.raises(EditError, match="one adapter"), twice:
        pass
    assert state(family.denoiser) == before
    with pytest.raises(EditError, match="adapter"):
        predicted(family, None, images=torch.zeros(2, 12))


def test_what_is_no_adapter_for_the_family_is_one_sentence(folders, tmp_path, monkeypatch, pair):
    family = tiny.family()
    with pytest.raises(InputError, match="sd15, sdxl"):
        find("auto", family)
    with pytest.raises(InputError, match="adapter"):
        restyle(family, *pair, IP_ADAPTER, steps=2)
    with pytest.raises(InputError, match=r"to 16 channels in 7 layers.*to 28 in 11"):
        adapter(str(folders["xl"]), family)
    with pytest.raises(InputError, match="ip-adapter-sd15"):
        find("nothing", family)
    with pytest.raises(MissingModelError, match="no such file"):
        find(str(tmp_path / "x.safetensors"), family)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="got 0"):
        find(str(tmp_path / "empty"), family)
    own = shutil.copytree(folders["sd"], tmp_path / "own") / "ip-adapter_tiny.safetensors"
    tensors = load_file(own)
    for change, kind, words in (
        ({"image_proj.latents": torch.zeros(1)}, InputError, "another kind"),
        ({"ip_adapter.1.to_k_ip.weight": torch.zeros(3, 3)}, MissingModelError, "tensors"),
    ):
        plain = {name: part for name, part in tensors.items() if kind is not InputError or "image_proj" not in name}
        save_file(plain | change, own)
        with pytest.raises(kind, match=words):
            adapter(str(own), family)
    own.write_bytes(b"no")
    with pytest.raises(MissingModelError, match="broken"):
        adapter(str(own), family)


def test_published_adapters_are_found_by_their_kind_or_named_with_a_command(tmp_path, monkeypatch):
    monkeypatch.setenv("RELOOK_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    family = tiny.family()
    for width, name, file in (
        (768, "ip-adapter-sd15", "models/ip-adapter_sd15.safetensors"),
        (2048, "ip-adapter-sdxl", "sdxl_models/ip-adapter_sdxl_vit-h.safetensors"),
    ):
        other = replace(family, denoiser=tiny.unet())
        other.denoiser.register_to_config(cross_attention_dim=width)
        with pytest.raises(MissingModelError, match=f"relook models pull {name}"):
            find("auto", other)
        place = tmp_path / "h94" / "IP-Adapter"
        for part in (file, "models/image_encoder/config.json", "models/image_encoder/model.safetensors"):
            (place / part).parent.mkdir(parents=True, exist_ok=True)
            (place / part).write_bytes(b"")
        found = find("auto", other)
        assert (found.adapter, found.encoder) == (place / file, place / "models" / "image_encoder")
        assert find(str(place / file), other) == found
