"""Pulling repositories from a hub of files, verifying, finding and removing them; their names in perception."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors

from pulling import PIN, WEIGHTS, FakeHub, everything, hub_entry, hub_with_seer, sha
from relook.errors import InputError, MissingModelError
from relook.models import catalogue, fetch, pulling, store
from relook.perceive.depth import ESTIMATORS
from relook.perceive.segment import SEGMENTERS
from relook.progress import Progress, Step

pytestmark = pytest.mark.usefixtures("models_folder")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    found = hub_with_seer()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", found)
    return found


def test_a_repository_comes_at_its_pin_without_pickles_and_leaves_without_trace(
    fake: FakeHub, enter: Any, models_folder: Path
) -> None:
    enter(hub_entry(hashes={"model.safetensors": sha(WEIGHTS)}))
    seen: list[Step] = []
    (pulled,) = pulling.pull(["seer"], progress=Progress(seen.append))
    assert fake.asked == [("someone/seer", PIN)]
    assert (seen[-1].stage, seen[-1].done, seen[-1].total) == ("fetching seer", 4000, 4000)
    assert everything(models_folder) == {
        "someone/seer/config.json",
        "someone/seer/model.safetensors",
        ".relook/seer.json",
    }
    found = pulling.lock_of(catalogue.entry("seer"))
    assert found is not None
    assert found[1].revision == PIN
    assert found[1].files == {"config.json": sha(b"{}"), "model.safetensors": sha(WEIGHTS)}
    assert store.find("seer", "the depth model") == store.find("someone/seer", "it") == pulled.path
    assert store.obtain(catalogue.entry("seer")) == pulled.path
    assert pulling.remove("seer")
    assert everything(models_folder) == set()
    assert not (models_folder / "someone").exists()


def test_an_interrupted_pull_is_taken_up_and_counts_as_nothing_until_then(
    fake: FakeHub, enter: Any, models_folder: Path
) -> None:
    enter(hub_entry())
    fake.broken["model.safetensors"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        pulling.pull(["seer"])
    assert not store.is_here("seer")
    assert not (models_folder / "someone").exists()
    kept = models_folder / ".relook/pulling/seer/config.json"
    kept.write_bytes(b"{ }")  # so that one sees that it is not fetched again
    fake.broken.clear()
    (pulled,) = pulling.pull(["seer"])
    assert (pulled.path / "config.json").read_bytes() == b"{ }"
    assert not (models_folder / ".relook/pulling").exists()


def gate(status: int) -> Any:
    import httpx2

    request = httpx2.Request("GET", "https://huggingface.co")
    return httpx2.Response(status, request=request)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            lambda: errors.LocalEntryNotFoundError("offline"),
            "check the connection and get it with `relook models pull seer`",
        ),
        (
            lambda: errors.GatedRepoError("gate", response=gate(403)),
            "accept its terms at https://huggingface.co/someone/seer",
        ),
        (lambda: errors.RevisionNotFoundError("gone", response=gate(404)), "name another model or revision"),
        (lambda: ConnectionError("reset"), "check the connection"),
    ],
)
def test_what_the_hub_answers_is_one_sentence(
    fake: FakeHub, enter: Any, models_folder: Path, fault: Any, words: str
) -> None:
    enter(hub_entry())
    fake.broken["config.json"] = fault()
    with pytest.raises(MissingModelError, match=r"^Expected [^\n]*, got [^\n]*; [^\n]*$") as caught:
        pulling.pull(["seer"])
    assert words in str(caught.value)
    assert not store.is_here("seer")


def test_other_weights_than_are_known_are_refused(fake: FakeHub, enter: Any, models_folder: Path) -> None:
    enter(hub_entry(hashes={"model.safetensors": "f" * 64}))
    with pytest.raises(MissingModelError, match="SHA-256 ffffffffffff"):
        pulling.pull(["seer"])
    assert not store.is_here("seer")
    assert "model.safetensors" not in {Path(name).name for name in everything(models_folder)}


def test_a_repository_with_pickles_alone_is_refused_and_another_revision_can_be_named(
    fake: FakeHub, enter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(hub_entry())
    files = fake.repositories["someone/seer"]
    del files["model.safetensors"]
    with pytest.raises(MissingModelError, match=r"reads no pickles.*pull seer with --alone --revision refs/pr/N"):
        pulling.pull(["seer"])
    files["model.safetensors"] = WEIGHTS
    commit = "f" * 40
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **options: type("Model", (), {"sha": commit})())
    pulling.pull(["seer"], alone=True, revision="refs/pr/1")
    assert fake.asked[-1] == ("someone/seer", commit)
    assert pulling.lock_of(catalogue.entry("seer"))[1].revision == commit  # type: ignore[index]


def test_half_precision_is_fetched_where_it_is_published(fake: FakeHub, enter: Any, models_folder: Path) -> None:
    patterns = ("unet/config.json", "unet/*model.safetensors", "unet/*index.json")
    enter(
        hub_entry(patterns=patterns, needs=("unet/*.safetensors",), half=2000, along=("whole",)),
        hub_entry("whole", patterns=("config.json", "*model.safetensors")),
    )
    fake.repositories["someone/seer"] = {
        "unet/config.json": b"{}",
        "unet/diffusion_pytorch_model.safetensors": WEIGHTS,
        "unet/diffusion_pytorch_model.fp16.safetensors": WEIGHTS[::2],
    }
    fake.repositories["someone/whole"] = {"config.json": b"{}", "model.safetensors": WEIGHTS}
    assert [one.entry.name for one in pulling.pull(["seer"], half=True)] == ["seer", "whole"]
    assert (models_folder / "someone/seer/unet/diffusion_pytorch_model.fp16.safetensors").read_bytes() == WEIGHTS[::2]
    assert not (models_folder / "someone/seer/unet/diffusion_pytorch_model.safetensors").exists()
    assert (models_folder / "someone/whole/model.safetensors").is_file()


@pytest.mark.parametrize(
    ("pattern", "half"),
    [
        ("unet/*model-0*.safetensors", "unet/*model.fp16-0*.safetensors"),
        ("vae/*model.safetensors", "vae/*model.fp16.safetensors"),
        ("unet/*index.json", "unet/*index.fp16.json"),
        ("model_index.json", "model_index.json"),
        ("vae/config.json", "vae/config.json"),
    ],
)
def test_only_weights_have_a_variant_in_half_precision(pattern: str, half: str) -> None:
    assert fetch.variant(pattern) == half


def test_what_a_pull_of_an_older_version_left_is_found_verified_and_removed(enter: Any, models_folder: Path) -> None:
    """Its folder and lock, byte for byte in the format of version 0.1."""
    enter(hub_entry())
    place = models_folder / "someone/seer"
    place.mkdir(parents=True)
    (place / "config.json").write_bytes(b"{}")
    (place / "model.safetensors").write_bytes(WEIGHTS)
    files = f'{{"config.json": "{sha(b"{}")}", "model.safetensors": "{sha(WEIGHTS)}"}}'
    lock = f'{{"name": "seer", "source": "someone/seer", "revision": "{PIN}", "place": "someone/seer", "half": false, "files": {files}}}'
    (models_folder / ".relook").mkdir()
    (models_folder / ".relook/seer.json").write_text(lock)
    assert store.locate("seer") == place
    assert [check.state for check in pulling.verify()] == ["right"]
    assert len(pulling.remove("seer")) == 2
    assert everything(models_folder) == set()


def test_a_model_that_is_named_is_fetched_into_the_hubs_cache_at_its_pin(
    enter: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None]] = []

    def hub(repository: str, *, revision: str | None, allow_patterns: list[str], local_files_only: bool = False) -> str:
        if local_files_only:
            raise errors.LocalEntryNotFoundError("not in the cache")
        asked.append((repository, revision))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    enter(hub_entry())
    assert store.find("seer", "the depth model") == store.find("someone/other", "the depth model") == tmp_path
    assert asked == [("someone/seer", PIN), ("someone/other", None)]

    def full(*_: Any, local_files_only: bool = False, **__: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", full)
    with pytest.raises(MissingModelError, match=r"No space left on device\); free space or set HF_HOME"):
        store.find("someone/other", "the depth model")


def test_models_of_one_repository_share_their_files(fake: FakeHub, enter: Any, models_folder: Path) -> None:
    needs = {name: (f"{name}.safetensors", "encoder/model.safetensors") for name in ("one", "two")}
    enter(*(hub_entry(name, repository="someone/both", patterns=files, needs=files) for name, files in needs.items()))
    fake.repositories["someone/both"] = {
        "one.safetensors": b"1",
        "two.safetensors": b"2",
        "encoder/model.safetensors": WEIGHTS,
    }
    pulling.pull(["one"])
    assert not store.is_here("two")
    pulling.pull(["two"])
    assert pulling.remove("one") == [models_folder / "someone/both/one.safetensors"]
    assert [check.state for check in pulling.verify(["two"])] == ["right"]
    assert len(pulling.remove("two")) == 2
    assert everything(models_folder) == set()


def test_a_licence_against_commercial_use_wants_a_flag(fake: FakeHub, enter: Any, models_folder: Path) -> None:
    closed = hub_entry(commercial=False, licence="CC-BY-NC-4.0", licence_url="https://a.licence")
    enter(closed, hub_entry("friend", along=("seer",)))
    fake.repositories["someone/friend"] = fake.repositories["someone/seer"]
    for name in ("seer", "friend"):
        with pytest.raises(InputError, match=r"--accept-licence for seer \(CC-BY-NC-4\.0, https://a\.licence\)"):
            pulling.pull([name])
    with pytest.raises(MissingModelError, match="relook models pull seer --accept-licence"):
        store.find("someone/seer", "the depth model")
    assert fake.asked == []
    pulling.pull(["friend"], accept_licence=True)
    assert store.is_here("seer")
    assert not pulling.pull(["seer"])[0].fetched, "what is here asks for nothing"


def test_verify_finds_a_flipped_byte_and_a_lost_file_and_remove_refuses_what_was_changed(
    fake: FakeHub, enter: Any, models_folder: Path
) -> None:
    enter(hub_entry(), hub_entry("absent"))
    pulling.pull(["seer"])
    assert [(check.entry.name, check.state) for check in pulling.verify()] == [("seer", "right")]
    weights = models_folder / "someone/seer/model.safetensors"
    changed = bytearray(WEIGHTS)
    changed[1234] ^= 1
    weights.write_bytes(changed)
    (check,) = pulling.verify(["seer"])
    assert check.state == "wrong"
    assert str(weights) in check.detail
    with pytest.raises(InputError, match="got another content"):
        pulling.remove("seer")
    assert weights.is_file()
    weights.unlink()
    assert pulling.verify(["seer"])[0].state == "wrong"
    assert pulling.verify(["absent"])[0].state == "missing"


def test_unknown_names_are_refused(enter: Any) -> None:
    enter(hub_entry())
    for call in (
        lambda: pulling.pull(["sear"]),
        lambda: pulling.verify(["sear"]),
        lambda: store.locate("sear"),
        lambda: pulling.remove("sear"),
    ):
        with pytest.raises(InputError, match="a model out of seer, got 'sear'"):
            call()
    with pytest.raises(InputError, match="name of a model to pull"):
        pulling.pull([])


# The names in perception


def test_registered_names_are_estimators_and_segmenters_and_auto_takes_them_first(
    models_folder: Path, fake: FakeHub
) -> None:
    assert ESTIMATORS.chosen("auto") != "depth-anything-v2-small"
    assert SEGMENTERS.chosen("auto") not in ("eomt-ade20k", "oneformer-ade20k")
    for name, table in (
        ("depth-anything-v2-small", ESTIMATORS), ("oneformer-ade20k", SEGMENTERS), ("eomt-ade20k", SEGMENTERS)
    ):  # fmt: skip
        one = catalogue.entry(name)
        fake.repositories[one.repository] = {"config.json": b"{}", "model.safetensors": b"no weights"}
        place = models_folder / one.repository
        place.mkdir(parents=True)
        (place / "config.json").write_text("{}")
        assert table.chosen("auto") != name, "a folder without weights does not count"
        (place / "model.safetensors").write_bytes(b"no weights")
        assert table.chosen("auto") == name
        assert list(table.revisions("auto")) == [f"{table.question} {name}"]
    with pytest.raises(InputError, match="relook models list"):
        ESTIMATORS.entry("oneformer-ade20k")
