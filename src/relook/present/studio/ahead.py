"""Work ahead: what the next job will need is loaded and seen in a thread of its own, while no job runs. Nothing waits for it to end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Thread

from relook.errors import RelookError
from relook.present.studio.jobs import Jobs
from relook.progress import Progress

Work = Callable[[Progress], object]
log = logging.getLogger("relook")


class Ahead:
    """The latest piece of work of every project, one at a time; a newer one of the same project takes its place, a job of anybody ends it."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._wanted: dict[str, Work] = {}
        self._running: tuple[str, Progress] | None = None
        self._changed = Condition()
        Thread(target=self._work, daemon=True, name="relook-studio-ahead").start()

    def do(self, project: str, work: Work) -> None:
        """Do this soon. It is ended between two steps, which `Progress` of its argument tells."""
        with self._changed:
            self._wanted.pop(project, None)
            self._wanted[project] = work
            if self._running is not None and self._running[0] in (project, ""):
                self._running[1].cancel()
            self._changed.notify()

    def wait(self, seconds: float) -> bool:
        """Until nothing is left to do, at most so long; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._wanted and self._running is None, seconds)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._wanted))
                project = next(iter(self._wanted))
                work, progress = self._wanted.pop(project), _MakesWay(self._jobs)
                self._running = (project, progress)
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
