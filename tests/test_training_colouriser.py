"""Training of the colouriser: a loss that falls, a run that goes on, files that are loaded, colours that are told apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from relook.errors import InputError, MissingModelError
from relook.lift.operators.looks import grey
from relook.models.colouriser import SIDE, STEP, Colouriser, load_colouriser, palette, shares
from relook.ops.oklab import oklab_to_rgb, rgb_to_oklab
from relook.training import colouriser as training
from relook.training.colouriser import colouring_loss
from relook.training.subjects import TrainColouriser


def test_a_colour_is_parts_of_four_and_their_mean() -> None:
    wanted = (torch.rand(2, 2, 5, 7, generator=torch.Generator().manual_seed(0)) - 0.5) * (SIDE - 1) * STEP
    found = shares(wanted)
    assert int((found > 1e-6).sum(1).max()) <= 4
    torch.testing.assert_close(torch.einsum("bqhw,qc->bchw", found, palette()), wanted)


def test_grey_keeps_lightness_alone() -> None:
    picture = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(1))
    lab = rgb_to_oklab(grey(picture))
    torch.testing.assert_close(lab[0], rgb_to_oklab(picture)[0], atol=1e-4, rtol=1e-4)
    assert float(lab[1:].abs().max()) < 1e-4


def test_the_loss_falls_on_one_batch_where_lightness_tells_colours() -> None:
    torch.manual_seed(0)
    lab = torch.zeros(4, 3, 32, 32)
    lab[:, 0], lab[:, 0, :, :16] = 0.7, 0.4
    lab[:, 1], lab[:, 1, :, :16] = 0.1, -0.1  # dark is green, light is red
    network, pictures = Colouriser().train(), oklab_to_rgb(lab)
    optimiser, errors = torch.optim.Adam(network.parameters(), 5e-3), []
    for _ in range(15):
        values = colouring_loss(network, pictures)
        optimiser.zero_grad()
        values["loss"].backward()
        optimiser.step()
        errors.append(float(values["error"]))
    assert errors[-1] < 0.5 * errors[0]


def test_a_run_goes_on_and_writes_what_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, few in (("ROOMS", 2), ("STYLES", 2), ("SIZE", 48)):
        monkeypatch.setattr(training, name, few)
    config = TrainColouriser(out=tmp_path, batch=2, side=32, steps=2, every=1)
    training.run(config)
    folder = training.run(TrainColouriser(**{**vars(config), "steps": 3}))
    lines = [json.loads(line)["step"] for line in (tmp_path / "run" / "curve.jsonl").read_text().splitlines()]
    assert lines == [1, 2, 3]
    assert isinstance(load_colouriser(folder), Colouriser)
    assert (folder / "model.safetensors").stat().st_size < 2**20
    assert "relook train colouriser" in (folder / "README.md").read_text()
    with pytest.raises(MissingModelError, match="train colouriser"):
        load_colouriser(tmp_path)
    with pytest.raises(InputError, match="multiple of 16"):
        training.run(TrainColouriser(out=tmp_path, side=40))
