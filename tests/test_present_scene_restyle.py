"""`relook scene restyle`: options of the scene, of its key views and of a capture's fit beside each other; errors in one sentence."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from relook.config import RestyleConfig
from relook.errors import InputError
from relook.lift.restyled.task import MANY, foretell
from relook.present.arguments import parse
from relook.present.cli import main
from relook.present.scene_restyle import RestyleScene
from strolls import stroll


def test_an_option_of_the_scene_hides_those_of_its_parts_and_what_parts_share_is_given_to_all() -> None:
    words = "room.ply --out new.ply --method distill --by palette --size 64 --device cpu --keep window --views 9 --strength .5"
    found = parse(RestyleScene, "relook scene restyle", words.split()).config
    assert (found.method, found.by, found.photo.method) == ("distill", "palette", "auto")
    assert (found.size, found.photo.size, found.fit.size) == (64, None, 512)
    assert (found.photo.device, found.fit.device) == ("cpu", "cpu")
    assert (found.photo.keep, found.fit.views, found.photo.strength) == (("window",), 9, 0.5)
    found.check()
    assert (found.picture.method, found.picture.device) == ("palette", "cpu")


def test_help_names_every_option_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scene", "restyle", "--help"]) == 0
    said = capsys.readouterr().out
    for option in ("--method", "--view-dependence", "--only", "--keep", "--device", "--size ", "--cell"):
        assert sum(line.strip().startswith(option) for line in said.splitlines()) == 1, option
    assert "--preview" not in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--style"),
        (["--style", "look.png", "--method", "distil"], "did you mean distill"),
        (["--style", "nowhere.png"], "nowhere.png"),
        (["--style", "look.png", "--view-dependence", "all"], "keep, scale, none"),
    ],
)
def test_wrong_words_are_answered_in_one_sentence(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("look.png", "room.ply"):
        Path(name).write_bytes(b"")
    assert main(["scene", "restyle", "room.ply", "--out", "new.ply", *words]) == 2
    assert said in capsys.readouterr().err
    assert not Path("new.ply").exists()


def test_of_large_scenes_time_and_memory_are_said_before(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="relook"):
        foretell(MANY - 1, list(stroll()), RestyleConfig())
        assert not caplog.records
        foretell(2_000_000, list(stroll()), RestyleConfig())
    assert "2.0 million Gaussians and 4 key views take about 6 minutes and 4.2 GB of memory" in caplog.text


def test_one_option_of_a_picture_is_refused() -> None:
    with pytest.raises(InputError, match="layers"):
        parse(RestyleScene, "relook scene restyle", ["room.ply", "--out", "new.ply", "--layers"])
