"""Dense correspondence: the fast matcher against a slow oracle, and every kind of descriptor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

import tiny
from oracles import mask_of
from relook.correspond import dense
from relook.correspond.dense import NONE, DenseCorrespondence, match_dense, rearrangement
from relook.correspond.features import DENOISER, at_tokens, descriptor
from relook.correspond.semantic import match_segments
from relook.dollhouse import CLASSES
from relook.errors import InputError, MissingModelError, ShapeError
from relook.models.families import load_family
from relook.models.features import Dift, denoiser_features, fitted, load_backbone, recorded
from relook.models.perceiver import Perceiver
from relook.session import Session
from relook.types import Depth, View


def vectors(length: int, h: int, w: int, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(length, h, w, generator=torch.Generator().manual_seed(seed)), dim=0)


def corresponding(unmatched: str = "everything"):
    """Two pictures of which only wall and sofa correspond, at different sizes."""
    structure, style = tiny.view(24, 40), tiny.view(36, 20, ("sofa", "wall", "rug"))
    return match_segments(structure.segments, style.segments, unmatched=unmatched)


def one_by_one(structure: torch.Tensor, style: torch.Tensor, correspondence: Any) -> DenseCorrespondence:
    """The oracle of `match_dense`: one cell after another against the whole style, the mask written out."""
    (h, w), (h2, w2) = structure.shape[1:], style.shape[1:]
    allowed = torch.ones(h * w, h2 * w2, dtype=torch.bool)
    if correspondence is not None:
        allowed = mask_of(correspondence, (h, w), (h2, w2))
    index, similarity, cycle = torch.full((h, w), NONE), torch.full((h, w), -1.0), torch.full((h, w), torch.inf)
    positions = torch.full((h, w, 2), torch.nan)

    def cosine(cell: int, other: int) -> float:
        return float(structure[:, cell // w, cell % w] @ style[:, other // w2, other % w2])

    for cell in range(h * w):
        choices = [other for other in range(h2 * w2) if allowed[cell, other]]
        if choices:
            best = max(choices, key=lambda other: cosine(cell, other))
            rivals = [one for one in range(h * w) if torch.equal(allowed[one], allowed[cell])]
            home = max(rivals, key=lambda one: cosine(one, best))
            way = ((cell // w - home // w) ** 2 + (cell % w - home % w) ** 2) ** 0.5
            place = cell // w, cell % w
            index[place], similarity[place], cycle[place] = best, cosine(cell, best), way / max(h, w)
            positions[place] = torch.tensor([(best % w2 + 0.5) / w2, (best // w2 + 0.5) / h2])
    return DenseCorrespondence(index, positions, similarity, cycle, (h2, w2))


@pytest.mark.parametrize("values", [1, 50, 1 << 20])
@pytest.mark.parametrize("unmatched", [None, "everything", "keep", "colour"])
def test_the_matcher_equals_its_oracle(unmatched: str | None, values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "VALUES", values)
    structure, style = vectors(5, 6, 10), vectors(5, 9, 4, seed=1)
    correspondence = None if unmatched is None else corresponding(unmatched)
    found = match_dense(structure, style, correspondence)
    wanted = one_by_one(structure, style, correspondence)
    assert torch.equal(found.index, wanted.index)
    torch.testing.assert_close(found.similarity, wanted.similarity)
    torch.testing.assert_close(found.cycle, wanted.cycle)
    torch.testing.assert_close(found.positions, wanted.positions, equal_nan=True)
    lost = found.index == NONE
    assert bool(lost.any()) == (unmatched in ("keep", "colour"))
    assert (found.confidence[lost] == 0).all()
    assert found.positions[lost].isnan().all()


def test_matches_stay_within_regions_that_correspond() -> None:
    correspondence = corresponding()
    found = match_dense(vectors(4, 24, 40), vectors(4, 36, 20, seed=1), correspondence)
    classes = correspondence.style_classes.flatten()[found.index]
    matched = correspondence.structure_classes > 0
    assert torch.equal(classes[matched], correspondence.structure_classes[matched])
    assert 0.2 < matched.float().mean() < 0.8


def test_a_shuffled_picture_is_put_together_again() -> None:
    features, image = vectors(16, 5, 7), torch.rand(3, 5, 7)
    order = torch.randperm(35, generator=torch.Generator().manual_seed(0))
    found = match_dense(features, features.flatten(1)[:, order].view(16, 5, 7))
    assert torch.equal(order[found.index.flatten()], torch.arange(35))
    assert found.mutual.all()
    torch.testing.assert_close(found.confidence, torch.ones(5, 7))
    torch.testing.assert_close(found.fetch(image.flatten(1)[:, order].view(3, 5, 7), (5, 7)), image)


def test_a_picture_matched_to_itself_is_fetched_unchanged_at_any_size() -> None:
    image = torch.rand(3, 24, 40, generator=torch.Generator().manual_seed(2))
    found = match_dense(vectors(16, 6, 10), vectors(16, 6, 10))
    torch.testing.assert_close(found.fetch(image, (24, 40)), image, atol=1e-5, rtol=0)
    lost = match_dense(vectors(4, 24, 40), vectors(4, 36, 20, seed=1), corresponding("keep"))
    assert torch.equal((lost.fetch(image + 1, (24, 40)) == 0).all(0), lost.index == NONE)


def test_a_one_way_match_is_not_mutual() -> None:
    """Two structure cells like one style cell; it likes the first, which is 0.5 of the longer side away from the second."""
    ours = torch.tensor([[1.0, 0.0, 0.8, 0.0], [0.0, 1.0, 0.6, 1.0]]).view(2, 1, 4)
    theirs = torch.tensor([[1.0], [0.0]]).view(2, 1, 1)
    found = match_dense(ours, theirs)
    assert found.index.tolist() == [[0, 0, 0, 0]]
    assert found.cycle.tolist() == [[0.0, 0.25, 0.5, 0.75]]
    assert found.mutual.tolist() == [[True, False, False, False]]
    torch.testing.assert_close(found.similarity, torch.tensor([[1.0, 0.0, 0.8, 0.0]]))
    torch.testing.assert_close(found.positions[0, 2], torch.tensor([0.5, 0.5]))


@pytest.mark.usefixtures("unchecked")
def test_descriptors_of_two_kinds_are_refused() -> None:
    with pytest.raises(ShapeError, match="one descriptor"):
        match_dense(vectors(4, 3, 3), vectors(5, 3, 3))


def test_tokens_are_rearranged_at_the_layers_own_grid() -> None:
    correspondence = corresponding("keep")
    ours, theirs = vectors(8, 24, 40), vectors(8, 36, 20, seed=1)
    index = rearrangement(ours, theirs, (6, 10), (12, 5), correspondence)
    coarse = normalize(ours.unflatten(2, (10, 4)).unflatten(1, (6, 4)).mean((2, 4)), dim=0)
    other = normalize(theirs.unflatten(2, (5, 4)).unflatten(1, (12, 3)).mean((2, 4)), dim=0)
    cosines = (coarse.flatten(1).T @ other.flatten(1)).masked_fill(~mask_of(correspondence, (6, 10), (12, 5)), -2)
    wanted = torch.where(cosines.amax(1) == -2, NONE, cosines.argmax(1))
    assert torch.equal(index, wanted)
    assert (wanted == NONE).any()
    assert at_tokens(ours, (24, 40)) is ours
    torch.testing.assert_close(at_tokens(ours, (50, 50)).norm(dim=0), torch.ones(50, 50))


def test_colour_and_place_need_no_weights() -> None:
    """Between a picture and its mirror image colours find the mirrored place, places the same one."""
    ramp = torch.linspace(0.1, 0.9, 64)
    image = torch.stack([ramp.expand(48, 64), ramp[:48, None].expand(48, 64), torch.full((48, 64), 0.5)])
    view, mirror = View(image), View(image.flip(-1))
    for name, kept in (("colour", False), ("position", True)):
        found = match_dense(descriptor(name, Session("cpu"))(view), descriptor(name, Session("cpu"))(mirror))
        h, w = found.index.shape
        assert abs(h / w - 48 / 64) < 0.02
        columns = torch.arange(w)
        assert torch.equal(found.index % w, (columns if kept else w - 1 - columns).expand(h, w)), name


def test_the_embedded_network_describes_at_its_own_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Perceiver.fresh(CLASSES).eval()
    network.save(tmp_path)
    view = tiny.view(90, 170)
    found = descriptor(str(tmp_path), Session("cpu"))(view)
    assert found.shape == (48, 48, 88)  # 192 x 352 pixels: about 256 x 256, the picture's aspect
    with torch.no_grad():
        wanted = network(fitted(view.image, 256, 32)[None]).descriptors[0]
    torch.testing.assert_close(found, wanted, atol=0.02, rtol=0)  # half precision on disk
    torch.testing.assert_close(found.norm(dim=0), torch.ones(48, 88))


@pytest.mark.parametrize(
    ("size", "side", "multiple", "wanted"),
    [
        ((256, 256), 256, 32, (256, 256)),
        ((100, 400), 256, 32, (128, 512)),
        ((400, 100), 224, 14, (448, 112)),
        ((5, 900), 64, 16, (16, 864)),
    ],
)
def test_pictures_are_fitted_with_their_aspect(
    size: tuple[int, int], side: int, multiple: int, wanted: tuple[int, int]
) -> None:
    assert tuple(fitted(torch.rand(3, *size), side, multiple).shape[1:]) == wanted


def test_features_of_a_denoiser_are_those_of_its_stage_averaged_over_noise() -> None:
    family = tiny.family()
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))
    draws = torch.randn(5, 4, 8, 8, generator=torch.Generator().manual_seed(7))
    signal, total = family.scheduler.alphas_cumprod[300], 0
    kept: list[torch.Tensor] = []
    handle = family.denoiser.up_blocks[0].register_forward_hook(lambda *call: kept.append(call[2]))
    with torch.no_grad():
        clean, text = family.encode(image[None]), family.embed([""])
        for draw in draws:
            family.denoiser(signal.sqrt() * clean + (1 - signal).sqrt() * draw, 300, encoder_hidden_states=text.states)
            total = total + kept.pop()[0]
    handle.remove()
    setting = Dift(timestep=300, block=0, ensemble=5)
    found = denoiser_features(family, image, setting, seed=7)
    torch.testing.assert_close(found, total / 5, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(found, denoiser_features(family, image, setting, seed=8))
    assert not family.denoiser.up_blocks[0]._forward_hooks
    assert denoiser_features(family, torch.rand(3, 20, 70), setting).shape[1:] == (4, 14)


def test_denoisers_are_named_by_family_timestep_and_stage(tmp_path: Path) -> None:
    folder, family = tiny.write_family(tmp_path / "mine"), tiny.family()
    view = tiny.view(32, 32)
    best = DENOISER.get("tiny", Dift())
    torch.testing.assert_close(
        descriptor("denoiser", Session("cpu"), family)(view),
        normalize(denoiser_features(family, view.image, best), dim=0),
    )
    wanted = normalize(denoiser_features(family, view.image, Dift(150, 0)), dim=0)
    for name in (f"dift:{folder}@150/0", f"{folder}@150/0"):
        torch.testing.assert_close(descriptor(name, Session("cpu"))(view), wanted)
    torch.testing.assert_close(descriptor("dift@150/0", Session("cpu"), family)(view), wanted)
    for name in ("dift@1000/0", "dift@100/9"):
        with pytest.raises(InputError, match="decoder stage"):
            descriptor(name, Session("cpu"), family)(view)


def test_a_denoiser_can_be_told_the_depth(tmp_path: Path) -> None:
    family, view = load_family(tiny.write_family(tmp_path)), tiny.view(32, 32)
    for layer in (family.control.controlnet_mid_block, family.control.controlnet_cond_embedding.conv_out):
        torch.nn.init.normal_(layer.weight)  # a fresh ControlNet says nothing
    deeper = replace(view, depth=Depth(view.depth.values.flip(0), "metric"))
    describe, blind = (
        descriptor("dift+depth@150/0", Session("cpu"), family),
        descriptor("dift@150/0", Session("cpu"), family),
    )
    assert not torch.allclose(describe(view), describe(deeper), atol=1e-3)
    torch.testing.assert_close(blind(view), blind(deeper))
    torch.testing.assert_close(describe(View(view.image)), blind(view))


def test_a_recording_ends_with_its_block() -> None:
    layer = torch.nn.Linear(2, 2)
    with recorded(layer) as outputs:
        layer(torch.ones(1, 2))
    layer(torch.ones(1, 2))
    assert len(outputs) == 1
    with pytest.raises(RuntimeError, match="shapes"), recorded(layer):
        layer(torch.ones(1, 3))
    assert not layer._forward_hooks


SMALL = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32, "num_hidden_layers": 1}


def backbones() -> dict[str, tuple[type, object]]:
    """Real classes of transformers in small: class tokens, register tokens, a map instead of tokens."""
    import transformers as t

    return {
        "dinov2": (t.Dinov2Model, t.Dinov2Config(**SMALL, patch_size=14, image_size=56)),
        "registers": (
            t.Dinov2WithRegistersModel,
            t.Dinov2WithRegistersConfig(**SMALL, patch_size=14, image_size=56, num_register_tokens=3),
        ),
        "vit": (t.ViTModel, t.ViTConfig(**SMALL, patch_size=8, image_size=32)),
        "dinov3": (
            t.DINOv3ViTModel,
            t.DINOv3ViTConfig(**SMALL, patch_size=16, image_size=64, num_register_tokens=4),
        ),
        "segformer": (
            t.SegformerModel,
            t.SegformerConfig(
                hidden_sizes=[8, 8, 8, 8], num_attention_heads=[1, 1, 1, 1], depths=[1] * 4, image_size=64
            ),
        ),
    }


@pytest.mark.parametrize("kind", ["dinov2", "registers", "vit", "dinov3", "segformer"])
def test_backbones_give_one_vector_for_every_patch(tmp_path: Path, kind: str) -> None:
    build, config = backbones()[kind]
    torch.manual_seed(0)
    model = build(config).eval()
    model.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(
        '{"image_processor_type": "ViTImageProcessor", "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}'
    )
    loaded = load_backbone(str(tmp_path))
    side, patch = config.image_size, loaded.patch
    image = torch.rand(3, side, side, generator=torch.Generator().manual_seed(1))
    mean, deviation = torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1), torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)
    with torch.no_grad():
        hidden = model(pixel_values=((image - mean) / deviation)[None]).last_hidden_state[0]
    cells = side // patch
    if hidden.ndim == 2:
        special = 1 + getattr(config, "num_register_tokens", 0)
        assert len(hidden) == special + cells**2
        hidden = hidden[special:].T.reshape(-1, cells, cells)
    torch.testing.assert_close(loaded.features(image), hidden, atol=1e-4, rtol=1e-4)
    wide = descriptor(f"{tmp_path}@{2 * side}", Session("cpu"))(View(torch.rand(3, 40, 90)))
    if hidden.ndim == 3 and kind != "segformer":
        assert wide.shape[1:] == fitted(torch.rand(3, 40, 90), 2 * side, patch)[0, ::patch, ::patch].shape
    assert abs(wide.shape[1] / wide.shape[2] - 40 / 90) < 0.2
    torch.testing.assert_close(wide.norm(dim=0), torch.ones(wide.shape[1:]))


def test_of_clip_the_half_that_sees_is_the_backbone(tmp_path: Path) -> None:
    import transformers as t

    text = {**SMALL, "vocab_size": 40, "max_position_embeddings": 8}
    config = t.CLIPConfig(
        text_config=text, vision_config={**SMALL, "patch_size": 8, "image_size": 32}, projection_dim=8
    )
    model = t.CLIPModel(config).eval()
    model.save_pretrained(tmp_path)
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))
    backbone = load_backbone(str(tmp_path))
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (backbone.mean, backbone.deviation))
    with torch.no_grad():
        hidden = model.vision_model(pixel_values=((image - mean) / deviation)[None]).last_hidden_state[0, 1:]
    torch.testing.assert_close(backbone.features(image), hidden.T.reshape(16, 4, 4), atol=1e-4, rtol=1e-4)


def test_tokens_lie_where_their_patches_do(tmp_path: Path) -> None:
    """Without any layer a token depends on its own patch alone."""
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    config = Dinov2WithRegistersConfig(**SMALL | {"num_hidden_layers": 0}, patch_size=14, image_size=56)
    Dinov2WithRegistersModel(config).save_pretrained(tmp_path)
    backbone = load_backbone(str(tmp_path))
    image = torch.rand(3, 42, 70)
    other = image.clone()
    other[:, 14:28, 42:56] = 0
    assert tuple(fitted(image, 56, 14).shape[1:]) == (42, 70)
    changed = (backbone.features(image) - backbone.features(other)).abs().amax(0) > 1e-4
    assert changed.nonzero().tolist() == [[1, 3]]


def test_what_cannot_be_found_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("magic", "dift:", "facebook/dinov2@big", "/nowhere/at/all"):
        with pytest.raises(InputError, match="descriptor out of"):
            descriptor(name, Session("cpu"))
    view = View(torch.rand(3, 16, 16))
    with pytest.raises(MissingModelError, match="hf download nobody/nothing"):
        descriptor("nobody/nothing", Session("cpu"))(view)
    with pytest.raises(MissingModelError, match="family"):
        descriptor("dift:nothing", Session("cpu"))(view)
    from transformers import ViTConfig, ViTModel

    model = ViTModel(ViTConfig(**SMALL, patch_size=8, image_size=32))
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(MissingModelError, match="safetensors"):
        descriptor(str(tmp_path), Session("cpu"))(view)
