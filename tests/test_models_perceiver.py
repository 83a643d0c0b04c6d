"""The perception network: shapes, one pass for all answers, weights that come back, and transformers reading its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSemanticSegmentation

from relook.errors import MissingModelError, ShapeError
from relook.models.perceiver import DESCRIPTOR, DEVIATION, MEAN, Perceiver, load_perceiver

NAMES = ("wall", "floor", "sofa")


@pytest.fixture(scope="module")
def network() -> Perceiver:
    torch.manual_seed(0)
    return Perceiver.fresh(NAMES).eval()


def test_one_pass_answers_everything(network: Perceiver) -> None:
    with torch.no_grad():
        found = network(torch.rand(2, 3, 64, 96))
    assert found.scores.shape == (2, 3, 16, 24)
    assert found.log_depth.shape == (2, 16, 24)
    assert found.centres.shape == (2, 2, 16, 24)
    assert found.descriptors.shape == (2, DESCRIPTOR, 16, 24)
    assert torch.allclose(found.descriptors.norm(dim=1), torch.ones(2, 16, 24), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 3, 60, 64), (1, 1, 64, 64), (3, 64, 64)])
def test_other_sizes_are_said(network: Perceiver, shape: tuple[int, ...]) -> None:
    with pytest.raises((ShapeError, TypeError)):
        network(torch.rand(shape))


def test_weights_come_back_and_transformers_reads_them(network: Perceiver, tmp_path: Path) -> None:
    network.save(tmp_path)
    picture = torch.rand(1, 3, 64, 64)
    loaded = load_perceiver(tmp_path)
    public = AutoModelForSemanticSegmentation.from_pretrained(tmp_path, dtype=torch.float32).eval()
    with torch.no_grad():
        ours, theirs = loaded(picture), public((picture - MEAN) / DEVIATION).logits
        first = network(picture)
    assert loaded.names == NAMES
    assert torch.allclose(first.scores, ours.scores, atol=2e-2)
    assert torch.allclose(first.descriptors, ours.descriptors, atol=2e-2)
    assert torch.allclose(torch.nn.functional.interpolate(ours.scores, (64, 64), mode="bilinear"), theirs, atol=1e-4)


def test_missing_weights_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MissingModelError, match="relook train perceiver"):
        load_perceiver(tmp_path / "nowhere")
