"""How far a run is: stages with their steps and the seconds left, and a way to stop it between two steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

from relook.errors import CancelledError


@dataclass(frozen=True)
class Step:
    """One report."""

    stage: str
    """What is being done, e.g. `loading`, `perceiving`, `restyling`."""
    done: int
    """Steps of the stage that are finished."""
    total: int
    """Steps of the stage; 0 where nobody knows."""
    seconds_left: float | None
    """Of the stage: as it is expected to take, or at the pace so far; None where nobody knows."""


class Progress:
    """Reports to whoever listens, and raises CancelledError at the next step after `cancel()`, which any thread may call."""

    def __init__(self, listen: Callable[[Step], None] | None = None) -> None:
        """listen: called for every step, in the thread of the run."""
        self._listen = listen
        self._cancelled = Event()
        self._spent, self._expected = 0.0, 0.0

    def cancel(self) -> None:
        """Stop the run at its next step; nothing half written is left."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for its end."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raise CancelledError if the run was cancelled."""
        if self.cancelled:
            raise CancelledError("Expected to finish, got a request to stop; nothing was left half written.")

    @contextmanager
    def stage(self, name: str, total: int = 1, *, expected: float | None = None) -> Iterator[Callable[[int], None]]:
        """Begin a stage; `tick(done)` says how many of its steps are finished. A stage of one step ticks by itself at its end.

        expected: seconds that it takes on a usual machine; this machine and its load are known from the stages before.
        """
        start = time.perf_counter()
        slowness = self._spent / self._expected if self._expected else 1.0
        whole = None if expected is None else expected * slowness

        def tick(done: int) -> None:
            self.check()
            if self._listen is not None:
                spent = time.perf_counter() - start
                pace = spent * (total - done) / done if done and total else None
                left = pace if whole is None or done == total else max(0.0, whole - spent)
                self._listen(Step(name, done, total, left))

        tick(0)
        yield tick
        if total == 1:
            tick(1)
        if expected is not None:
            self._spent, self._expected = self._spent + time.perf_counter() - start, self._expected + expected


SILENT = Progress()
"""Reports to nobody and is never cancelled."""
