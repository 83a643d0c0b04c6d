"""What a run says on the terminal: results on standard output; lines, bars and errors on standard error."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from relook.progress import Progress, Step

OUT, ERR = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)
MEGABYTE = 10**6
"""Stages of more steps than this count bytes."""


def speak() -> None:
    """What a run has to say besides its result goes to standard error, a line each."""

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            ERR.print(f"relook: {record.getMessage()}", markup=False)

    log = logging.getLogger("relook")
    log.handlers = [Lines(logging.INFO)]
    log.setLevel(logging.INFO)


@contextmanager
def drawn() -> Iterator[Progress]:
    """Progress that is drawn as a bar on standard error while the block runs: stage, steps, seconds left; silent where it is no terminal."""
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[steps]}"))
    with Bars(*columns, console=ERR, transient=True, disable=not ERR.is_terminal) as bars:
        bar = bars.add_task("starting", total=None, steps="")

        def draw(step: Step) -> None:
            left = "" if step.seconds_left is None else f", {step.seconds_left:.0f} s left"
            count = f"{step.done}/{step.total}"
            if step.total >= MEGABYTE:
                count = f"{step.done / MEGABYTE:.1f}/{step.total / MEGABYTE:.1f} MB"
            steps = count + left if step.total > 1 else ""
            bars.update(bar, description=step.stage, completed=step.done, total=step.total or None, steps=steps)

        yield Progress(draw if ERR.is_terminal else None)
