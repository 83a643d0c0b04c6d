"""The process pool and Ray: every piece of work done once, in any order, also when workers are killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import pytest

import pieces
from relook import engine
from relook.engine import Engine, cores
from relook.errors import InputError
from relook.session import Session

HERE = Session("cpu")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that are copies of one process which has loaded all before: where they come from is not what is looked at."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["relook.session", "pieces"])
    monkeypatch.setattr("relook.engine.get_context", lambda kind: context)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_comes_back_with_its_result(workers: int) -> None:
    found = dict(Engine(workers=workers).results(pieces.square, range(7), HERE))
    assert found == {number: number**2 for number in range(7)}
    assert list(Engine(workers=workers).results(pieces.square, [], HERE)) == []


def test_workers_share_the_cores_and_leave_this_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setattr("relook.engine.cores", lambda: 6)
    found = [result for _, result in Engine(workers=2).results(pieces.threads, range(4), HERE)]
    assert all((torch_threads, others) == (3, {"3"}) for _, torch_threads, others in found)
    sessions = {session for session, *_ in found}
    assert os.getpid() not in {process for process, _ in sessions}
    assert len(sessions) == len({process for process, _ in sessions})  # one for each worker
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert cores() >= 1


@pytest.mark.usefixtures("quick")
def test_an_error_of_the_work_stops_all_and_is_told() -> None:
    with pytest.raises(InputError, match="any number but 3"):
        list(Engine(workers=2).results(pieces.refuse, range(50), HERE))


@pytest.mark.usefixtures("quick")
def test_results_stream(tmp_path: Path) -> None:
    """The first result is there while the second piece of work waits to hear that it is."""
    results = Engine(workers=2).results(pieces.wait_after_first, [(str(tmp_path), number) for number in range(2)], HERE)
    _, number = next(results)
    assert number == 0
    (tmp_path / "heard").touch()
    assert [number for _, number in results] == [1]


@pytest.mark.usefixtures("quick")
def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    tasks = [(str(tmp_path), number) for number in range(6)]
    found = [result for _, result in Engine(workers=2).results(pieces.die_once, tasks, HERE)]
    assert sorted(found) == list(range(6))
    assert (tmp_path / "died").exists()


@pytest.mark.usefixtures("quick")
def test_a_worker_that_dies_while_work_is_handed_out_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, pools = engine._pool, []

    def broken(*_: object) -> None:
        raise BrokenProcessPool("a worker died")

    @contextmanager
    def first_broken(workers: int, threads: int) -> Iterator[object]:
        with plain(workers, threads) as pool:
            if not pools:
                monkeypatch.setattr(pool, "submit", broken)
            pools.append(pool)
            yield pool

    monkeypatch.setattr(engine, "_pool", first_broken)
    assert dict(Engine(workers=2).results(pieces.square, range(3), HERE)) == {0: 0, 1: 1, 2: 4}
    assert len(pools) == 2


@pytest.mark.usefixtures("quick")
def test_a_worker_that_began_while_its_pool_broke_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard library ends those that it knew of, and waits for the late one too, which nobody tells to end (seen once: a run stood still)."""
    plain, late = engine._pool, []

    @contextmanager
    def broken(workers: int, threads: int) -> Iterator[object]:
        with plain(workers, threads) as pool:
            if not late:
                late.append(multiprocessing.get_context("forkserver").Process(target=time.sleep, args=(60,)))
                late[0].start()

                def begins(*_: object) -> None:
                    pool._processes[late[0].pid] = late[0]
                    raise BrokenProcessPool("a worker died")

                monkeypatch.setattr(pool, "submit", begins)
            yield pool

    monkeypatch.setattr(engine, "_pool", broken)
    try:
        assert dict(Engine(workers=2).results(pieces.square, range(3), HERE)) == {0: 0, 1: 1, 2: 4}
        late[0].join(20)
        assert late[0].exitcode == -signal.SIGTERM
    finally:
        late[0].kill()


@pytest.mark.usefixtures("quick")
def test_workers_that_are_killed_again_and_again_are_given_up() -> None:
    with pytest.raises(InputError, match="fewer than 2"):
        list(Engine(workers=2).results(pieces.die, range(4), HERE))


def test_impossible_engines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="at least one worker"):
        Engine(workers=0).results(pieces.square, [1], HERE)
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(InputError, match=r"relook\[ray\]"):
        list(Engine("ray", workers=1).results(pieces.square, [1], HERE))


@pytest.mark.filterwarnings("ignore")
def test_ray_does_the_same_and_outlives_a_killed_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers of a cluster on this machine, one of which is killed; the cluster is one that was there before."""
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    tasks = [(str(tmp_path), number) for number in range(6)]
    paths = os.pathsep.join(filter(None, (str(Path(pieces.__file__).parent), os.environ.get("PYTHONPATH"))))
    environment = {"env_vars": {"PYTHONPATH": paths}}  # a worker of pytest-xdist hands its own paths on to nobody
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=environment)
    try:
        found = [result for _, result in Engine("ray", workers=2).results(pieces.die_once, tasks, HERE)]
        assert sorted(found) == list(range(6))
        assert (tmp_path / "died").exists()
        with pytest.raises(InputError, match="any number but 3"):
            list(Engine("ray", workers=2).results(pieces.refuse, range(5), HERE))
        assert ray.is_initialized()
    finally:
        ray.shutdown()
