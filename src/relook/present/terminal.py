"""What a run says on the terminal: results on standard output; lines, bars and errors on standard error."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

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
    from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Left(ProgressColumn):
        """Seconds left, counted down between two reports."""

        def render(self, task: Task) -> Text:
            left, said = task.fields["left"]
            return Text("" if left is None else f"{max(0.0, left - (monotonic() - said)):.0f} s left")

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[steps]}"), Left())
    with Bars(*columns, console=ERR, transient=True, disable=not ERR.is_terminal) as bars:
        bar = bars.add_task("starting", total=None, steps="", left=(None, 0.0))

        def draw(step: Step) -> None:
            count = f"{step.done}/{step.total}"
            if step.total >= MEGABYTE:
                count = f"{step.done / MEGABYTE:.1f}/{step.total / MEGABYTE:.1f} MB"
            bars.update(
                bar, description=step.stage, completed=step.done, total=step.total or None,
                steps=count if step.total > 1 else "", left=(step.seconds_left, monotonic()),
            )  # fmt: skip

        yield Progress(draw if ERR.is_terminal else None)
