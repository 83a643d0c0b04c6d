"""First use on a photograph: small networks are fetched once, nobody waits for a server that does not answer, and it is said."""

from __future__ import annotations

import hashlib
import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import torch

import relook
from pulling import WEIGHTS, file_entry
from relook import PhotoConfig, restyle_photo
from relook.errors import MissingModelError
from relook.models import catalogue, store
from relook.models.pulling import pull
from relook.perceive import first_use
from relook.progress import Progress
from relook.session import Session
from relook.types import Segments, View

VIEW = View(torch.rand(3, 24, 32, generator=torch.Generator().manual_seed(0)))
STYLE = View(torch.rand(3, 24, 32, generator=torch.Generator().manual_seed(1)) * 0.3)


@pytest.fixture(autouse=True)
def fresh(models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No models, nothing asked for yet, and the hub switched on."""
    monkeypatch.delenv("HF_HUB_OFFLINE")


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes a request and never answers."""
    with socket.socket() as waiting:
        waiting.bind(("127.0.0.1", 0))
        waiting.listen()
        yield f"http://127.0.0.1:{waiting.getsockname()[1]}/net.onnx"


@pytest.fixture
def serving() -> Iterator[str]:
    """The address of a server that has the weights."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(WEIGHTS)))
            self.end_headers()
            self.wfile.write(WEIGHTS)

        def log_message(self, *arguments: Any) -> None:
            """In silence."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/net.onnx"
    server.shutdown()
    server.server_close()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == logging.WARNING]


def both(url: str) -> list[catalogue.Checkpoint]:
    """The catalogue with the two networks at this address."""
    moved = {name: file_entry(url, name) for name in (first_use.SEGMENTS, first_use.DEPTH)}
    return [*(catalogue.CATALOGUE | moved).values()]


def test_both_are_fetched_with_one_line(
    serving: str, enter: Any, caplog: pytest.LogCaptureFixture, session: Session
) -> None:
    enter(*both(serving))
    heard: list[tuple[str, bool]] = []
    with caplog.at_level(logging.INFO, "relook"):
        progress = Progress(lambda step: heard.append((step.stage, step.done == step.total)))
        found = first_use.first_use(PhotoConfig(), session, VIEW, reads_depth=False, progress=progress)
    assert found == PhotoConfig(), "what is here now is found by `auto`"
    assert [store.is_here(name) for name in (first_use.SEGMENTS, first_use.DEPTH)] == [True, True]
    (line,) = [record.message for record in caplog.records]
    assert line.startswith("fetching ade20k and fastdepth (depth under MIT, depth under MIT; "), (
        "the line says what and under which licence"
    )
    assert {stage for stage, whole in heard if whole} == {"fetching ade20k", "fetching fastdepth"}


def test_a_server_that_never_answers_is_left_alone(
    silent: str, enter: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, session: Session
) -> None:
    waited: list[float | None] = []

    class Noted(Event):
        """One whose waits are short and written down: this module's alone, threads of others wait as well."""

        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout)
            return super().wait(timeout and 0.2)

    monkeypatch.setattr(first_use, "Event", Noted)
    enter(*both(silent))
    found = first_use.first_use(PhotoConfig(), session, VIEW, STYLE)
    assert (found.segmenter, found.depth_estimator) == ("layout", "none")
    assert [seconds for seconds in waited if seconds is not None] == [first_use.PATIENCE], "one wait for both"
    assert first_use.PATIENCE <= 3
    (said,) = warnings(caplog)
    assert "floor, walls and ceiling" in said
    assert "relook models pull ade20k fastdepth" in said
    first_use.first_use(PhotoConfig(), session, VIEW)
    assert warnings(caplog) == [said], "said once, and asked for once"


def test_a_server_that_stops_halfway_is_left_alone(
    serving: str, enter: Any, monkeypatch: pytest.MonkeyPatch, session: Session
) -> None:
    begun: list[str] = []

    def stuck(names: list[str], *, alone: bool, progress: Progress) -> None:
        begun.extend(names)
        with progress.stage("fetching", 1000) as tick:
            tick(10)
            stopped.wait(30)

    stopped = Event()
    monkeypatch.setattr(first_use, "pull", stuck)
    monkeypatch.setattr(first_use, "PATIENCE", 0.1)
    enter(*both(serving))
    found = first_use.first_use(PhotoConfig(), session, VIEW)
    stopped.set()
    assert (found.segmenter, found.depth_estimator) == ("layout", "none")
    assert begun == [first_use.SEGMENTS], "after one that does not come the other is not tried"


def test_offline_nothing_is_fetched_by_anybody(
    serving: str, enter: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, session: Session
) -> None:
    enter(*both(serving))
    monkeypatch.setenv("RELOOK_OFFLINE", "1")
    assert first_use.first_use(PhotoConfig(), session, VIEW).segmenter == "layout"
    (said,) = warnings(caplog)
    assert "offline" in said
    with pytest.raises(MissingModelError, match="leave out --offline and RELOOK_OFFLINE"):
        pull([first_use.SEGMENTS])
    with pytest.raises(MissingModelError, match="leave out --offline and RELOOK_OFFLINE"):
        store.find("owner/name", "a segmenter")
    monkeypatch.setenv("RELOOK_OFFLINE", "0")
    assert [one.fetched for one in pull([first_use.SEGMENTS])] == [True]


def test_nothing_is_asked_offline_or_where_it_is_not_needed(
    serving: str, enter: Any, monkeypatch: pytest.MonkeyPatch, session: Session
) -> None:
    enter(*both(serving))
    known = replace(VIEW, segments=Segments(torch.zeros(24, 32, dtype=torch.int64), {}))
    assert first_use.first_use(PhotoConfig(), session, known, reads_depth=False) == PhotoConfig()
    named = PhotoConfig(segmenter="whole", depth_estimator="none")
    assert first_use.first_use(named, session, VIEW) == named
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert first_use.first_use(PhotoConfig(), session, VIEW).segmenter == "layout"
    assert not any(store.is_here(name) for name in (first_use.SEGMENTS, first_use.DEPTH))


def test_without_a_network_what_has_no_planes_changes_gently(enter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = restyle_photo(VIEW, STYLE)
    whole = restyle_photo(VIEW, STYLE, PhotoConfig(segmenter="whole"))
    gently, wholly = (float((one.image - VIEW.image).abs().mean()) for one in (result, whole))
    assert result.structure.segments is not None
    assert result.structure.segments.names == (), "noise is no room"
    assert 0.05 < gently < 0.8 * wholly
    assert result.record["weights"] == {}, "the embedded networks were not asked"
    assert result.record["configuration"]["segmenter"] == "auto"


def test_the_hashes_of_what_is_fetched_are_pinned() -> None:
    for name in (first_use.SEGMENTS, first_use.DEPTH):
        one = catalogue.entry(name)
        assert one.url.startswith("https://")
        assert len(one.sha256) == len(hashlib.sha256().hexdigest())
        assert one.commercial


@pytest.mark.weights
def test_runtimes_write_nothing_to_the_terminal(shared: Path, session: Session) -> None:
    """INFO lines of TensorFlow Lite come from C++ and pass every Python filter, so a process of its own is asked."""
    code = (
        "import torch; from relook.types import View; from relook.perceive.segment import segmenter; from relook.perceive.depth import estimator\n"
        "from relook.session import Session; view = View(torch.rand(3, 60, 80)); session = Session('cpu')\n"
        "segmenter('ade20k', session)(view); estimator('pydnet', session)(view); estimator('fastdepth', session)(view)"
    )
    environment = {"RELOOK_MODELS": str(shared / "weights"), "PATH": "", "HOME": str(Path.home())}
    environment["PYTHONPATH"] = str(Path(relook.__file__).parents[1])
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, env=environment)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
