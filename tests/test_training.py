"""Training: the pieces do what they say, and a stopped run goes on."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
from torch import nn

from relook.dollhouse import sample_layout, sample_style
from relook.errors import InputError
from relook.present.cli import main
from relook.training import dollhouse
from relook.training.autoencoder import CHANNELS, normalise, small_autoencoder
from relook.training.cards import write_cards
from relook.training.data import World, crops, dead_leaves
from relook.training.denoiser import Generator, PairStream, pair_loss, small_scheduler
from relook.training.loop import LoopConfig, rate_at, train
from relook.training.subjects import TrainDollhouse
from relook.training.vocabulary import LENGTH, build_tokenizer, colour_word, describe, words


@pytest.fixture(scope="module")
def world() -> World:
    return World.build(8, 6, (64, 64))


def test_the_autoencoder_starts_linear_and_learns(world):
    """Before any step, flat pictures come back in the order of their brightness: it passes the group norms."""
    torch.manual_seed(0)
    model = small_autoencoder().eval()
    flat = torch.tensor([-0.7, -0.2, 0.2, 0.7])[:, None, None, None].expand(4, 3, 32, 32).contiguous()
    with torch.no_grad():
        again = model.decode(model.encode(flat).latent_dist.mean).sample[..., 8:-8, 8:-8].mean((1, 2, 3))
    assert (again.diff() > 0.1).all()
    assert again[3] - again[0] > 0.5


def test_normalising_changes_latents_not_pictures(world):
    torch.manual_seed(0)
    model = small_autoencoder().eval()
    pictures = world.colour(torch.arange(8), torch.arange(8) % 6)
    with torch.no_grad():
        before = model.decode(model.encode(pictures * 2 - 1).latent_dist.mean).sample
        normalise(model, pictures)
        latents = model.encode(pictures * 2 - 1).latent_dist.mean
        after = model.decode(latents).sample
    torch.testing.assert_close(before, after, atol=2e-3, rtol=1e-3)
    columns = latents.permute(1, 0, 2, 3).flatten(1)
    assert columns.mean(1).abs().max() < 1e-2
    assert columns.var(1).mean() == pytest.approx(1, abs=0.05)
    covariance = columns.cov()
    assert (covariance - covariance.diag().diag()).abs().max() < 0.02 * covariance.diag().max()


def test_crops_are_endless_pictures(world):
    batch = next(crops(world, 8, 32, torch.Generator().manual_seed(0)))
    assert batch.shape == (8, 3, 32, 32)
    assert batch.min() >= 0
    assert batch.max() <= 1
    again = dead_leaves(2, 32, torch.Generator().manual_seed(1))
    assert torch.equal(again, dead_leaves(2, 32, torch.Generator().manual_seed(1)))


def test_every_prompt_is_understood():
    tokenizer, rng = build_tokenizer(), np.random.default_rng(0)
    for seed in range(40):
        layout, style = sample_layout(seed), sample_style(seed)
        prompt = describe(layout.room, style, sorted(layout.names), rng)
        ids = tokenizer(prompt, padding="max_length", max_length=LENGTH, truncation=True).input_ids
        assert len(ids) == LENGTH
        assert tokenizer.unk_token_id not in ids, prompt
    assert tokenizer("zeppelin").input_ids[1] == tokenizer.unk_token_id
    assert len(set(words())) == len(words())
    assert [colour_word(c) for c in ((0.9, 0.9, 0.9), (0.8, 0.1, 0.1), (0.1, 0.2, 0.8))] == ["white", "red", "blue"]


def test_pairs_train_through_the_edit(world):
    torch.manual_seed(0)
    generator = Generator((16, 32, 32))
    autoencoder = small_autoencoder().eval().requires_grad_(False)
    kinds = [sample_layout(i).room for i in range(8)]
    stream = PairStream(world, kinds, autoencoder, generator.tokenizer, 2, 0)
    assert list(stream.of_kind) == sorted(set(kinds))  # whatever order a set of words has in this process
    pairs = next(stream)
    assert pairs.latents.shape == (4, CHANNELS, 16, 16)
    assert pairs.recoloured.shape == (2, CHANNELS, 16, 16)
    first, second = pairs.classes[8, 8].chunk(2)
    assert torch.equal(pairs.mask((8, 8), (8, 8)).matrix, first[:, :, None] == second[:, None])
    losses = [pair_loss(generator, pairs, small_scheduler())["loss"] for _ in range(4)]
    sum(losses).backward()
    assert all(torch.isfinite(value) for value in losses)
    assert generator.unet.conv_in.weight.grad.abs().sum() > 0
    assert generator.controlnet.controlnet_mid_block.weight.grad.abs().sum() > 0


def test_a_stopped_run_goes_on(tmp_path):
    def run(steps: int, folder: str) -> nn.Linear:
        torch.manual_seed(0)
        module = nn.Linear(1, 1)
        batches = (torch.tensor([1.0]) for _ in itertools.count())
        return train(
            module, batches, lambda x: {"loss": (module(x) - 3).square().mean()},
            LoopConfig(steps, warm_up=2, every=5), tmp_path / folder,
        )  # fmt: skip

    whole = run(20, "whole")
    state = torch.load(tmp_path / "whole" / "state.pt", weights_only=True)
    assert state["step"] == 20
    again = run(20, "whole")
    assert torch.equal(whole.weight, again.weight)
    rows = [json.loads(line) for line in (tmp_path / "whole" / "curve.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 15, 20]
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_the_rate_rises_and_falls():
    config = LoopConfig(1000, rate=1.0, warm_up=10)
    assert rate_at(0, config) < rate_at(5, config) < rate_at(9, config) == pytest.approx(1.0)
    assert rate_at(999, config) == pytest.approx(0.02, abs=1e-3)


def test_a_run_shorter_than_its_warm_up_only_rises():
    config = LoopConfig(4, rate=1.0, warm_up=100)
    assert [rate_at(step, config) for step in range(4)] == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_training_a_denoiser_needs_an_autoencoder(tmp_path):
    with pytest.raises(InputError, match="Expected a trained autoencoder"):
        dollhouse.run(TrainDollhouse(out=tmp_path, part="denoiser"))


def test_cards_are_written_for_what_is_there(tmp_path):
    (tmp_path / "relook.json").write_text(json.dumps({"seed": 3, "size": 128, "quality": {"autoencoder_psnr": 29.0}}))
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "weights.safetensors").write_bytes(b"0" * 2**20)
    write_cards(tmp_path)
    assert "29.0" in (tmp_path / "vae" / "README.md").read_text()
    assert not (tmp_path / "unet").exists()


@pytest.mark.parametrize("line", ["flow --pool 0", "warp-refine --rate 0", "dollhouse --denoiser-scale -1"])
def test_numbers_that_cannot_be_are_refused_before_anything_is_drawn(line, capsys):
    assert main(["train", *line.split()]) == 2
    assert capsys.readouterr().err.startswith("relook: Expected ")
