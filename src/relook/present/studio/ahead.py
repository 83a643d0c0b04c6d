"""Work ahead: what the next job will need is loaded and seen in a thread of its own, while no job runs. Nothing waits for it to end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Condition, Thread

from relook.errors import RelookError
from relook.present.studio.jobs import Jobs
from relook.progress import Progress

Work = Callable[[Progress], object]
PAUSE = 4.0
"""Seconds after an answer that somebody waited for until work goes on: the next question often comes at once."""
log = logging.getLogger("relook")


class Ahead:
    """The latest piece of work of every project, one at a time; a newer one of the same project takes its place, a job of anybody ends it.

    It makes way for answers that somebody waits for (`aside`).
    """

    def __init__(self, jobs: Jobs, pause: float = PAUSE) -> None:
        self._jobs, self._pause = jobs, pause
        self._wanted: dict[str, Work] = {}
        self._running: tuple[str, Work, Progress] | None = None
        self._asked, self._quiet = 0, 0.0  # answers that somebody waits for, and until when nothing begins
        self._changed = Condition()
        Thread(target=self._work, daemon=True, name="relook-studio-ahead").start()

    def do(self, project: str, work: Work) -> None:
        """Do this soon. It is ended between two steps, which `Progress` of its argument tells."""
        with self._changed:
            self._wanted.pop(project, None)
            self._wanted[project] = work
            self._quiet = 0.0
            if self._running is not None and self._running[0] in (project, ""):
                self._running[2].cancel()
            self._changed.notify_all()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """While the block runs, and a pause after it, nothing is done: what runs ends at its next step, and is begun again then; it finds what it had found."""
        with self._changed:
            self._asked += 1
            if self._running is not None:
                project, work, progress = self._running
                if not progress.cancelled:
                    progress.cancel()
                    self._wanted.setdefault(project, work)
        try:
            yield
        finally:
            with self._changed:
                self._asked, self._quiet = self._asked - 1, time.monotonic() + self._pause
                self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Until nothing is left to do, at most so long; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._wanted and self._running is None, seconds)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._wanted or self._asked or time.monotonic() < self._quiet:
                    left = self._quiet - time.monotonic()
                    self._changed.wait(left if left > 0 and self._wanted and not self._asked else None)
                project = next(iter(self._wanted))
                work, progress = self._wanted.pop(project), _MakesWay(self._jobs)
                self._running = (project, work, progress)
            try:
                with suppress(RelookError):  # the job will say it
                    work(progress)
            except Exception:
                log.exception("the studio could not work ahead")
            with self._changed:
                self._running = None
                self._changed.notify_all()


class _MakesWay(Progress):
    """Ends work between two steps once a job is there: what is left is for it to do."""

    def __init__(self, jobs: Jobs) -> None:
        super().__init__()
        self._jobs = jobs

    def check(self) -> None:
        """Raise CancelledError if the work was cancelled, or a job waits or runs."""
        if self._jobs.busy:
            self.cancel()
        super().check()
