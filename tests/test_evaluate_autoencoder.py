"""The autoencoder's round trip, on rooms and on a folder of pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from relook.errors import InputError
from relook.evaluate.perception.autoencoder import Config, round_trip, run, unseen_room
from relook.files import read_json
from relook.io import write_image
from relook.models.families import load_family


def test_rooms_and_photographs_are_scored_apart(tmp_path: Path) -> None:
    write_image(tmp_path / "photos" / "deep" / "grey.png", torch.full((3, 50, 61), 0.5))
    steps: list[tuple[int, int]] = []
    run(
        Config(out=tmp_path / "out", rooms=2, photos=tmp_path / "photos", size=48),
        lambda done, total: steps.append((done, total)),
    )
    summary = read_json(tmp_path / "out" / "summary.json")
    assert set(summary["mean"]) == {"rooms", "photos"}
    assert list(summary["pictures"]["photos"]) == ["deep/grey.png"]
    assert summary["mean"]["photos"] > 25, "a grey picture is easy"
    assert steps[-1] == (3, 3)


def test_an_untouched_autoencoder_beats_a_disturbed_one() -> None:
    model, room = load_family("dollhouse").autoencoder, unseen_room(0, 64)
    good = round_trip(model, room)
    with torch.no_grad():
        model.decoder.conv_out.weight.mul_(0.5)
    assert round_trip(model, room) < good - 3


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name their folder"):
        run(Config(out=tmp_path / "out", photos=tmp_path), lambda *_: None)
