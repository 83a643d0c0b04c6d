"""The registry of checkpoints as data, and where they are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from relook.errors import InputError, MissingModelError
from relook.models.registry import CHECKPOINTS, available, locate


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_every_entry_is_complete(name: str) -> None:
    checkpoint = CHECKPOINTS[name]
    assert len(checkpoint.sha256) == 64
    assert checkpoint.size > 0
    assert all((checkpoint.licence, checkpoint.task, checkpoint.source, checkpoint.file))


@pytest.mark.weights
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_real_files_have_the_registered_hashes_and_sizes(shared: Path, name: str) -> None:
    assert locate(name).stat().st_size == CHECKPOINTS[name].size


@pytest.mark.parametrize("situation", ["no variable", "no file", "another file"])
def test_a_missing_checkpoint_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, situation: str) -> None:
    monkeypatch.setenv("RELOOK_MODELS", str(tmp_path))
    if situation == "no variable":
        monkeypatch.delenv("RELOOK_MODELS")
    if situation == "another file":
        (tmp_path / "fastdepth_nyu.onnx").write_bytes(b"something else")
    with pytest.raises(MissingModelError) as caught:
        locate("fastdepth")
    text = str(caught.value)
    assert text.startswith("Expected fastdepth_nyu.onnx")
    assert all(part in text for part in ("5.8 MB", "MIT", "RELOOK_MODELS", "https://"))
    assert "\n" not in text
    assert not available("fastdepth")


def test_unknown_name_lists_the_names() -> None:
    with pytest.raises(InputError, match="ade20k, fastdepth, pydnet, lpips_alex"):
        locate("clip")
