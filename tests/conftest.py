"""Shared fixtures: small real checkpoints, reproducible draws, few threads."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch and numpy are loaded: every worker of the run has one core

import jaxtyping
import pytest
import torch
from hypothesis import settings

from checking import checked

os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="relook-tests-")  # no model of the user's own plays along
os.environ["HF_HUB_OFFLINE"] = "1"  # and nothing is fetched
MODELS = os.environ.pop("RELOOK_MODELS", None)  # for the tests that ask for them (`shared`)
SHARED = Path(os.environ.get("RELOOK_SHARED", Path(__file__).resolve().parents[2] / "shared"))

jaxtyping.jaxtyped = checked  # before Relook is imported
THREADS = int(os.environ["OMP_NUM_THREADS"])
torch.set_num_threads(THREADS)
settings.register_profile("relook", max_examples=20, deadline=None, derandomize=True)
settings.load_profile("relook")


def pytest_xdist_auto_num_workers() -> int:
    """One worker for each core that this process may use, at most eight: each holds a torch of its own."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@pytest.fixture(autouse=True)
def plain_processor() -> Iterator[None]:
    """What a test, or a library that it calls, leaves for the whole process is taken back before the next test of this worker.

    Training flushes denormal numbers; numba's OpenMP layer gives torch a thread for each core, which makes workers twenty times slower.
    """
    yield
    torch.set_flush_denormal(False)
    torch.set_num_threads(THREADS)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of small real checkpoints and photographs; RELOOK_MODELS points into it for the test."""
    if not (SHARED / "weights").is_dir():
        pytest.skip(f"needs the shared checkpoints, and {SHARED} has none (set RELOOK_SHARED)")
    monkeypatch.setenv("RELOOK_MODELS", MODELS or str(SHARED / "weights"))
    return SHARED


@pytest.fixture
def session() -> Iterator[Any]:
    """A session on the CPU, for this test."""
    from relook.session import Session

    with Session("cpu") as held:
        yield held


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch the tests' shape checks off, to see what a user sees."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of models, and no other."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("RELOOK_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make these checkpoints the whole catalogue."""
    from relook.models import catalogue

    def entered(*entries: Any) -> None:
        monkeypatch.setattr(catalogue, "CATALOGUE", {entry.name: entry for entry in entries})

    return entered
