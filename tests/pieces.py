"""Pieces of work for the tests of the engine; other processes import them by name."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from relook.errors import InputError


def square(number: int) -> int:
    """The number by itself."""
    return number * number


def threads(_: int) -> tuple[int, int, str | None]:
    """Process, threads of torch, threads of other libraries."""
    import torch

    return os.getpid(), torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")


def refuse(number: int) -> int:
    """An error that is the user's to mend, at number 3."""
    if number == 3:
        raise InputError("Expected any number but 3, got 3; take another.")
    return number


def die_once(place: tuple[str, int]) -> int:
    """Kills its own process on the first attempt at number 1; leaves a file for every piece that was done."""
    folder, number = Path(place[0]), place[1]
    if number == 1 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    with (folder / f"{number}.done").open("a") as file:
        file.write("x")
    return number


def die(_: int) -> int:
    """Never lives."""
    os.kill(os.getpid(), signal.SIGKILL)
    return 0
