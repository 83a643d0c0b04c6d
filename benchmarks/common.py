"""What the benchmarks share: options, clocks, peak memory, tables."""

from __future__ import annotations

import argparse
import ctypes
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from rich.console import Console

from relook.progress import Step

Answer = TypeVar("Answer")
Clock = Callable[[], float]
"""Seconds since some moment."""
Record = dict[str, Any]
"""What was measured of one thing: words and numbers under the names of their columns; None where there is nothing to say."""


@dataclass(frozen=True)
class Timed(Generic[Answer]):
    """What was seen of something that ran several times."""

    seconds: float
    """The median."""
    answer: Answer
    """The last."""


def seconds(run: Callable[[], Answer], device: str = "cpu", clock: Clock = time.perf_counter) -> tuple[float, Answer]:
    """How long one run takes, the device's own work included, and what it gives."""
    began = clock()
    answer = run()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
    return clock() - began, answer


def rounds(
    runs: Mapping[str, Callable[[], Answer]], repeats: int, device: str = "cpu", clock: Clock = time.perf_counter
) -> dict[str, Timed[Answer]]:
    """Every run timed one after another in every round: what slows the machine for a while slows all of them."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    answers: dict[str, Answer] = {}
    for _ in range(repeats):
        for name, run in runs.items():
            time, answers[name] = seconds(run, device, clock)
            times[name].append(time)
    return {name: Timed(statistics.median(times[name]), answers[name]) for name in runs}


def peak(run: Callable[[], Any], device: str = "cpu") -> tuple[float, float]:
    """MiB in use before a run, and at its height: of the device's allocator, or of the process on Linux (resident memory)."""
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return before / 2**20, torch.cuda.max_memory_allocated() / 2**20
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)  # what was freed and kept would serve the run unseen
    Path("/proc/self/clear_refs").write_text("5")
    before = _kilobytes("VmRSS")
    run()
    return before / 2**10, _kilobytes("VmHWM") / 2**10


def _kilobytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


class Stages:
    """Seconds of every stage of a run, by what it reports."""

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self.clock = clock
        self.seconds: dict[str, float] = {}
        self._began: dict[str, float] = {}

    def listen(self, step: Step) -> None:
        """Take one report."""
        now = self.clock()
        began = self._began.setdefault(step.stage, now)
        self.seconds[step.stage] = now - began


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """Markdown; the first columns (`words` of them) left, numbers right."""
    first, *rest = (f"| {' | '.join(line)} |" for line in (columns, *rows))
    rule = "|" + "---|" * words + "---:|" * (len(columns) - words)
    return "\n".join([first, rule, *rest])


def tabulated(records: Sequence[Record]) -> str:
    """Records as a table in markdown; columns of words come first, and to the left."""
    columns = dict.fromkeys(name for record in records for name in record)
    words = [name for name in columns if any(isinstance(record.get(name), str) for record in records)]
    ordered = [*words, *(name for name in columns if name not in words)]
    return table(ordered, [[shown(record.get(name)) for name in ordered] for record in records], words=len(words))


def shown(value: str | float | None) -> str:
    """Three digits of a number, and all of those before the point."""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return "" if value is None else str(value)


def parser(about: str, *, repeats: int) -> argparse.ArgumentParser:
    """The options that every benchmark has; `about` is its docstring."""
    options = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, help="write the table to this markdown file as well")
    options.add_argument("--repeats", type=int, default=repeats, help="rounds; the table gives medians")
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    options.add_argument("--device", default="cpu", help="cpu or cuda")
    return options


def where(device: str, threads: int) -> str:
    """The machine in a few words."""
    name = torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else f"{threads} threads"
    return f"{name}, torch {torch.__version__}"


def say(text: str, out: Path | None = None) -> None:
    """Show the text, and write it where that is wanted."""
    Console(highlight=False, soft_wrap=True).print(text, markup=False)
    if out is not None:
        out.write_text(text + "\n")
