"""`relook models`: what it says and how it ends; the work itself is tested with the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from relook.models import catalogue
from relook.present.cli import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("RELOOK_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def here(folder: Path, name: str) -> Path:
    """A repository that lies in the folder of models, put there by hand."""
    place = folder / catalogue.entry(name).repository
    place.mkdir(parents=True)
    (place / "config.json").write_text("{}")
    (place / "model.safetensors").write_bytes(b"weights")
    return place


def test_list_says_what_there_is_its_licence_and_whether_it_is_here(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here(folder, "sam")
    assert main(["models", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert catalogue.CATALOGUE.keys() <= lines.keys()
    assert "CC-BY-NC-4.0 *" in lines["depth-anything-v2-large"]
    assert "*" not in lines["depth-anything-v2-small"]
    assert lines["sam"].split()[-1] == "here"
    assert lines["clipseg"].split()[-1] == "-"
    assert main(["models", "list", "--here"]) == 0
    assert "clipseg" not in capsys.readouterr().out
    assert main(["models", "list", "sd15"]) == 0
    text = capsys.readouterr().out
    assert all(
        part in text
        for part in ("451f4fe16113bff5a5d2269ed5ad43b0592e9a14", "sd15-depth", "4.3 GB (2.1 GB with --half)")
    )


def test_where_verify_and_remove_of_a_folder_of_ones_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = here(folder, "sam")
    assert main(["models", "where", "sam"]) == 0
    assert capsys.readouterr().out.strip() == str(place)
    assert main(["models", "verify"]) == 0
    assert "sam: unknown" in capsys.readouterr().out
    assert main(["models", "remove", "sam"]) == 2
    assert "Relook did not put there" in capsys.readouterr().err
    assert place.is_dir()


def test_verify_ends_with_one_when_a_file_is_wrong(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "fastdepth_nyu.onnx").write_bytes(b"another network")
    assert main(["models", "verify"]) == 1
    assert "fastdepth: wrong" in capsys.readouterr().out
    assert main(["models", "verify", "pydnet"]) == 1
    assert "pydnet: missing, get it with `relook models pull pydnet`" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["pull", "depth-anything-v2-large"], "--accept-licence"),
        (["pull", "raft_small"], "pickle"),
        (["pull", "clipseg"], "check the connection"),
        (["pull", "nothing"], "a model out of"),
        (["pull"], "name of a model"),
        (["where", "clipseg"], "relook models pull clipseg"),
        (["fetch"], "list, pull, verify, where, remove"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert main(["models", *words]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("relook: Expected ")
    assert sentence in said
    assert "\n" not in said
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == main(["models", "--help"]) == main(["models", "pull", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("verify", "exit code 1", "--accept-licence", "--half"))
