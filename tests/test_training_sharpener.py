"""Training of the sharpener: a loss that falls, a run that goes on, files that are loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from relook.errors import InputError, MissingModelError
from relook.models.sharpener import FOLDER, Sharpener, load_sharpener
from relook.ops.blur import softened
from relook.training import sharpener as training
from relook.training.sharpener import sharpening_loss
from relook.training.subjects import TrainSharpener

PICTURES = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_untrained_it_keeps_the_picture() -> None:
    torch.testing.assert_close(Sharpener()(PICTURES).detach(), PICTURES)


def test_the_shipped_one_brings_edges_back() -> None:
    if not (FOLDER / "model.safetensors").is_file():
        pytest.skip("the sharpener is not installed")
    ys, xs = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    sharp = (0.2 + 0.5 * ((xs // 13 + ys // 11) % 2)).expand(1, 3, 64, 64).contiguous()
    soft = softened(sharp, torch.Generator().manual_seed(2))
    before, after = ((one - sharp).square().mean() for one in (soft, load_sharpener()(soft).clamp(0, 1)))
    assert float(after) < 0.75 * float(before)


def test_the_loss_falls_on_one_batch() -> None:
    torch.manual_seed(0)
    network, soft = Sharpener().train(), softened(PICTURES, torch.Generator().manual_seed(2))
    optimiser, losses = torch.optim.Adam(network.parameters(), 2e-3), []
    for _ in range(12):
        values = sharpening_loss(network, soft, PICTURES)
        optimiser.zero_grad()
        values["loss"].backward()
        optimiser.step()
        losses.append(float(values["loss"].detach()))
    assert losses[-1] < 0.9 * losses[0]


def test_softening_takes_detail_and_keeps_the_mean() -> None:
    soft = softened(PICTURES, torch.Generator().manual_seed(2))
    assert float(soft.std()) < 0.8 * float(PICTURES.std())
    assert float(soft.mean()) == pytest.approx(float(PICTURES.mean()), abs=0.01)


def test_a_run_goes_on_and_writes_what_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, few in (("ROOMS", 2), ("STYLES", 2), ("SIZE", 64)):
        monkeypatch.setattr(training, name, few)
    config = TrainSharpener(out=tmp_path, batch=6, side=32, steps=2, every=1)
    training.run(config)
    folder = training.run(TrainSharpener(**{**vars(config), "steps": 3}))
    lines = [json.loads(line)["step"] for line in (tmp_path / "run" / "curve.jsonl").read_text().splitlines()]
    assert lines == [1, 2, 3]
    assert isinstance(load_sharpener(folder), Sharpener)
    assert "relook train sharpener" in (folder / "README.md").read_text()
    with pytest.raises(MissingModelError, match="train sharpener"):
        load_sharpener(tmp_path)
    with pytest.raises(InputError, match="multiple of 16"):
        training.run(TrainSharpener(out=tmp_path, side=40))
