"""Training the perception networks: truths that are right, losses that reward them, runs that resume and ship."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from relook.dollhouse import CLASSES
from relook.models.perceiver import Perceived, Perceiver, load_perceiver
from relook.training import perceiver
from relook.training.perceiver import (
    Batch,
    PictureStream,
    Stage,
    descriptor_loss,
    flipped,
    perception_loss,
    settled,
    to_centres,
    train_perceiver,
)
from relook.training.subjects import TrainPerceiver


@pytest.fixture(scope="module")
def batch() -> Batch:
    return next(PictureStream(5, 4, 4, 0, 64))


def test_centres_lead_to_the_mean_place_of_their_id() -> None:
    ids = torch.tensor([[[1, 1, 2, 2], [1, 1, 2, 2]]])
    found = to_centres(ids)
    assert torch.allclose(found[0, 0], torch.tensor([[0.125, -0.125, 0.125, -0.125]] * 2))
    assert torch.allclose(found[0, 1], torch.tensor([[0.25] * 4, [-0.25] * 4]))


def test_the_truth_of_a_batch_agrees_with_itself(batch: Batch) -> None:
    assert batch.images.shape == (4, 3, 64, 64)
    assert batch.shares.shape == (4, len(CLASSES), 16, 16)
    assert torch.allclose(batch.shares.sum(1), torch.ones(4, 16, 16))
    middle = batch.shares.gather(1, batch.classes[:, None])[:, 0]
    assert float((middle > 0).float().mean()) == 1.0
    assert float(batch.parts[..., :3].min()) >= -1e-6
    assert float(batch.parts[..., :3].max()) <= 1 + 1e-6


def test_a_mirror_image_of_a_mirror_image_is_the_picture(batch: Batch) -> None:
    twice = flipped(flipped(batch))
    assert torch.equal(twice.images, batch.images)
    assert torch.allclose(twice.parts, batch.parts, atol=1e-6)
    assert torch.allclose(twice.centres, batch.centres, atol=1e-6)


def test_every_batch_brings_a_new_room() -> None:
    stream = PictureStream(3, 2, 2, 0, 32)
    before = stream.world.geometry.depth.clone()
    next(stream)
    changed = (stream.world.geometry.depth != before).flatten(1).any(1)
    assert changed.tolist() == [True, False, False]


def test_descriptors_that_know_the_part_cost_less_than_random_ones(batch: Batch) -> None:
    torch.manual_seed(0)
    truth = torch.cat([functional.one_hot(batch.classes, len(CLASSES)).float(), 2 * batch.parts], -1).permute(
        0, 3, 1, 2
    )
    scores, log_depth = torch.zeros(4, 20, 16, 16), torch.zeros(4, 16, 16)
    random = functional.normalize(torch.randn_like(truth), dim=1)
    nothing = Perceived(scores, log_depth, torch.zeros(4, 2, 16, 16), random)
    good = replace(nothing, descriptors=functional.normalize(truth, dim=1))
    torch.manual_seed(1)
    worse = float(descriptor_loss(nothing, batch))
    torch.manual_seed(1)
    assert float(descriptor_loss(good, batch)) < 0.6 * worse


def test_a_few_steps_lower_the_loss(batch: Batch) -> None:
    torch.manual_seed(0)
    network = Perceiver.fresh(CLASSES).train()
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3)
    losses = []
    for _ in range(6):
        loss = perception_loss(network, batch)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.85 * losses[0]


def test_training_goes_on_where_it_was(tmp_path: Path) -> None:
    stages = (Stage(32, 2, 2, 1e-3, 3, 2), Stage(64, 2, 2, 1e-3, 3, 2))
    first = train_perceiver(tmp_path / "a", stages=stages)
    train_perceiver(tmp_path / "b", stages=stages[:1])
    second = train_perceiver(tmp_path / "b", stages=stages)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_trained_network_is_written_with_its_papers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.training.perceiver.STAGES", (Stage(32, 2, 2, 1e-3, 3, 2),))
    folder = perceiver.run(TrainPerceiver(out=tmp_path))
    assert {"config.json", "model.safetensors", "heads.safetensors", "README.md"} <= {p.name for p in folder.iterdir()}
    assert load_perceiver(folder).names == CLASSES
    assert "relook train perceiver" in (folder / "README.md").read_text()


def test_settled_statistics_are_those_of_the_pictures() -> None:
    torch.manual_seed(0)
    network, pictures = Perceiver.fresh(CLASSES), [torch.rand(4, 3, 64, 64) for _ in range(3)]
    first = next(module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d))
    seen: list[torch.Tensor] = []
    handle = first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    settled(network, pictures)
    handle.remove()
    assert torch.allclose(first.running_mean, torch.cat(seen).mean((0, 2, 3)), atol=1e-5)
