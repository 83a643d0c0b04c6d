"""The autoencoder's round trip, on rooms and on a folder of pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from relook.engine import Engine
from relook.errors import InputError
from relook.evaluate.perception.autoencoder import Config, round_trip, suite
from relook.evaluate.records import read_records
from relook.evaluate.run import run
from relook.evaluate.sources.dollhouse import unseen_room
from relook.files import read_json
from relook.io import write_image
from relook.models.families import load_family


def test_rooms_and_photographs_are_scored_apart(tmp_path: Path) -> None:
    write_image(tmp_path / "photos" / "deep" / "grey.png", torch.full((3, 50, 61), 0.5))
    config = Config(out=tmp_path / "out", rooms=2, photos=tmp_path / "photos", size=48, engine=Engine(workers=1))
    run(suite(config))
    found = {(r.part, r.case): r.value for r in read_records(tmp_path / "out")}
    assert list(found) == [("rooms", "0"), ("rooms", "1"), ("photos", "deep/grey.png")]
    assert found["photos", "deep/grey.png"] > 25, "a grey picture is easy"
    means = read_json(tmp_path / "out" / "summary.json")["autoencoder/rooms"]["dollhouse"]["psnr"]
    assert means["mean"] == pytest.approx((found["rooms", "0"] + found["rooms", "1"]) / 2, abs=1e-3)


def test_an_untouched_autoencoder_beats_a_disturbed_one() -> None:
    model, room = load_family("dollhouse").autoencoder, unseen_room(0, 0, 64).image
    good = round_trip(model, room)
    with torch.no_grad():
        model.decoder.conv_out.weight.mul_(0.5)
    assert round_trip(model, room) < good - 3


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name their folder"):
        suite(Config(out=tmp_path / "out", photos=tmp_path))
