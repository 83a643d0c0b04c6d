"""The runner: every trial once, kept with what it depends on; missing weights leave a row out, failures are told and the others kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relook.engine import Engine
from relook.errors import InputError, MissingModelError
from relook.evaluate.records import EVERY, WHOLE, Number, Record, read_records
from relook.evaluate.run import Outcome, Place, Results, Suite, Trial, run
from relook.evaluate.sections import Part
from relook.files import read_json
from relook.session import Session

DONE: list[Trial] = []


@dataclass(frozen=True)
class Config:
    out: Path
    factor: float = 2.0
    engine: Engine = field(default_factory=lambda: Engine(workers=1))


@dataclass(frozen=True, kw_only=True)
class Sums(Suite):
    """Row `times` multiplies its case; `lost` lacks its weights, `broken` fails on case 1."""

    rows: tuple[str, ...] = ("times",)
    count: int = 3

    def trials(self) -> Sequence[Trial]:
        return [Trial("sums", row, str(case)) for case in range(self.count) for row in self.rows]

    def depends(self, trial: Trial) -> Any:
        return self.config.factor

    def measure(self, trial: Trial, place: Place, session: Session) -> Outcome:
        DONE.append(trial)
        if trial.row == "lost":
            raise MissingModelError("Expected weights, got none; get them.")
        if trial.row == "broken" and trial.case == "1":
            raise IndexError("no middle")
        value = self.config.factor * int(trial.case)
        return Outcome([Number("psnr", WHOLE, value)], {"values": np.arange(int(trial.case) + 1)})

    def together(self, results: Results, session: Session) -> Sequence[Record]:
        total = sum(int(results.arrays(trial)["values"].sum()) for trial in results.done if trial.row == "times")
        return [Record(self.name, "sums", "times", EVERY, "total", WHOLE, float(total))]

    def parts(self, results: Results, session: Session) -> Sequence[Part]:
        return [Part("sums", "Sums", columns=("psnr", "total"))]


@pytest.fixture
def suite(tmp_path: Path) -> Sums:
    DONE.clear()
    return Sums("tiny", Config(tmp_path), lead="A lead.")


def values(suite: Sums) -> dict[tuple[str, str, str], float | None]:
    return {(r.row, r.case, r.metric): r.value for r in read_records(suite.config.out)}


def test_every_trial_is_measured_once_and_summed_up_with_its_arrays(suite: Sums) -> None:
    run(suite)
    assert values(suite) == {
        ("times", "0", "psnr"): 0, ("times", "1", "psnr"): 2, ("times", "2", "psnr"): 4, ("times", EVERY, "total"): 0 + 1 + 3,
    }  # fmt: skip
    means = read_json(suite.config.out / "summary.json")["tiny/sums"]["times"]
    assert means["psnr"]["mean"] == 2
    assert means["total"] == {"mean": 4, "low": None, "high": None}
    assert len(DONE) == 3
    run(replace(suite, count=4))
    assert DONE[3:] == [Trial("sums", "times", "3")]  # the others were on disk
    run(replace(suite, config=replace(suite.config, factor=3.0)))
    assert len(DONE) == 4 + 3  # another option, other results
    assert values(suite)["times", "2", "psnr"] == 6


def test_what_lies_half_on_disk_is_measured_again(suite: Sums) -> None:
    run(suite)
    (suite.config.out / "work/sums/1/times/arrays.npz").unlink()
    (suite.config.out / "work/sums/2/times/result.json").write_text("half a fi")
    run(suite)
    assert sorted(DONE[3:]) == [Trial("sums", "times", "1"), Trial("sums", "times", "2")]


def test_a_row_without_weights_is_left_out_unless_it_was_asked_for(suite: Sums) -> None:
    more = replace(suite, rows=("times", "lost"))
    run(more)
    assert {row for row, *_ in values(suite)} == {"times"}
    assert "Left out lost: Expected weights" in (suite.config.out / "report.html").read_text()
    with pytest.raises(MissingModelError, match="Expected weights"):
        run(replace(more, asked=("lost",)))
    with pytest.raises(MissingModelError, match="a row that can run, got none; Left out lost"):
        run(replace(suite, rows=("lost",)))


def test_a_failure_is_told_at_the_end_and_the_others_are_kept(suite: Sums) -> None:
    with pytest.raises(InputError, match=r"1 failures \(Failed: broken on 1: no middle\)"):
        run(replace(suite, rows=("times", "broken")))
    assert ("broken", "2", "psnr") in values(suite)
    assert ("broken", "1", "psnr") not in values(suite)
    assert "IndexError: no middle" in (suite.config.out / "work/sums/1/broken/error.txt").read_text()


def test_nothing_but_failures_at_first_ends_the_run(suite: Sums, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> Outcome:
        DONE.append(Trial("", "", ""))
        raise ValueError("never")

    monkeypatch.setattr(Sums, "measure", never)
    with pytest.raises(InputError, match="nothing but failures: times on 2: never"):
        run(replace(suite, count=50))
    assert len(DONE) == 3
