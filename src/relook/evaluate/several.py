"""Several suites as one: each is a part, with trials and tables of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from relook.evaluate.records import Record
from relook.evaluate.run import Outcome, Place, Results, Suite, Trial
from relook.evaluate.sections import Part
from relook.session import Session


@dataclass(frozen=True, kw_only=True)
class Several(Suite):
    """A suite of several parts, each a suite of its own."""

    suites: Mapping[str, Suite]
    """By part."""

    def trials(self) -> Sequence[Trial]:
        """Of all parts."""
        return [trial for one in self.suites.values() for trial in one.trials()]

    def depends(self, trial: Trial) -> Any:
        """As the part says."""
        return self._of(trial).depends(trial)

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        """As the part does."""
        return self._of(trial).measure(trial, place, session)

    def learned(self, session: Session) -> Mapping[str, str]:
        """Of all parts."""
        return dict(chain.from_iterable(one.learned(session).items() for one in self.suites.values()))

    def together(self, results: Results, session: Session) -> Sequence[Record]:
        """Of all parts."""
        return list(chain.from_iterable(one.together(results, session) for one in self.suites.values()))

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        """Of all parts that have a result."""
        there = {trial.part for trial in results.done}
        return [part for name, one in self.suites.items() if name in there for part in one.parts(results, session)]

    def _of(self, trial: Trial) -> Suite:
        return replace(self.suites[trial.part], weights=self.weights)
