"""Training of the lifter: rooms with exact cameras, a loss that falls, a run that goes on, captures in place of rooms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from relook.models.lifter import Lifter, load_lifter
from relook.session import Session
from relook.training import lift3d as training
from relook.training.lift3d import Steps, lifting_loss
from relook.training.posed import Room, drawn_room
from relook.training.subjects import TrainLift3d


@pytest.fixture(scope="module")
def room() -> Room:
    with pytest.MonkeyPatch.context() as patch, Session("cpu") as session:
        patch.setattr("relook.training.posed.SIDE", 64)
        patch.setattr("relook.training.posed.VIEWS", 5)
        return drawn_room(200_001, ["perceiver"], session)


def test_a_room_holds_what_its_views_show(room: Room) -> None:
    assert room.images.shape == (5, 3, 64, 64)
    assert room.features["perceiver"].shape == (5, 48, 16, 16)
    near, far = room.range.tolist()
    assert near < float(room.depth.min()) + 0.2
    assert far > float(room.depth.median())


def test_the_loss_falls_on_one_room(room: Room) -> None:
    torch.manual_seed(0)
    config = TrainLift3d(rays=32, coarse=6, fine=6, sources=(3, 3))
    step, network = next(Steps([lambda: room], config)), Lifter().train()
    optimiser, losses = torch.optim.Adam(network.parameters(), 2e-3), []
    for _ in range(10):  # of the same rays
        values = lifting_loss(network, step, config)
        optimiser.zero_grad()
        values["loss"].backward()
        optimiser.step()
        losses.append(float(values["loss"].detach()))
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])
    assert all(part.grad is not None for part in network.parameters())


def test_what_is_switched_off_is_not_learned(room: Room) -> None:
    config = TrainLift3d(rays=32, coarse=4, fine=4, sources=(2, 2), correction=False, depth_loss=0.0, feature_loss=0.0)
    network = Lifter().train()
    values = lifting_loss(network, next(Steps([lambda: room], config)), config)
    values["loss"].backward()
    assert network.correction.up.weight.grad is None
    assert network.fine.density[0].weight.grad is not None


def test_a_run_goes_on_and_writes_what_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    monkeypatch.setattr(training, "rooms_of", lambda config, session: [lambda: room])
    config = TrainLift3d(out=tmp_path, encoders=("perceiver",), steps=2, rays=16, coarse=4, fine=4, every=1)
    training.run(config)
    folder = training.run(TrainLift3d(**{**vars(config), "steps": 3}))
    lines = [json.loads(line)["step"] for line in (tmp_path / "run" / "curve.jsonl").read_text().splitlines()]
    assert lines == [1, 2, 3]
    assert isinstance(load_lifter(folder), Lifter)
    assert (folder / "model.safetensors").stat().st_size < 2**20
    assert "relook train lift3d" in (folder / "README.md").read_text()
