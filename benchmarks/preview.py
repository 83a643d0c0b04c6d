"""From `relook photo ... --preview` to the preview, stage by stage, in a process of its own every time; two versions in turn.

    RELOOK_MODELS=FOLDER python benchmarks/preview.py ROOM.jpg LOOK.jpg --repeats 5 --against ../other/src

Without RELOOK_MODELS, and with RELOOK_OFFLINE=1, the room's lines alone give the regions. Beside the clock's seconds stand those of the cores, which a busy machine
changes less.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ONCE = "--once"
STAGES = ("start and read", "perceiving", "matching", "restyling", "materials", "write")
SOURCE = Path(__file__).parents[1] / "src"
Moment = tuple[float, float]
"""Seconds of the clock and of the cores since the process began."""


def once(room: str, look: str, out: str) -> None:
    """The command line in this process; when each stage of the preview ends, as JSON. Ends the process."""
    began, ends = time.perf_counter(), {}

    def mark(stage: str) -> None:
        spent = os.times()
        ends[stage] = (time.perf_counter() - began, spent.user + spent.system)

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "is a preview" in record.getMessage():
                mark("write")
                os.write(1, json.dumps(ends).encode() + b"\n")
                os._exit(0)

    from relook.present import cli, photo
    from relook.progress import Progress, Step

    def listen(step: Step) -> None:
        if step.stage == STAGES[1] and STAGES[0] not in ends:
            mark(STAGES[0])
        if step.done == step.total:
            mark(step.stage)

    @contextmanager
    def heard() -> Iterator[Progress]:
        yield Progress(listen)

    photo.drawn = heard
    cli.speak = lambda: logging.getLogger("relook").setLevel(logging.INFO)  # type: ignore[assignment]
    logging.getLogger("relook").addHandler(Heard())
    sys.exit(cli.main(["photo", room, "--style", look, "--preview", "--out", out]))


def spent(ends: Mapping[str, Moment]) -> dict[str, Moment]:
    """What every stage took, and all of them."""
    times = [(0.0, 0.0)]
    for stage in STAGES:  # a draft has no materials
        times.append(tuple(ends.get(stage, times[-1])))
    stages = {
        name: (after[0] - before[0], after[1] - before[1])
        for name, before, after in zip(STAGES, times, times[1:], strict=False)
    }
    return {**stages, "whole": (times[-1][0], times[-1][1])}


def timed(source: Path, words: Sequence[str], threads: int) -> dict[str, Moment]:
    """One run of one version."""
    environment = {**os.environ, "PYTHONPATH": str(source.resolve()), "OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, ONCE, *words, str(Path(folder) / "new.png")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return spent(json.loads(done.stdout.splitlines()[-1]))


def rows(found: Mapping[str, Sequence[Mapping[str, Moment]]]) -> list[list[str]]:
    """Medians of every stage: of each version seconds, cores' seconds and share of them."""
    result = []
    for stage in (*STAGES, "whole"):
        row = [stage]
        for runs in found.values():
            clock, cores = (statistics.median(run[stage][number] for run in runs) for number in (0, 1))
            row += [
                f"{clock:.1f}",
                f"{cores:.1f}",
                f"{100 * cores / statistics.median(run['whole'][1] for run in runs):.0f} %",
            ]
        result.append(row)
    return result


def main() -> None:
    """Every version, one after another in every round."""
    from common import parser, say, table, where

    options = parser(__doc__ or "", repeats=3)
    options.add_argument("room", type=Path)
    options.add_argument("look", type=Path)
    options.add_argument("--against", type=Path, help="the folder src of another version")
    asked = options.parse_args()
    versions = {"before": asked.against, "now": SOURCE} if asked.against else {"now": SOURCE}
    found: dict[str, list[Any]] = {name: [] for name in versions}
    for _ in range(asked.repeats):
        for name, source in versions.items():
            found[name].append(timed(source, (str(asked.room), str(asked.look)), asked.threads))
    head = ["stage", *(f"{name}: {what}" for name in versions for what in ("clock, s", "cores, s", "share"))]
    lead = f"Whole processes until the preview of 512 pixels, medians of {asked.repeats}, {where('cpu', asked.threads)}"
    say(f"{lead}\n\n{table(head, rows(found))}", asked.out)


if __name__ == "__main__":
    if sys.argv[1:2] == [ONCE]:
        once(*sys.argv[2:5])
    else:
        main()
