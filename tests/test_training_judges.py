"""The style descriptor and the judge of quality: what they are trained on, what they are, what the shipped ones can, and CLIP in their place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate

import tiny
from relook.dollhouse import render, sample_layout, sample_style
from relook.errors import MissingModelError, ShapeError
from relook.lift.losses import judges
from relook.lift.losses.quality import PROMPTS
from relook.models.pooled_encoder import (
    DESCRIPTOR,
    QUALITY,
    SCORES,
    QualityScores,
    StyleDescriptor,
    load_quality,
    load_style_descriptor,
)
from relook.session import Session
from relook.training import quality, style_descriptor
from relook.training.data import HELD_OUT
from relook.training.subjects import TrainQuality, TrainStyleDescriptor


def rooms(styles: int, first: int = 0) -> torch.Tensor:
    """Unseen rooms in unseen styles, one each."""
    numbers = range(HELD_OUT + 5000, HELD_OUT + 5000 + styles)
    return torch.stack([render(sample_layout(n + first), sample_style(n, 0.35), (96, 96)).image for n in numbers])


# networks


def test_a_descriptor_is_a_unit_vector_that_a_larger_picture_shares():
    torch.manual_seed(0)
    network, picture = StyleDescriptor(), rooms(2)
    found = network(picture)
    assert torch.allclose(found.norm(dim=1), torch.ones(2), atol=1e-5)
    small = torch.rand(1, 3, 20, 30)
    large = interpolate(small, (256, 384), mode="bicubic")
    shrunk = interpolate(large, (128, 192), mode="bilinear", antialias=True)
    assert torch.allclose(network(large), network(shrunk), atol=1e-5)
    with pytest.raises(ShapeError, match="at least 16 pixels"):
        network(torch.rand(1, 3, 15, 40))


@pytest.mark.parametrize(
    ("network", "loader"), [(StyleDescriptor, load_style_descriptor), (QualityScores, load_quality)]
)
def test_networks_are_small_and_come_back_from_their_file(tmp_path, network, loader):
    torch.manual_seed(0)
    made, picture = network(), torch.rand(1, 3, 40, 52)
    made.save(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size < 1.5 * 2**20
    assert torch.allclose(loader(tmp_path)(picture), made(picture).detach(), atol=0.02)
    with pytest.raises(MissingModelError, match="relook train"):
        loader(tmp_path / "elsewhere")
    other = load_quality if loader is load_style_descriptor else load_style_descriptor
    with pytest.raises(MissingModelError, match="got others"):
        other(tmp_path)


# what they are trained on


def test_first_and_second_pictures_are_of_the_same_styles():
    stream = style_descriptor.StylesInRooms(4, 3, 0)
    batch = next(stream)
    assert batch.shape == (6, 3, style_descriptor.CROP, style_descriptor.CROP)
    assert len(stream.stored) == 5
    next(stream)
    assert stream.next == 10
    colours = [one.float().div(255).mean((2, 3)) for one in stream.stored]  # of three rooms each
    within = torch.stack([one.std(0).mean() for one in colours]).mean()
    between = torch.stack([one.mean(0) for one in colours]).std(0).mean()
    assert float(between) > float(within)


def test_contrast_asks_for_the_other_picture_of_a_style():
    """A network that knows the style finds all; one that says the same of everything guesses, with the loss log(count)."""
    styles = torch.eye(4).repeat(2, 1)

    class Known(StyleDescriptor):
        def __init__(self, answer: torch.Tensor) -> None:
            super().__init__()
            self.answer = answer

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.answer

    images = torch.zeros(8, 3, 32, 32)
    right, blind = (style_descriptor.contrast(Known(one), images) for one in (styles, torch.ones(8, 4) / 2))
    assert float(right["found"]) == 1
    assert float(right["loss"]) == pytest.approx(np.log(1 + 3 * np.exp(-10)), rel=1e-3)
    assert float(blind["loss"]) == pytest.approx(np.log(4), rel=1e-4)


def test_ranks_count_what_is_above_the_own_column():
    scores = torch.tensor([[3.0, 1, 2], [5, 4, 0], [9, 8, 7]])
    assert style_descriptor.ranks(scores) == pytest.approx({"top 1": 1 / 3, "top 5": 1.0})


def test_faults_are_put_in_one_by_one():
    picture, rng = rooms(3), np.random.default_rng(0)
    assert torch.allclose(quality.spoilt(picture, torch.zeros(3, 3), rng), picture, atol=1e-6)
    noisy, soft, dull = (quality.spoilt(picture, one.expand(3, 3), rng) for one in 0.8 * torch.eye(3))

    def edges(image: torch.Tensor) -> float:
        return float(image.diff(dim=3).abs().mean())

    def colour(image: torch.Tensor) -> float:
        return float((image - image.mean(1, keepdim=True)).abs().mean())

    assert edges(soft) < 0.7 * edges(picture) < 1.5 * edges(picture) < edges(noisy)
    assert colour(dull) < 0.4 * colour(picture)
    assert colour(soft) > 0.7 * colour(picture)


def test_each_picture_is_blurred_by_its_own_gaussian():
    point = torch.zeros(2, 3, 41, 41)
    point[:, :, 20, 20] = 1
    found = quality.blurred(point, torch.tensor([0.0, 2.0]))
    assert torch.allclose(found[0], point[0], atol=1e-6)
    at = torch.arange(41.0) - 20
    spread = (found[1, 0].sum(0) * at**2).sum() / found[1, 0].sum()
    assert float(spread.sqrt()) == pytest.approx(2.0, abs=0.02)


def test_both_are_trained_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("relook.training.style_descriptor.retrieval", lambda network: {"top 1": 0.5, "top 5": 1.0})
    monkeypatch.setattr("relook.training.quality.ordering", lambda network: dict.fromkeys(SCORES, 0.75))
    found = style_descriptor.run(TrainStyleDescriptor(out=tmp_path / "a", steps=2, batch=3, rooms=3))
    assert "top 1 50.0 %, top 5 100.0 %" in (found / "README.md").read_text()
    load_style_descriptor(found)
    found = quality.run(TrainQuality(out=tmp_path / "b", steps=2, batch=8, rooms=3, styles=3))
    assert "sharpness 75 %" in (found / "README.md").read_text()
    load_quality(found)


# the shipped ones


def test_the_shipped_descriptor_finds_the_style_in_another_room():
    network = load_style_descriptor()
    scores = network(rooms(10)) @ network(rooms(10, 700)).T
    assert style_descriptor.ranks(scores)["top 1"] >= 0.7
    assert "Measured" in (DESCRIPTOR / "README.md").read_text()


def test_the_shipped_judge_hears_each_fault():
    network, picture, rng = load_quality(), rooms(6), np.random.default_rng(0)
    before = network(picture)
    for number, name in enumerate(SCORES):
        severity = torch.zeros(6, 3)
        severity[:, number] = 0.7
        change = network(quality.spoilt(picture, severity, rng)) - before
        assert float((change[:, number] < 0).float().mean()) >= 5 / 6, name
    assert "Measured" in (QUALITY / "README.md").read_text()


# CLIP in their place


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A random CLIP that knows the words of the prompts."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("clip")
    words = {word for pair in PROMPTS.values() for prompt in pair for word in prompt.rstrip(".").split()}
    table = {word: number for number, word in enumerate(["<pad>", "<eos>", ".", *sorted(words)])}
    core = Tokenizer(models.WordLevel(table, unk_token="<pad>"))
    core.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="<eos>", model_max_length=8
    ).save_pretrained(folder)
    text = tiny.text_config()
    text.vocab_size, text.eos_token_id = len(table), 1
    vision = {
        "image_size": 32,
        "patch_size": 8,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "projection_dim": 12,
    }
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision, projection_dim=12)).save_pretrained(folder)
    return str(folder)


def test_clip_by_its_folder_describes_and_judges_with_gradients(clip):
    picture = rooms(2).requires_grad_()
    with Session("cpu") as session:
        described = judges.descriptor(clip, session)(picture)
        assert torch.allclose(described.norm(dim=1), torch.ones(2), atol=1e-5)
        scores = judges.quality(clip, session)(picture)
    assert scores.shape == (2, 3)
    assert bool(((scores > 0) & (scores < 1)).all())
    for found in (described[:, 0].sum(), scores.sum()):
        (gradient,) = torch.autograd.grad(found, picture, retain_graph=True)
        assert float(gradient.abs().sum()) > 0


def test_clip_sees_the_whole_picture(clip):
    """The square that it looks at is the picture shrunk: also of what is at the sides."""
    from transformers import CLIPVisionModelWithProjection

    network = CLIPVisionModelWithProjection.from_pretrained(clip)
    wide = torch.rand(1, 3, 64, 128)
    mean, deviation = (
        torch.tensor(v).view(3, 1, 1)
        for v in ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
    )
    seen = judges.seen_by_clip(wide, network) * deviation + mean
    assert seen.shape == (1, 3, 32, 32)
    assert torch.allclose(seen.mean((2, 3)), wide.mean((2, 3)), atol=0.02)
    assert float((seen - avg_pool2d(wide, (2, 4))).abs().mean()) < 0.08
