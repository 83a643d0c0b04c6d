"""Training of the lifter: rooms with exact cameras, a loss that falls, a run that goes on, captures in place of rooms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from relook.errors import InputError
from relook.models.lifter import Lifter, load_lifter
from relook.ops.lifting import cast
from relook.session import Session
from relook.training import lift3d as training
from relook.training.lift3d import Steps, lifting_loss
from relook.training.posed import Room, check_encoders, drawn_room
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


def test_the_papers_full_size_has_its_shapes(room: Room, tmp_path: Path) -> None:
    """64 coarse and 128 fine samples, 8 to 12 sources, 768 features: docs/lift.md's recipe, on few rays."""
    again = torch.arange(13) % 5
    wide = torch.randn(13, 768, 16, 16).half()
    large = Room(room.images[again], room.K[again], room.poses[again], room.depth[again], room.range, {"dino": wide})
    config = TrainLift3d(
        encoders=("dino",), width=768, rays=8, coarse=64, fine=128, sources=(8, 12), depth_loss=0.0, rooms=1
    )
    step, network = next(Steps([lambda: large], config)), Lifter(config.width).train()
    assert 8 <= len(step.images) <= 12
    assert step.maps.shape[1:] == (768, 16, 16)
    rendered = network(network.sources(step.images, step.cameras), cast(step.target, step.pixels), step.sampling)
    assert rendered.blending.weights.shape == (8, 128, len(step.images))
    assert network.corrected(rendered, step.maps).shape == (8, 768)
    lifting_loss(network, step, config)["loss"].backward()
    assert network.correction.up.weight.grad is not None
    network.save(tmp_path)
    assert load_lifter(tmp_path).correction.width == 768


def test_an_encoder_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="Expected encoders"):
        check_encoders(("vgg19",))
    check_encoders(("perceiver", "facebook/dino-vitb8"))
