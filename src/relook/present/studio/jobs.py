"""Heavy work, one at a time, in a thread of its own: it goes on when the browser's tab is closed, and a new tab finds it again."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from queue import Queue
from threading import Lock, Thread
from typing import Any, Literal

from relook.errors import CancelledError, InputError, RelookError
from relook.progress import Progress, Step

WAITING = 8
"""Jobs that may wait; more are refused."""
REMEMBERED = 64
"""Finished jobs that are remembered."""
State = Literal["waiting", "running", "done", "failed", "stopped"]
NUMBERS = count()
log = logging.getLogger("relook")


@dataclass
class Job:
    """One piece of work of one project."""

    project: str
    title: str
    work: Callable[[Progress], Any]
    out: Path | None = None
    """What it writes."""
    pieces: Callable[[], int] = lambda: 0
    """How many files are there of what can be shown before it is done."""
    number: int = field(default_factory=NUMBERS.__next__)
    state: State = "waiting"
    step: Step | None = None
    said: float = 0.0
    """When the step was reported, by time.monotonic()."""
    began: float = 0.0
    result: Any = None
    error: str = ""
    """One sentence, where it failed."""
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        self.progress = Progress(self._hear)

    @property
    def over(self) -> bool:
        """Whether it is finished, well or not."""
        return self.state in ("done", "failed", "stopped")

    @property
    def come(self) -> str:
        """A word that differs when there is more to show of it than how far it is; once it is over it never stays the same."""
        return f"{self.number} {self.state} {self.pieces()} {time.monotonic() if self.over else ''}"

    @property
    def seconds_left(self) -> float | None:
        """Of the stage, counted down between two reports; None where nobody knows."""
        if self.step is None or self.step.seconds_left is None:
            return None
        return max(0.0, self.step.seconds_left - (time.monotonic() - self.said))

    def _hear(self, step: Step) -> None:
        self.step, self.said = step, time.monotonic()

    def run(self) -> None:
        """Do the work; whatever goes wrong is said in one sentence."""
        if self.over:
            return
        self.state, self.began = "running", time.monotonic()
        try:
            self.progress.check()
            self.result = self.work(self.progress)
            self.state = "done"
        except CancelledError:
            self.state = "stopped"
        except RelookError as error:
            self.error, self.state = str(error), "failed"
        except Exception as error:
            log.exception("a job of the studio failed")
            self.error = (
                f"Expected {self.title} to finish, got an error ({type(error).__name__}: {error}); see the terminal."
            )
            self.state = "failed"


class Jobs:
    """The queue, and the thread that works on it. A project has at most one job that is not over; a newer one takes its place."""

    def __init__(self) -> None:
        self._queue: Queue[Job] = Queue()
        self._latest: OrderedDict[str, Job] = OrderedDict()
        self._lock = Lock()
        Thread(target=self._work, daemon=True, name="relook-studio-jobs").start()

    def start(self, job: Job) -> Job:
        """Put a job into the queue. Raises InputError where too many wait already."""
        with self._lock:
            before = self._latest.get(job.project)
            if before is not None and not before.over:
                self._stop(before)
            if sum(one.state == "waiting" for one in self._latest.values()) >= WAITING:
                raise InputError(
                    f"Expected at most {WAITING} jobs to wait, got one more; try again when some are done."
                )
            self._latest[job.project] = job
            self._latest.move_to_end(job.project)
            for project in [name for name, one in self._latest.items() if one.over][:-REMEMBERED]:
                del self._latest[project]
        self._queue.put(job)
        return job

    def of(self, project: str) -> Job | None:
        """The latest job of a project."""
        return self._latest.get(project)

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        return any(not one.over for one in list(self._latest.values()))

    def ahead(self, job: Job) -> int:
        """How many jobs are before a waiting one."""
        before = 0
        for one in list(self._queue.queue):
            if one is job:
                break
            before += not one.over
        return before + any(one.state == "running" for one in self._latest.values() if one is not job)

    def stop(self, project: str) -> None:
        """Stop a project's job at its next step; nothing half written is left."""
        with self._lock:
            job = self._latest.get(project)
            if job is not None and not job.over:
                self._stop(job)

    @staticmethod
    def _stop(job: Job) -> None:
        job.progress.cancel()
        if job.state == "waiting":
            job.state = "stopped"

    def _work(self) -> None:
        while True:
            self._queue.get().run()
