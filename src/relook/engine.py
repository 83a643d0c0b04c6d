"""Many independent pieces of work on every core: a process pool of the standard library, or Ray; results stream as they are ready.

A piece of work is a picklable function of a picklable task and of its process's session; it keeps what it made on disk. So a run that was
stopped goes on, and a piece whose worker was killed is simply done again. (joblib 1.6 would save 30 lines, but one killed worker ends its run,
and its workers still lived half a minute after their parent was killed.)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import Any, Literal, TypeVar

from relook.errors import InputError
from relook.session import Precision, Session

Task = TypeVar("Task")
Result = TypeVar("Result")
Kind = Literal["pool", "ray"]
ATTEMPTS = 3
"""How often workers may die without any piece of work being finished in between."""
Work = Callable[[Task, Session], Result]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
"""What numerical libraries ask when they are loaded."""


@dataclass(frozen=True)
class Engine:
    """Where the work is done."""

    engine: Kind = "pool"
    """`pool`: processes on this machine; `ray`: the cluster of RAY_ADDRESS, or one on this machine (pip install "relook[ray]")."""
    workers: int | None = None
    """Processes; every core is used by one thread of them. Default: one per core on the CPU, one on a GPU. 1 works without processes."""

    def results(
        self, work: Work[Task, Result], tasks: Sequence[Task], session: Session
    ) -> Iterator[tuple[Task, Result]]:
        """Every task with its result, in the order in which they are finished.

        session: what work in this process uses; every other process opens one like it. An error of the work stops all. Raises InputError
        for fewer than one worker, a Ray that is not installed, and workers that are killed again and again (as by a machine that is out
        of memory).
        """
        if self.workers is not None and self.workers < 1:
            raise InputError(f"Expected at least one worker, got {self.workers}; choose more.")
        wanted = self.workers or (cores() if session.device.type == "cpu" else 1)
        workers = max(1, min(wanted, len(tasks)))
        elsewhere = partial(_in_session, work, str(session.device), session.place.precision)
        if self.engine == "ray":
            return _on_ray(elsewhere, tasks, workers)
        return _on_pool(elsewhere, tasks, workers) if workers > 1 else ((task, work(task, session)) for task in tasks)


@cache
def _session(device: str, precision: Precision) -> Session:
    """The one session of a worker; it ends with its process."""
    return Session(device, precision)


def _in_session(work: Work[Task, Result], device: str, precision: Precision, task: Task) -> Result:
    """One piece of work in a worker."""
    return work(task, _session(device, precision))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _on_pool(work: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[tuple[Task, Result]]:
    """Processes of this machine. A killed worker breaks the pool: a new one takes what was not finished."""
    threads = max(1, cores() // workers)
    open_tasks, failures = dict(enumerate(tasks)), 0
    while open_tasks:
        with _environment({name: str(threads) for name in THREADS}), _pool(workers, threads) as pool:
            try:  # a worker may die while the work is still handed out
                running = {pool.submit(work, task): number for number, task in open_tasks.items()}
                for future in as_completed(running):
                    result, failures = future.result(), 0
                    yield open_tasks.pop(running[future]), result
            except BrokenProcessPool as error:
                _terminate(pool)  # one that began while the pool broke would be waited for without end
                failures += 1
                if failures == ATTEMPTS:
                    raise _killed(workers) from error


def _killed(workers: int) -> InputError:
    return InputError(
        f"Expected workers that live, got {ATTEMPTS} that were killed one after another (often for lack of memory); take fewer than "
        f"{workers} with --workers, then run again: what is done is kept."
    )


@contextmanager
def _pool(workers: int, threads: int) -> Iterator[ProcessPoolExecutor]:
    """A pool that is gone at the end, at once after an error or Ctrl-C."""
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (threads,))
    try:
        yield pool
    except BaseException:
        _terminate(pool)
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _terminate(pool: ProcessPoolExecutor) -> None:
    """End all workers, whatever they do."""
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.terminate()


def _begin(threads: int) -> None:
    """A worker: torch's threads; Ctrl-C is the parent's to answer; and it ends when the parent does, however that ends."""
    import signal
    from threading import Thread

    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _on_ray(work: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[tuple[Task, Result]]:
    """Ray's workers, a core for each; tasks whose worker was killed are done again by Ray."""
    try:
        import ray
    except ImportError as error:
        raise InputError('Expected Ray for --engine ray, got none; pip install "relook[ray]".') from error
    started = not ray.is_initialized()
    if started:
        _start_ray(ray, workers)
    try:
        remote: Any = ray.remote(num_cpus=1, max_retries=ATTEMPTS)(_single)
        kept = ray.put(work)
        waiting = iter(tasks)  # a cluster may be larger than `workers`: no more than these are handed out at a time
        running: dict[Any, Task] = {remote.remote(kept, task): task for task in islice(waiting, workers)}
        while running:
            (done, *_), _ = ray.wait(list(running), num_returns=1)
            try:
                yield running.pop(done), ray.get(done)
                running.update({remote.remote(kept, task): task for task in islice(waiting, 1)})
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except ray.exceptions.WorkerCrashedError as error:
                raise _killed(workers) from error
    finally:
        if started:
            ray.shutdown()


def _start_ray(ray: Any, workers: int) -> None:
    """The cluster that RAY_ADDRESS names, or a quiet one here."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "configure_logging": True}
    if os.environ.get("RAY_ADDRESS"):
        ray.init(**quiet)
    else:
        ray.init(num_cpus=workers, include_dashboard=False, **quiet)


def _single(work: Callable[[Task], Result], task: Task) -> Result:
    """One piece of work on one thread."""
    import torch

    torch.set_num_threads(1)
    return work(task)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the processes that are started inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
