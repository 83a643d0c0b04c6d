"""Runs side by side: the same rows, paired differences, what differs, and what cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from relook.errors import InputError
from relook.evaluate.compare import changes, compare, read_runs, run
from relook.evaluate.provenance import provenance
from relook.evaluate.records import RECORDS, RUN, WHOLE, Record
from relook.evaluate.report import Report, write_results
from relook.evaluate.sections import Part, section
from relook.present.cli import main

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(
        name: str, gain: float = 0.0, *, cases: int = 6, first: int = 0, rows: tuple[str, ...] = ("copy", "relook"), seed: int = 0,
        weights: str = "aa" * 32, suite: str = "suite", revision: str | None = None,
    ) -> Path:  # fmt: skip
        """A run: `relook` better than `copy`, all cases far apart; gain: how much better than another run."""
        records = [
            Record(suite, suite, row, f"{i:03d}", metric, region, value + (row == "relook") * (1 + gain * (1 + i % 2)))
            for row in rows for i in range(first, first + cases)
            for metric, region, value in (("psnr", WHOLE, 10.0 * i), ("psnr", "holes", 5.0 * i), ("lpips", WHOLE, 0.1 * i))
        ]  # fmt: skip
        made = provenance(suite, {"seed": seed, "size": 128, "out": name}, cases=revision, weights={"unet": weights})
        part = section(Part(suite, columns=("psnr", "lpips"), reference="relook"), records)
        write_results(tmp_path / name, Report(suite, "", [part]), records, made)
        return tmp_path / name

    return write


def test_the_same_row_of_two_runs_is_paired_case_by_case(write: Write) -> None:
    found = compare(read_runs([write("one"), write("two", 0.5)]))
    (part,) = found.sections
    assert part.rows == ("A: copy", "B: copy", "A: relook", "B: relook")
    assert [c.metric for c in part.columns] == ["psnr", "lpips"]
    apart = part.differences["psnr", WHOLE]["B: relook"]
    assert apart.value == pytest.approx(0.75)
    assert apart.low is not None
    assert apart.low >= 0.5  # however far the cases are apart
    assert (apart.wins, apart.clear, apart.cases) == (1.0, True, 6)
    assert part.differences["psnr", WHOLE]["B: copy"].value == 0
    assert "A: relook" not in part.differences["psnr", WHOLE]
    assert found.warnings == ()


def test_what_differs_between_the_runs_is_told_and_nothing_else(write: Write) -> None:
    runs = read_runs([write("one"), write("two", weights="bb" * 32, cases=4)])
    told = {line[0]: line[1:] for line in changes(runs)}
    assert told["what"] == ("A: one", "B: two")
    assert told["weights of unet"] == ("a" * 12, "b" * 12)
    assert told["number of cases"] == ("6", "4")
    assert set(told) <= {"what", "weights of unet", "number of cases", "date"}  # not where it was written to


def test_cases_that_only_one_run_has_are_warned_of(write: Write) -> None:
    found = compare(read_runs([write("one", cases=6), write("two", cases=4, first=3)]))
    assert found.sections[0].differences["psnr", WHOLE]["B: relook"].cases == 3
    (sentence,) = found.warnings
    assert "3 cases in common; 3 only A has, 1 only B" in sentence


@pytest.mark.parametrize("other", [{"seed": 1}, {"revision": "another drawing"}])
def test_cases_of_one_name_that_are_not_the_same_are_never_paired(write: Write, other: dict[str, object]) -> None:
    found = compare(read_runs([write("one", revision="a drawing"), write("two", 0.5, **other), write("three", 0.5)]))
    assert list(found.sections[0].differences["psnr", WHOLE]) == ["C: copy", "C: relook"]
    assert "B was measured on other cases than A" in found.warnings[0]


def test_rows_and_metrics_are_chosen_by_name(write: Write) -> None:
    runs = read_runs([write("one", rows=("copy", "relook", "mine")), write("two")])
    assert compare(runs).sections[0].rows == ("A: copy", "B: copy", "A: relook", "B: relook")
    found = compare(runs, rows=["mine"], metrics=["psnr"])
    assert found.sections[0].rows == ("A: mine",)
    assert [c.metric for c in found.sections[0].columns] == ["psnr"]
    for chosen in ({"rows": ["magic"]}, {"metrics": ["magic"]}):
        with pytest.raises(InputError, match=r"^Expected .*got magic; "):
            compare(runs, **chosen)


def test_the_ceiling_stays_apart(write: Write) -> None:
    found = compare(read_runs([write("one", rows=("relook", "exact")), write("two", rows=("relook", "exact"))]))
    part = found.sections[0]
    assert set(part.part.apart) == {"A: exact", "B: exact"}


def test_runs_without_run_json_or_summary_are_compared_with_a_warning(write: Write) -> None:
    one, two = write("one"), write("two")
    (two / RUN).unlink()
    (one / "summary.json").write_text("{}")
    (two / "summary.json").write_text("[1]")
    found = compare(read_runs([one, two]))
    assert [c.name for c in found.sections[0].columns] == ["psnr", "lpips"]  # by the registry
    assert "has no run.json" in found.warnings[0]


def test_what_cannot_be_compared_is_one_sentence(write: Write, tmp_path: Path) -> None:
    one, other = write("one"), write("two", suite="another")
    empty, broken = tmp_path / "empty", tmp_path / "broken"
    empty.mkdir()
    broken.mkdir()
    (broken / RECORDS).write_text("suite,part\n")
    alone = write("three", rows=("copy",))
    mine = write("four", rows=("mine",))
    for folders in (
        [],
        [one],
        [one, empty],
        [one, broken],
        [one, tmp_path / "nothing"],
        [one, other],
        [alone, mine],
        [one] * 27,
    ):
        with pytest.raises(InputError, match=r"^Expected .*; "):
            run(folders)
    (broken / RECORDS).write_text((one / RECORDS).read_text().splitlines()[0] + "\n")
    with pytest.raises(InputError, match="got none; run the suite again"):
        run([one, broken])


def test_the_command_prints_and_writes(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two, out = write("one"), write("two", 0.5, weights="bb" * 32), tmp_path / "out"
    assert main(["compare", str(one), str(two), "--out", str(out), "--rows", "relook"]) == 0
    printed = capsys.readouterr().out
    assert "B: relook" in printed
    assert "+0.75" in printed
    assert "weights of unet" in printed
    page = (out / "compare.html").read_text()
    assert "What differs between the runs" in page
    assert 'src="http' not in page
    text = (out / "compare.md").read_text()
    assert "| weights of unet | aaaaaaaaaaaa | bbbbbbbbbbbb |" in text
    data = json.loads((out / "compare.json").read_text())
    assert data["parts"]["suite"]["differences"]["B: relook"]["psnr"]["mean"] == pytest.approx(0.75)
    assert main(["compare", str(one)]) == 2
    assert "Expected 2 to 26 folders" in capsys.readouterr().err
