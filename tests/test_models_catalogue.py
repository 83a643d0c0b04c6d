"""The catalogue of checkpoints as data, and where they are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from relook.errors import InputError, MissingModelError
from relook.models import store
from relook.models.catalogue import CATALOGUE, entries, is_hub_id, known, readable
from relook.models.store import is_here, locate

HEX = set("0123456789abcdef")


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_entry_is_complete(name: str) -> None:
    one = CATALOGUE[name]
    assert one.size > 0
    assert one.vram > 0
    assert all((one.licence, one.task, one.purpose, one.numbers))
    assert bool(one.file) != bool(one.repository)
    assert one.commercial or one.licence_url
    assert set(one.along) <= set(CATALOGUE)
    assert {one.control, one.autoencoder, one.tiny_decoder} - {""} <= set(one.along), "a family brings its parts"
    for hashed in (one.sha256, *one.hashes.values()):
        assert not hashed or (len(hashed) == 64 and set(hashed) <= HEX)
    if one.file:
        assert one.sha256
        assert one.source
        assert bool(one.url) != bool(one.obtain), "either it can be fetched, or it says how else to get it"
    else:
        assert is_hub_id(one.repository)
        assert bool(one.revision) != bool(one.unpinned), "a pin, or the reason why there is none"
        assert one.revision is None or (len(one.revision) == 40 and set(one.revision) <= HEX)
        for pattern in (*one.patterns, *one.needs):
            assert not pattern.endswith((".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack"))


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_a_family_brings_all_that_it_needs_and_nothing_closed(family: str) -> None:
    found = {one.name: one for one in entries([family])}
    assert len(found) == len({one.place for one in found.values()})
    assert {
        family,
        f"{family}-depth",
        "depth-anything-v2-small",
        "eomt-ade20k",
        "grounding-dino",
        "sam",
    } <= found.keys()
    assert all(one.commercial for one in found.values())


def test_photo_brings_the_good_networks_for_photographs_and_they_stand_first() -> None:
    assert [(one.name, one.role, one.commercial) for one in entries(["photo"])] == [
        ("eomt-ade20k", "segmenter", True),
        ("depth-anything-v2-small", "depth", True),
    ]
    names = list(CATALOGUE)
    assert names[:4] == ["ade20k", "fastdepth", "eomt-ade20k", "depth-anything-v2-small"]
    tasks = [one.task for one in CATALOGUE.values()]
    assert max(place for place, task in enumerate(tasks) if task in ("segments", "depth", "labels")) < tasks.index(
        "family"
    )


def test_names_hub_ids_and_sizes() -> None:
    assert known("facebook/sam-vit-base") is known("sam") is CATALOGUE["sam"]
    assert known("nobody/nothing") is known("") is None
    assert [readable(size) for size in (5_775_869, 99_173_660, 1_445_157_124)] == ["5.8 MB", "99 MB", "1.4 GB"]
    assert store.is_checkpoint("eomt-ade20k", "segmenter")
    assert not store.is_checkpoint("eomt-ade20k", "depth")
    assert not store.is_checkpoint("eomt-ade20k")


@pytest.mark.weights
@pytest.mark.parametrize("name", [name for name, one in CATALOGUE.items() if one.file])
def test_the_real_files_have_the_registered_hashes_and_sizes(shared: Path, name: str) -> None:
    assert locate(name).stat().st_size == CATALOGUE[name].size


@pytest.mark.parametrize("situation", ["no variable", "no file", "another file"])
def test_a_missing_checkpoint_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, situation: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("RELOOK_MODELS", str(tmp_path))
    if situation == "no variable":
        monkeypatch.delenv("RELOOK_MODELS")
    if situation == "another file":
        (tmp_path / "fastdepth_nyu.onnx").write_bytes(b"something else")
    with pytest.raises(MissingModelError) as caught:
        locate("fastdepth")
    text = str(caught.value)
    assert text.startswith("Expected fastdepth_nyu.onnx")
    assert all(part in text for part in ("5.8 MB", "MIT", "RELOOK_MODELS", "https://", "relook models pull fastdepth"))
    assert "\n" not in text
    assert not is_here("fastdepth")


def test_unknown_name_lists_the_names() -> None:
    with pytest.raises(InputError, match="ade20k, fastdepth, eomt-ade20k, depth-anything-v2-small"):
        locate("clip")
