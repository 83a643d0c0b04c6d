"""Pulling single files from a real web server on this machine, verifying, finding and removing them."""

from __future__ import annotations

import errno
import gc
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from pulling import WEIGHTS, FakeHub, everything, file_entry, hub_entry, hub_with_seer
from relook.errors import CancelledError, InputError, MissingModelError
from relook.models import pulling, store
from relook.progress import Progress, Step

pytestmark = pytest.mark.usefixtures("models_folder")


class Server(ThreadingHTTPServer):
    """Serves `content` at every path, or less of it than it promises."""

    daemon_threads, block_on_close = True, False  # a client that was interrupted leaves its answer half read
    content: bytes = WEIGHTS
    sent: int | None = None
    status: int = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/tiny.onnx"


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content[: self.server.sent])

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answer) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()
    with warnings.catch_warnings():  # pooch leaves the socket of a broken answer to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    found = hub_with_seer()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", found)
    return found


def test_a_file_comes_whole_is_found_verified_and_removed(server: Server, enter: Any, models_folder: Path) -> None:
    enter(file_entry(server.url))
    seen: list[Step] = []
    (pulled,) = pulling.pull(["tiny"], progress=Progress(seen.append))
    assert pulled.fetched
    assert pulled.path.read_bytes() == WEIGHTS
    assert (seen[-1].stage, seen[-1].done, seen[-1].total) == ("fetching tiny", len(WEIGHTS), len(WEIGHTS))
    assert store.locate("tiny") == pulled.path == store.locate("tiny")
    assert everything(models_folder) == {"tiny.onnx", ".relook/tiny.json"}
    assert [check.state for check in pulling.verify()] == ["right"]
    assert not pulling.pull(["tiny"])[0].fetched, "it is here already"
    assert pulling.remove("tiny") == [models_folder / "tiny.onnx"]
    assert everything(models_folder) == set()
    assert not store.is_here("tiny")


def test_without_the_variable_files_lie_in_the_users_cache(
    server: Server, enter: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(file_entry(server.url))
    monkeypatch.delenv("RELOOK_MODELS")
    pulling.pull(["tiny"])
    place = tmp_path / "cache/relook/models/tiny.onnx"
    assert store.locate("tiny") == place
    monkeypatch.setenv("RELOOK_MODELS", str(tmp_path / "models"))
    assert store.locate("tiny") == place, "the cache is searched beside the folder of the variable"


@pytest.mark.parametrize("fault", ["other content", "cut off", "not there", "no server"])
def test_whatever_goes_wrong_with_a_file_is_one_sentence_and_leaves_nothing(
    server: Server, enter: Any, models_folder: Path, fault: str
) -> None:
    url = server.url
    if fault == "other content":
        server.content = b"a page that asks you to log in"
    elif fault == "cut off":
        server.sent = 1000
    elif fault == "not there":
        server.status = 404
    elif fault == "no server":
        url = "http://127.0.0.1:9/tiny.onnx"
    enter(file_entry(url))
    with pytest.raises(MissingModelError, match=r"^Expected [^\n]*, got [^\n]*; [^\n]*$") as caught:
        pulling.pull(["tiny"])
    words = {
        "other content": "another content",
        "cut off": "whole answer",
        "not there": "status 404",
        "no server": "no answer",
    }
    assert words[fault] in str(caught.value)
    assert everything(models_folder) == set()
    assert not store.is_here("tiny")


def test_ctrl_c_leaves_nothing_half_written(server: Server, enter: Any, models_folder: Path) -> None:
    enter(file_entry(server.url))

    def interrupt(step: Step) -> None:
        if step.done > step.total // 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pulling.pull(["tiny"], progress=Progress(interrupt))
    assert everything(models_folder) == set()


def test_a_cancelled_pull_leaves_nothing(server: Server, enter: Any, models_folder: Path) -> None:
    enter(file_entry(server.url))
    progress = Progress(lambda step: progress.cancel() if step.done else None)
    with pytest.raises(CancelledError):
        pulling.pull(["tiny"], progress=progress)
    assert everything(models_folder) == set()


def test_a_full_disk_is_said(
    server: Server, enter: Any, models_folder: Path, fake: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(file_entry(server.url), hub_entry())

    def full(step: Step) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(MissingModelError, match="got an error \\(No space left on device\\); free space"):
        pulling.pull(["tiny"], progress=Progress(full))
    fake.broken["model.safetensors"] = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(MissingModelError, match="No space left on device"):
        pulling.pull(["seer"])
    assert not store.is_here("seer")
    monkeypatch.setattr(pulling.shutil, "disk_usage", lambda _: type("Disk", (), {"free": 100})())
    with pytest.raises(MissingModelError, match=r"Expected 0\.8 MB of free space .* got 0\.0 MB"):
        pulling.pull(["tiny"])


def test_a_file_without_a_direct_source_says_where_to_get_it(enter: Any) -> None:
    enter(file_entry("", obtain="its authors publish a pickle; convert that"))
    with pytest.raises(MissingModelError, match=r"https://a\.page.*pickle; convert that, and put it as tiny\.onnx in"):
        pulling.pull(["tiny"])


def test_another_file_of_that_name_is_neither_overwritten_nor_removed(
    server: Server, enter: Any, models_folder: Path, fake: FakeHub
) -> None:
    enter(file_entry(server.url), hub_entry())
    models_folder.mkdir()
    (models_folder / "tiny.onnx").write_bytes(b"mine")
    with pytest.raises(InputError, match="did not put there; move it away"):
        pulling.pull(["tiny"])
    assert (models_folder / "tiny.onnx").read_bytes() == b"mine"
    (own := models_folder / "someone/seer").mkdir(parents=True)
    (own / "config.json").write_text("{}")
    (own / "model.safetensors").write_bytes(b"mine")
    assert not pulling.pull(["seer"])[0].fetched, "a folder that is there is used"
    for name in ("tiny", "seer"):
        with pytest.raises(InputError, match=f"Expected {name} as Relook pulled it"):
            pulling.remove(name)
    assert (own / "model.safetensors").read_bytes() == b"mine"
