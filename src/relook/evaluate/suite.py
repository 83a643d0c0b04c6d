"""Photo suites: rows x pairs. Paint, measure, keep everything on disk so that a stopped run goes on, and give tidy records."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from relook import cache
from relook.errors import InputError, MissingModelError, RelookError
from relook.evaluate.engine import Engine
from relook.evaluate.instruments import Instruments, revision
from relook.evaluate.measure import Measure, features, measure, realism
from relook.evaluate.methods.rows import PhotoRow, Setting
from relook.evaluate.records import EVERY, WHOLE, Record
from relook.evaluate.sources.pair import Pair, Source
from relook.files import reason, replacing, write_bytes
from relook.io import read_image, write_image

Report = Callable[[int, int], None]
"""(pieces of work done, pieces in all)."""
PAINTING = (
    "types.py", "ops", "models", "perceive", "correspond", "transfer", "dollhouse", "evaluate/methods", "evaluate/sources",
)  # fmt: skip
"""The code that a picture depends on."""
MEASURING = (*PAINTING, "evaluate/metrics", "evaluate/measure.py", "evaluate/instruments.py")
"""The code that a number depends on."""
HOPELESS = 3
"""So many failures, and nothing else, at first are no accident."""
ERROR = ".error.txt"
"""Beside a picture's place: why there is none."""


class Task(NamedTuple):
    """One row on one pair."""

    case: str
    row: str


class Done(NamedTuple):
    """What a piece of work gives back; the picture lies on disk."""

    measures: list[Measure]
    seconds: float
    failed: str | None = None
    """Why there is no picture or no number; the whole story lies beside the picture's place (.error.txt)."""


@dataclass(frozen=True)
class Plan:
    """Rows, pairs, and where the results lie. Plain values: it is sent to the processes that work on it."""

    suite: str
    """Its name in records."""
    out: Path
    """Folder of the results; pictures and numbers of every pair lie in pairs/."""
    source: Source
    rows: Mapping[str, PhotoRow]
    setting: Setting = field(default_factory=Setting)
    instruments: Instruments = field(default_factory=Instruments)
    weights: str = ""
    """Revision of the family's weights."""

    def place(self, task: Task) -> Path:
        """Where the picture of a task lies (PNG); beside it its key (.json), its numbers (.numbers.json) and its features (.npz)."""
        safe = ["".join(c if c.isalnum() or c in "-_." else "-" for c in word) for word in task]
        return self.out / "pairs" / safe[0] / f"{safe[1]}.png"

    def records(self, engine: Engine, report: Report) -> list[Record]:
        """Every number of every row on every pair, in the order of rows and pairs; pieces that are on disk are not made again.

        What fails is left out and told by `failures`. Raises InputError where nothing but failures comes at first.
        """
        tasks = [Task(case, row) for case in self.source.names for row in self.rows]
        done: dict[Task, Done] = {}
        for task, result in engine.results(partial(attempt, self), tasks, self.setting.device):
            done[task] = result
            report(len(done), len(tasks))
            if len(done) == min(HOPELESS, len(tasks)) and all(one.failed for one in done.values()):
                raise InputError(f"Expected pictures of {self.suite}, got nothing but failures: {result.failed}")
        told = [
            record for row in self.rows for case in self.source.names for record in self._told(Task(case, row), done)
        ]
        return told + list(self._realism())

    def failures(self) -> list[str]:
        """What failed in the last run, a sentence each, by pair and row."""
        places = {self.place(Task(case, row)): (case, row) for case in self.source.names for row in self.rows}
        return [
            f"Failed: {row} on {case}: {told.read_text(encoding='utf-8').strip().splitlines()[-1]}"
            for place, (case, row) in places.items()
            if (told := place.with_suffix(ERROR)).is_file()
        ]

    def _told(self, task: Task, done: Mapping[Task, Done]) -> Iterator[Record]:
        """The records of one task; none of a failed one."""
        if done[task].failed:
            return
        for one in done[task].measures:
            yield Record(self.suite, self.suite, task.row, task.case, *astuple(one))
        yield Record(self.suite, self.suite, task.row, task.case, "seconds", WHOLE, done[task].seconds)

    def _realism(self) -> Iterator[Record]:
        """The records about all pictures of a row together: how they are distributed beside the answers, or the style pictures."""
        references = _stacked([_reference(self, case) for case in self.source.names])
        for row in self.rows:
            places = [self.place(Task(case, row)).with_suffix(".npz") for case in self.source.names]
            outputs = _stacked([_read(place) for place in places if place.is_file()])
            for one in realism(outputs, references):
                yield Record(self.suite, self.suite, row, EVERY, *astuple(one))


def attempt(plan: Plan, task: Task) -> Done:
    """`paint_and_measure`; one failure among many pictures must not stop the others."""
    told = plan.place(task).with_suffix(ERROR)
    told.unlink(missing_ok=True)
    try:
        return paint_and_measure(plan, task)
    except Exception as error:
        plan.place(task).with_suffix(".npz").unlink(missing_ok=True)
        write_bytes(told, "".join(traceback.format_exception(error)).encode())
        return Done([], 0.0, f"{task.row} on {task.case}: {reason(error)}")


def paint_and_measure(plan: Plan, task: Task) -> Done:
    """One row on one pair: the picture, unless it is on disk, and its numbers, unless they are."""
    place = plan.place(task)
    painted = cache.key(
        task,
        plan.source.revision_of(task.case),
        plan.weights,
        plan.setting.steps,
        plan.setting.seed,
        plan.setting.device,
        rooms=PAINTING,
    )
    seconds = cache.recall(place.with_suffix(".json"), painted) if place.is_file() else None
    if seconds is None:
        pair = _pair(plan.source, task.case)
        start = time.perf_counter()
        image = plan.rows[task.row].paint(pair, plan.setting)
        seconds = time.perf_counter() - start
        write_image(place, image)
        cache.remember(place.with_suffix(".json"), painted, seconds)
    measured = cache.key(painted, _revision(plan.instruments), rooms=MEASURING)
    told = cache.recall(place.with_suffix(".numbers.json"), measured) if place.with_suffix(".npz").is_file() else None
    if told is None:
        image = read_image(place)
        told = [[*astuple(one)] for one in measure(_pair(plan.source, task.case), image, plan.instruments)]
        _write(place.with_suffix(".npz"), features(image, plan.instruments))
        cache.remember(place.with_suffix(".numbers.json"), measured, told)
    return Done([Measure(*line) for line in told], seconds)


@lru_cache(2)
def _pair(source: Source, name: str) -> Pair:
    """A pair, kept while its rows are painted."""
    return source.pair(name)


@lru_cache(2)
def _revision(instruments: Instruments) -> str:
    return revision(instruments)


def _reference(plan: Plan, case: str) -> Mapping[str, np.ndarray]:
    """Features of the answer to a pair, or of its style picture where nobody knows the answer."""
    place = plan.place(Task(case, "reference")).with_suffix(".npz")
    key = cache.key(case, plan.source.revision_of(case), _revision(plan.instruments), rooms=MEASURING)
    if cache.recall(place.with_suffix(".json"), key) is None:
        pair = _pair(plan.source, case)
        _write(place, features(pair.style.image if pair.exact is None else pair.exact, plan.instruments))
        cache.remember(place.with_suffix(".json"), key, True)
    return _read(place)


def _stacked(vectors: Sequence[Mapping[str, np.ndarray]]) -> Mapping[str, np.ndarray]:
    """Vectors of every feature set, stacked."""
    return {name: np.stack([each[name] for each in vectors]) for name in (vectors[0] if vectors else ())}


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with replacing(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]


def _read(path: Path) -> Mapping[str, np.ndarray]:
    with np.load(path) as stored:
        return dict(stored)


def possible(
    rows: Mapping[str, PhotoRow], chosen: Sequence[str], setting: Setting
) -> tuple[dict[str, PhotoRow], list[str], str]:
    """The rows to run, what is left out, in sentences, and the revision of the family's weights.

    Rows chosen by name must exist and be possible; with none chosen, rows whose weights are not on this machine are left out.
    """
    if unknown := [name for name in chosen if name not in rows]:
        raise InputError(f"Expected rows out of {', '.join(rows)}, got {', '.join(unknown)}; choose from them.")
    wanted = {name: row for name, row in rows.items() if not chosen or name in chosen}
    missing: list[str] = []
    for needed, there in (
        (lambda row: row.weights, lambda row: _all_here(row.weights)),
        (lambda row: row.learned, lambda row: setting.loaded()),
        (lambda row: row.prompted, lambda row: _adapter(setting)),
    ):
        lost: dict[str, list[str]] = {}
        for name in [name for name, row in wanted.items() if needed(row)]:
            try:
                there(wanted[name])
            except RelookError as error:
                if chosen or (not isinstance(error, MissingModelError) and not wanted[name].prompted):
                    raise
                lost.setdefault(str(error), []).append(name)
        missing += [f"Left out {', '.join(names)}: {sentence}" for sentence, names in lost.items()]
        wanted = {name: row for name, row in wanted.items() if not any(name in names for names in lost.values())}
    if not wanted:
        raise MissingModelError("Expected a row that can run, got none; " + " ".join(missing))
    learned = any(row.learned for row in wanted.values())
    return wanted, missing, setting.loaded().revision if learned else ""


def _all_here(names: Sequence[str]) -> None:
    from relook.models.store import locate

    for name in names:
        locate(name)


def _adapter(setting: Setting) -> None:
    from relook.models.image_prompt import find

    find("auto", setting.loaded())
