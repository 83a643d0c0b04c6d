"""One runner for every suite: trials on every core, each kept on disk so that a stopped run goes on, then records, tables and a page."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from relook import cache
from relook.engine import Engine
from relook.errors import InputError, MissingModelError
from relook.evaluate.provenance import provenance
from relook.evaluate.records import Number, Record
from relook.evaluate.report import Report, write_results
from relook.evaluate.sections import Part, section
from relook.files import reason, replacing, write_bytes
from relook.progress import SILENT, Progress
from relook.session import Session

if TYPE_CHECKING:
    from rich.console import Group

HOPELESS = 3
"""So many failures, and nothing else, at first are no accident."""
RESULT, ARRAYS, ERROR = "result.json", "arrays.npz", "error.txt"
"""Files of a trial: its numbers with the key of what they depend on, its arrays, and why it failed."""


class Trial(NamedTuple):
    """One row of a part on one case."""

    part: str
    row: str
    case: str


@dataclass(frozen=True)
class Outcome:
    """What a trial comes to; its picture, if it makes one, lies on disk."""

    numbers: Sequence[Number]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    """What numbers of all trials together are made of."""
    pictured: bool = False
    """Whether the trial wrote its picture."""


@dataclass(frozen=True)
class Place:
    """Where a trial keeps what it makes."""

    picture: Path
    """Its picture."""
    work: Path
    """A folder of its own: what a stopped run needs to go on."""


@dataclass(frozen=True)
class Suite(ABC):
    """What is measured: trials, what each depends on, and how it is measured. Plain values: it is sent to the processes that work on it."""

    name: str
    """In records."""
    config: Any
    """Every option, for run.json; of these the runner reads `out` and `engine`."""
    device: str = "cpu"
    """Where the sessions run."""
    lead: str = ""
    """What was measured, in a sentence."""
    cases: str = ""
    """Changes with the content of any case."""
    asked: tuple[str, ...] = ()
    """Rows that the user asked for by name: they may not be left out."""
    missing: tuple[str, ...] = ()
    """What stays empty and why, in sentences."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """Revisions of what was learned and plays a part; the runner fills them in."""

    modules: ClassVar[tuple[str, ...]] = ("",)
    """Files and folders of the package that a result depends on; all of it by default."""

    @abstractmethod
    def trials(self) -> Sequence[Trial]:
        """Every trial. Trials of one case stand together, so that what is drawn for the first serves the next."""

    @abstractmethod
    def depends(self, trial: Trial) -> Any:
        """What the trial's result depends on beside the code, as JSON holds it."""

    @abstractmethod
    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """The trial. Raises MissingModelError where its row needs weights that are not here: the row is left out."""

    @abstractmethod
    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """How each part is shown, in order."""

    def together(self, results: Results, session: Session) -> Sequence[Record]:
        """Numbers that only several trials together have."""
        return ()

    def learned(self, session: Session) -> Mapping[str, str]:
        """Revisions of what was learned and is on this machine, by name."""
        return {}

    def place(self, trial: Trial) -> Path:
        """The trial's name as a path, without the part where there is only one."""
        words = ["".join(c if c.isalnum() or c in "-_." else "-" for c in word) for word in trial]
        part = () if trial.part == self.name else words[:1]
        return Path(*part, words[2], words[1])

    def where(self, trial: Trial) -> Place:
        """Where it keeps what it makes."""
        path = self.config.out.absolute()
        return Place(path / "cases" / f"{self.place(trial)}.png", path / "work" / self.place(trial))


@dataclass(frozen=True)
class Results:
    """What all trials came to."""

    suite: Suite
    done: Mapping[Trial, Outcome]
    """Those that neither failed nor lacked weights, in the suite's order."""

    def rows(self, part: str) -> list[str]:
        """The part's rows that have a result, in order."""
        return list(dict.fromkeys(trial.row for trial in self.done if trial.part == part))

    def cases(self, part: str) -> list[str]:
        """The part's cases, in order."""
        return list(dict.fromkeys(trial.case for trial in self.done if trial.part == part))

    def numbers(self, part: str, metric: str) -> Iterator[tuple[Trial, str, float | None]]:
        """(trial, region, value) of a metric in a part."""
        for trial, outcome in self.done.items():
            for number in outcome.numbers:
                if (trial.part, number.metric) == (part, metric):
                    yield trial, number.region, number.value

    def arrays(self, trial: Trial) -> Mapping[str, np.ndarray]:
        """What the trial kept for numbers of several."""
        return _arrays(self.suite.where(trial))

    def picture(self, trial: Trial) -> Path | None:
        """Its picture, where it made one."""
        return self.suite.where(trial).picture if trial in self.done and self.done[trial].pictured else None

    def records(self) -> list[Record]:
        """Every number of every trial."""
        return [Record(self.suite.name, *trial, *number) for trial, one in self.done.items() for number in one.numbers]


class Attempt(NamedTuple):
    """What a worker gives back."""

    outcome: Outcome | None
    failed: str = ""
    """Why there is no outcome, in a sentence; the whole story lies in the trial's folder."""
    missing: str = ""
    """The same where weights are missing."""


def run(suite: Suite, progress: Progress = SILENT) -> Group:
    """Run a suite and write everything that it leaves; returns the tables for a terminal.

    Raises MissingModelError where a row that was asked for lacks its weights, InputError where nothing but failures comes at first, and, after
    everything is written, where a trial failed.
    """
    with Session(suite.device, "fp32") as session:
        suite = replace(suite, weights=dict(suite.learned(session)))
        found = dict(_attempts(suite, session, progress))
        done = {trial: one.outcome for trial in suite.trials() if (one := found[trial]).outcome is not None}
        failed = [f"Failed: {one.failed}" for one in found.values() if one.failed]
        left_out = _left_out(found)
        if not done:
            raise MissingModelError("Expected a row that can run, got none; " + " ".join([*left_out, *failed]))
        results = Results(suite, done)
        records = [*results.records(), *suite.together(results, session)]
        parts = [section(part, [r for r in records if r.part == part.name]) for part in suite.parts(results, session)]
        report = Report(suite.name, suite.lead, parts, [*left_out, *failed, *suite.missing])
        about = provenance(suite.name, suite.config, cases=suite.cases, weights=suite.weights, device=suite.device)
        tables = write_results(suite.config.out, report, records, about)
    if failed:
        raise InputError(
            f"Expected every result of {suite.name}, got {len(failed)} failures ({failed[0]}); all others are in {suite.config.out}."
        )
    return tables


def _attempts(suite: Suite, session: Session, progress: Progress) -> Iterator[tuple[Trial, Attempt]]:
    """Every trial with what came of it: first what is on disk, then what is worked on, as it is finished."""
    trials, engine = suite.trials(), getattr(suite.config, "engine", Engine())
    failures = 0
    with progress.stage("measuring", len(trials)) as tick:
        left = []
        for trial in trials:
            known = _recall(suite, trial)
            if known is None:
                left.append(trial)
            else:
                yield trial, Attempt(known)
        tick(len(trials) - len(left))
        for number, (trial, result) in enumerate(engine.results(partial(attempt, suite), left, session), start=1):
            if result.missing and trial.row in suite.asked:
                raise MissingModelError(result.missing)
            failures += bool(result.failed)
            if failures == number == min(HOPELESS, len(left)) and len(left) == len(trials):
                raise InputError(f"Expected results of {suite.name}, got nothing but failures: {result.failed}")
            tick(len(trials) - len(left) + number)
            yield trial, result


def attempt(suite: Suite, trial: Trial, session: Session) -> Attempt:
    """One trial in whatever process, its result kept; one failure among many trials must not stop the others."""
    place = suite.where(trial)
    (place.work / ERROR).unlink(missing_ok=True)
    try:
        outcome = suite.measure(trial, place, session)
        _remember(suite, trial, outcome)
    except MissingModelError as error:
        return Attempt(None, missing=str(error))
    except Exception as error:
        write_bytes(place.work / ERROR, "".join(traceback.format_exception(error)).encode())
        return Attempt(None, failed=f"{trial.row} on {trial.case}: {reason(error)}")
    return Attempt(replace(outcome, arrays={}))


def _key(suite: Suite, trial: Trial) -> str:
    return cache.key(suite.name, trial, suite.depends(trial), modules=suite.modules)


def _remember(suite: Suite, trial: Trial, outcome: Outcome) -> None:
    """Keep what a trial came to: its arrays, then its numbers, which make it count."""
    work = suite.where(trial).work
    if outcome.arrays:
        with replacing(work / ARRAYS) as temporary:
            np.savez(temporary, **outcome.arrays)  # type: ignore[arg-type]
    held = {"numbers": [*map(tuple, outcome.numbers)], "arrays": bool(outcome.arrays), "pictured": outcome.pictured}
    cache.remember(work / RESULT, _key(suite, trial), held)


def _recall(suite: Suite, trial: Trial) -> Outcome | None:
    """What `_remember` kept, if nothing changed that it depends on and its files are there."""
    place = suite.where(trial)
    held = cache.recall(place.work / RESULT, _key(suite, trial))
    if held is None or (held["pictured"] and not place.picture.is_file()):
        return None
    if held["arrays"] and not (place.work / ARRAYS).is_file():
        return None
    return Outcome([Number(*line) for line in held["numbers"]], pictured=held["pictured"])


def _arrays(place: Place) -> Mapping[str, np.ndarray]:
    if not (place.work / ARRAYS).is_file():
        return {}
    with np.load(place.work / ARRAYS) as stored:
        return dict(stored)


def _left_out(found: Mapping[Trial, Attempt]) -> list[str]:
    """Rows without their weights, one sentence for each reason."""
    rows: dict[str, list[str]] = {}
    for trial, one in found.items():
        if one.missing:
            rows.setdefault(one.missing, []).append(trial.row)
    return [f"Left out {', '.join(dict.fromkeys(names))}: {sentence}" for sentence, names in rows.items()]
