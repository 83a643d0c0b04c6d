"""The three methods end to end on a tiny random family, and what their presets promise."""

from dataclasses import replace

import pytest
import torch

import tiny
from relook.config import PhotoConfig
from relook.correspond.features import at_tokens, descriptor
from relook.correspond.semantic import at_grid, match_segments
from relook.errors import EditError, InputError, MissingModelError
from relook.models.families import Family, load_family
from relook.ops.statistics import adain_by_class
from relook.perceive.segment.regions import whole
from relook.session import Session
from relook.transfer import edit
from relook.transfer.layers import level_of
from relook.transfer.photo import restyle_photo
from relook.transfer.presets import PRESETS, RELOOK, UNTUNED, preset_of
from relook.transfer.scene import Options, scene_of
from relook.transfer.settings import Denoising, Finish, FreeU, Steps, Swap
from relook.types import View
from tiny import restyle

METHODS = [(method, name) for method, presets in PRESETS.items() for name in presets]


INVERTED = RELOOK.unfinished().but(inversion="ddpm", eta=1.0, recolour=False, adain="class")
"""The default's attention on the structure's own recorded noise: every part of a run acts."""


@pytest.fixture(scope="module")
def family():
    return tiny.family(prediction="v_prediction")


@pytest.fixture(scope="module")
def pair():
    structure, style = tiny.view(29, 43), tiny.view(40, 24, ("wall", "sofa", "rug"), seed=1)
    return structure, style, match_segments(structure.segments, style.segments)


@pytest.mark.parametrize(("method", "name"), METHODS)
def test_every_preset_runs_at_odd_sizes_and_depends_on_the_style(family, pair, method, name):
    structure, style, correspondence = pair
    preset, before = PRESETS[method][name], dict(family.denoiser.attn_processors)
    image = restyle(family, structure, style, correspondence, preset, steps=6, prompt="a room")
    assert image.shape == structure.image.shape
    assert image.isfinite().all()
    assert image.min() >= 0
    assert image.max() <= 1
    assert torch.equal(image, restyle(family, structure, style, correspondence, preset, steps=6, prompt="a room"))
    other = replace(style, image=1 - style.image.square())
    assert (
        restyle(family, structure, other, correspondence, preset, steps=6, prompt="a room") - image
    ).abs().max() > 1e-4
    assert family.denoiser.attn_processors == before


@pytest.mark.parametrize("method", PRESETS)
def test_bare_pictures_are_enough(family, pair, method):
    """Of one region and without depth the whole style picture gives its look: another one gives another."""
    structure, bare = (View(view.image, whole(view)) for view in pair[:2])
    matches, preset = match_segments(structure.segments, bare.segments), preset_of(method, "released")
    image = restyle(family, structure, bare, matches, preset, steps=6)
    assert image.shape == structure.image.shape
    other = replace(bare, image=1 - bare.image.square())
    assert (restyle(family, structure, other, matches, preset, steps=6) - image).abs().mean() > 0.01


@pytest.mark.parametrize("method", PRESETS)
def test_a_denoiser_without_decoder_attention_raises(pair, method):
    structure, style, correspondence = pair
    for name in ("relook", "paper"):
        with pytest.raises(EditError, match="attention layers"):
            restyle(tiny.family(attention=False), structure, style, correspondence, preset_of(method, name), steps=6)


@pytest.mark.parametrize("method", PRESETS)
def test_levels_follow_the_finest_attention_that_there_is(pair, method):
    """The embedded family and SDXL have none at the latents' own resolution; the papers' levels still mean the finest."""
    preset = preset_of(method, "paper").but(attention=(Swap((1.0,), (0.1, 0.9)),))
    assert restyle(tiny.family(finest=False), *pair, preset, steps=4).isfinite().all()
    with pytest.raises(EditError, match="fire"):
        restyle(tiny.family(finest=False), *pair, preset.but(attention=(Swap((2.0,), (0.1, 0.9)),)), steps=4)


@pytest.mark.parametrize("method", PRESETS)
def test_windows_that_no_step_meets_raise(family, pair, method):
    preset = preset_of(method).but(attention=(Swap(window=(0.01, 0.02)),))
    with pytest.raises(EditError, match="window"):
        restyle(family, *pair, preset, steps=4)
    with pytest.raises(EditError, match="fire"):
        restyle(family, *pair, preset.but(attention=(Swap((0.125,)),)), steps=4)


def test_without_edits_and_statistics_the_inverted_run_reproduces_the_structure(family, pair):
    """All but what the last step, which has no noise to correct it, gets wrong."""
    structure, style, correspondence = pair
    preset = INVERTED.but(attention=(), adain="none")
    from relook.models.families import padded

    with torch.no_grad():
        truth = family.decode(family.encode(padded(structure.image, family.multiple)[0][None]))[0, :, :29, :43]
    own, fresh = (
        restyle(family, structure, style, correspondence, preset.but(inversion=noise), steps=6, prompt="a room")
        for noise in ("ddpm", "none")
    )
    assert (own - truth).square().mean() < (fresh - truth).square().mean() / 4


def test_adain_alone_never_denoises(family, pair, monkeypatch):
    structure, style, correspondence = pair
    monkeypatch.setattr(family.denoiser, "forward", lambda *_, **__: pytest.fail("the denoiser ran"))
    image = restyle(family, structure, style, correspondence, preset_of("restyle3d", "adain"), steps=6)
    with torch.no_grad():
        scene = scene_of(family, structure, style, correspondence)
        moved = adain_by_class(scene.structure, scene.style, *scene.classes, unmatched=True)
        assert torch.allclose(image, family.decode(moved)[0, :, :29, :43], atol=1e-5)
    assert (moved - scene.structure).abs().mean() > 1e-3


def test_masks_keep_regions_apart(family, pair, monkeypatch):
    """No token takes from the style's rug, which has no counterpart, unless unmatched regions may take from everything."""
    structure, style, _ = pair
    preset = preset_of("restyle3d").unfinished().but(start=1.0, recolour=False, attention=(Swap((1.0,)),), depth=False)
    used, attend = [], edit.attend

    def attended(query, key, value, mask=None, **options):
        used.append(mask)
        return attend(query, key, value, mask, **options)

    monkeypatch.setattr(edit, "attend", attended)
    for unmatched, taken_from in (("colour", False), ("everything", True)):
        correspondence = match_segments(structure.segments, style.segments, unmatched=unmatched)
        used.clear()
        restyle(family, structure, style, correspondence, preset, steps=4)
        masks = [mask for mask in used if mask is not None]
        assert masks
        for mask in masks:
            grid = level_of(mask.shape[1], (8, 12))[1]  # latents of the padded structure
            rug = at_grid((style.segments.labels == 3).long(), grid).flatten() > 0
            assert bool(mask.matrix[..., rug].any()) == taken_from


def test_seed_strength_and_progress(family, pair):
    structure, style, correspondence = pair
    calls = []
    restyle(family, structure, style, correspondence, RELOOK, steps=5, listen=calls.append)
    assert [(step.done, step.total) for step in calls if step.stage == "restyling"] == [(n, 4) for n in range(5)]
    assert calls[-1].stage == "finishing"
    one, two = (restyle(family, structure, style, correspondence, RELOOK, steps=5, seed=seed) for seed in (1, 2))
    assert not torch.equal(one, two)
    assert torch.equal(
        restyle(family, structure, style, correspondence, RELOOK, steps=5, strength=0.0), structure.image
    )
    weak = restyle(family, structure, style, correspondence, RELOOK, steps=5, strength=0.2)
    assert (weak - structure.image).abs().mean() < (one - structure.image).abs().mean()


@pytest.mark.parametrize(
    "change",
    [
        {"inversion": "none", "start": 1.0},
        {"recolour": True},
        {"eta": 0.3},
        {"inversion": "ddim", "eta": 0.0},
        {"contrast": 1.67},
        {"style_noise": 1.0},
        {"adain": "global"},
        {"statistics": True},
        {"structure_share": 0.5},
        {"edge_share": 0.5},
        {"plain_share": 0.5},
        {"unmatched_share": 0.5},
        {"plain_share": 0.5, "relight": True},
        {"injection": Steps(0, 20, every=2)},
        {"spacing": "leading"},
        {"skip": 10},
        {"replay": True},
        {"shrinking": "nearest"},
        {"freeu": FreeU()},
        {"freeu": FreeU(where="inputs")},
        {"guidance_window": (0.5, 1.0)},
        {"masked": False},
    ],
    ids=str,
)
def test_every_knob_changes_the_picture_and_keeps_it_finite(family, pair, change):
    base = INVERTED.but(scale=(3.0, 3.0))
    image = restyle(family, *pair, base.but(**change), steps=5)
    assert image.isfinite().all()
    assert (image - restyle(family, *pair, base, steps=5)).abs().max() > 1e-4


def test_final_statistics_are_those_of_the_style_class_by_class(family, pair):
    structure, style, correspondence = pair
    image = restyle(family, structure, style, correspondence, RELOOK.but(relight=False), steps=4)
    for name in ("wall", "sofa"):
        ours, theirs = image[:, structure.segments.mask(name)], style.image[:, style.segments.mask(name)]
        assert (ours.mean(1) - theirs.mean(1)).abs().max() < 0.08


def test_a_descriptor_is_asked_once_about_clean_pictures_and_its_matches_rule(family, pair, monkeypatch):
    """Eye-for-an-eye by a descriptor: the same in every layer and step, and within regions that correspond."""
    structure, style, correspondence = pair
    preset = preset_of("eye-for-an-eye", "paper").but(masked=True)
    asked = []

    def fake(name, session, own):
        assert (name, own) == ("mine", family)
        return lambda view: (asked.append(view), descriptor("colour", session)(view))[1]

    plain = restyle(family, structure, style, correspondence, preset, steps=6)
    monkeypatch.setattr("relook.correspond.features.descriptor", fake)
    named = preset.but(matcher="mine")
    image = restyle(family, structure, style, correspondence, named, steps=6)
    assert len(asked) == 2
    assert asked[0].image.shape == (3, 32, 48)  # padded to the family's multiple
    assert torch.equal(asked[0].image[:, :29, :43], structure.image)
    assert torch.equal(asked[1].image, style.image)
    assert not torch.allclose(image, plain, atol=1e-3)
    free = restyle(family, structure, style, correspondence, named.but(masked=False), steps=6)
    assert not torch.allclose(image, free, atol=1e-3)


def test_matches_of_a_scene_are_kept_and_stay_within_regions(family, pair):
    structure, style, correspondence = pair
    options = Options(descriptor=descriptor("colour", Session("cpu")))
    with torch.no_grad():
        scene = scene_of(
            family, structure, style, correspondence, Denoising(rearrange="features", matcher="colour"), options
        )
        bare = scene_of(family, structure, style, correspondence)
    matches, mask = scene.matches((4, 6), (4, 6)), scene.mask((4, 6), (4, 6)).matrix[0]
    assert mask.gather(1, matches[:, None]).all()
    assert scene.matches((4, 6), (4, 6)) is matches
    free = scene.matches((4, 6), (4, 6), masked=False)
    assert not torch.equal(free, matches)
    first, second = (at_tokens(features, (4, 6)).flatten(1) for features in scene.descriptors)
    assert torch.equal(free, (first.T @ second).argmax(1))
    with pytest.raises(EditError, match="matcher"):
        bare.matches((4, 6), (4, 6))


def test_the_papers_match_by_hidden_states():
    assert {preset.denoising.matcher for preset in PRESETS["restyle3d"].values()} == {"hidden"}
    for name in ("paper", "released"):
        assert preset_of("eye-for-an-eye", name).denoising.matcher == "hidden"


def test_unknown_presets_list_those_there_are():
    with pytest.raises(InputError, match="restyle3d"):
        preset_of("magic")
    with pytest.raises(InputError, match="released"):
        preset_of("restyle3d", "best")


def test_families_load_from_folders_and_say_what_is_missing(tmp_path, monkeypatch):
    folder = tiny.write_family(tmp_path / "mine")
    family = load_family(folder)
    assert (family.name, family.size, family.factor, family.multiple) == ("tiny", 32, 4, 8)
    assert family.revision == load_family(folder).revision
    assert load_family(tiny.write_family(tmp_path / "other", seed=1)).revision != family.revision
    image = torch.rand(2, 3, 24, 40)
    latents = family.encode(image)
    raw = family.autoencoder.encode(image * 2 - 1).latent_dist.mean
    torch.testing.assert_close(latents, (raw - 0.1) * 0.7)
    assert family.decode(latents).shape == image.shape
    assert family.embed(["a living room", ""]).states.shape == (2, 8, 16)
    control = family.control_image(tiny.view(10, 12).depth)
    assert control.shape == (1, 3, 10, 12)
    assert control.min() == 0
    assert control.max() == 1
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(MissingModelError, match="vae"):
        load_family(folder)
    (folder / "tokenizer").rename(folder / "elsewhere")
    with pytest.raises(MissingModelError, match="tokenizer"):
        load_family(folder)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name, hint in (("nothing", "sd15"), (str(tmp_path), "unet"), ("/nowhere/at/all", "folder")):
        with pytest.raises(MissingModelError, match=hint):
            load_family(name)


@pytest.mark.parametrize("method", UNTUNED)
def test_families_that_nothing_was_tuned_on_get_the_released_method_and_no_finish(method):
    """The finish of drawn rooms would paint over most of what such a family denoised: its pixels come out as decoded."""
    own, released = preset_of(method, tuned=False), preset_of(method, "released")
    assert own.finish == Finish()
    assert own.denoising.steps == released.denoising.steps
    assert own.denoising.guidance in (released.denoising.guidance, "prompt")
    assert not own.denoising.replay
    assert preset_of(method, "released", tuned=False) == released
    assert preset_of(method).finish == RELOOK.finish != Finish()


@pytest.mark.parametrize("folder", ["tiny", "dollhouse"])
def test_the_finish_leaves_denoised_pixels_of_a_public_layout_alone(folder, tmp_path, monkeypatch):
    family = str(tiny.write_family(tmp_path / "mine")) if folder == "tiny" else folder
    structure, style = tiny.view(32, 48, seed=3), tiny.view(32, 48, seed=4)
    decoded, decode = [], Family.decode
    monkeypatch.setattr(Family, "decode", lambda self, latents: decoded.append(decode(self, latents)) or decoded[-1])
    config = PhotoConfig(method="restyle3d", family=family, steps=6, segmenter="whole", depth_estimator="none")
    result = restyle_photo(structure, style, config)
    assert torch.equal(result.image, decoded[-1][0, :, :32, :48]) == (folder == "tiny")
