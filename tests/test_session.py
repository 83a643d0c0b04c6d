"""Sessions own what is loaded; progress reports say how far a run is and stop it."""

from __future__ import annotations

from threading import Event, Thread, current_thread

import pytest
import torch

from relook.errors import CancelledError, InputError
from relook.progress import Progress, Step
from relook.session import Session


def test_something_is_loaded_once_and_released() -> None:
    made: list[str] = []
    with Session("cpu") as session:

        def load() -> object:
            made.append("again")
            return object()

        first = session.loaded("net", load)
        assert session.loaded("net", load) is first
        threads = [Thread(target=session.loaded, args=("other", load)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 2, "threads do not load twice"
        session.release("net")
        assert session.loaded("net", load) is not first
    assert session._loaded == {}, "all is given back at the end"


def test_an_error_while_loading_leaves_nothing() -> None:
    session = Session("cpu")
    with pytest.raises(ZeroDivisionError):
        session.loaded("net", lambda: 1 / 0)
    assert session.loaded("net", lambda: 3) == 3


def test_the_last_answers_are_remembered() -> None:
    asked: list[int] = []
    session = Session("cpu")
    for number in (0, 1, 0, 2, 3, 0, 1):
        assert session.remembered("square", number, lambda n=number: asked.append(n) or n * n, most=3) == number**2
    assert asked == [0, 1, 2, 3, 1], "0 was asked again and again and stayed; 1 had to go"


def test_what_will_be_asked_is_found_beside_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    session, found, begun = Session("cpu"), [], Event()

    def find() -> str:
        found.append(current_thread())
        begun.set()
        return "found"

    def ask() -> str:
        return session.remembered("thing", 1, find)

    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    with session.meanwhile(ask):
        pass
    assert not found, "one core has no use for it"
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    with session.meanwhile(lambda: 1 / 0, ask):
        assert begun.wait(20), "the block and what is beside it run at once, whatever went wrong before"
    assert ask() == "found"
    assert [one is current_thread() for one in found] == [False]


def test_devices_that_are_not_here_are_refused() -> None:
    with pytest.raises(InputError, match="Expected a device that torch has here"):
        Session("cuda:99")
    with pytest.raises(InputError, match="fp16"):
        Session("cpu", "fp16")


def test_progress_says_stage_done_total_and_what_is_left() -> None:
    heard: list[Step] = []
    progress = Progress(heard.append)
    with progress.stage("restyling", 4) as tick:
        for done in range(1, 5):
            tick(done)
    with progress.stage("writing"):
        pass
    assert [(step.stage, step.done, step.total) for step in heard] == [
        *(("restyling", done, 4) for done in range(5)), ("writing", 0, 1), ("writing", 1, 1)
    ]  # fmt: skip
    assert heard[0].seconds_left is None
    assert heard[4].seconds_left == 0
    assert all(step.seconds_left is not None and step.seconds_left >= 0 for step in heard[1:5])


def test_a_cancelled_run_stops_at_its_next_step() -> None:
    progress = Progress(lambda step: progress.cancel() if step.done == 2 else None)
    reached: list[int] = []

    def run() -> None:
        with progress.stage("restyling", 10) as tick:
            for done in range(1, 11):
                reached.append(done)
                tick(done)

    with pytest.raises(CancelledError, match="nothing was left half written"):
        run()
    assert reached == [1, 2, 3]


def test_what_a_stage_is_expected_to_take_follows_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    now, heard = [0.0], list[Step]()
    monkeypatch.setattr("relook.progress.time.perf_counter", lambda: now[0])
    progress = Progress(heard.append)
    with progress.stage("perceiving", 2, expected=4.0) as tick:
        now[0] = 6.0
        tick(1)
        now[0] = 8.0
        tick(2)
    with progress.stage("restyling", expected=3.0):
        now[0] = 9.0
    assert [step.seconds_left for step in heard] == [4, 0, 0, 6, 0], "twice as slow as expected, so is what follows"
