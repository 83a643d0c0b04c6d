"""Means, intervals and paired differences against scipy and worked examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from relook.errors import InputError
from relook.evaluate.records import EVERY, WHOLE, Record
from relook.evaluate.summary import differences, interval, means, rows_of, values_of, worst_first


def record(
    row: str, case: str, value: float | None, metric: str = "psnr", region: str = WHOLE, part: str = "p"
) -> Record:
    return Record("suite", part, row, case, metric, region, value)


def test_intervals_are_scipys_up_to_the_draws() -> None:
    samples = np.random.default_rng(3).gamma(2.0, size=40)
    low, high = interval(samples)
    scipys = bootstrap((samples,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1))
    wide = scipys.confidence_interval.high - scipys.confidence_interval.low
    assert low == pytest.approx(scipys.confidence_interval.low, abs=0.05 * wide)
    assert high == pytest.approx(scipys.confidence_interval.high, abs=0.05 * wide)
    assert interval(samples) == (low, high)  # the same seed, the same interval
    assert interval(samples, seed=1) != (low, high)
    with pytest.raises(ValueError, match="2 samples"):
        interval(samples[:1])


def test_two_cases_have_the_interval_that_can_be_counted() -> None:
    """Resamples of {0, 1} have the means 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4."""
    assert interval(np.array([0.0, 1.0])) == (0.0, 1.0)
    low, high = interval(np.array([0.0, 1.0]), level=0.4)  # from the 30th to the 70th percentile
    assert (low, high) == (0.5, 0.5)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    held = [low <= 0 <= high for low, high in (interval(generator.normal(size=30), draws=400) for _ in range(300))]
    assert 0.88 < np.mean(held) < 0.98


def test_alike_samples_are_drawn_together() -> None:
    samples = np.random.default_rng(4).normal(size=12)
    groups = [f"{i % 12:02d}" for i in range(36)]
    assert interval(np.tile(samples, 3), groups) == pytest.approx(
        interval(samples)
    )  # nothing is learned from the same thing thrice
    with pytest.raises(ValueError, match="not alike, got 1"):
        interval(samples, ["room"] * 12)


def test_the_interval_holds_the_truth_where_views_share_a_room() -> None:
    generator, held, naive = np.random.default_rng(0), [], []
    for _ in range(200):
        rooms = generator.normal(size=(25, 1)) + 0.3 * generator.normal(size=(25, 4))
        cases = {f"{room:03d}/{view}": float(rooms[room, view]) for room in range(25) for view in range(4)}
        mean = means({"a": cases}, draws=400)["a"]
        assert mean.low is not None
        assert mean.high is not None
        held.append(mean.low <= 0 <= mean.high)
        low, high = interval(rooms.flatten(), draws=400)
        naive.append(low <= 0 <= high)
    assert 0.87 < np.mean(held) < 0.99
    assert np.mean(naive) < 0.8


def test_a_room_of_several_cases_has_no_interval() -> None:
    found = means({"a": {"000/near": 1.0, "000/far": 3.0}, "b": {"000/near": 1.0, "001/near": 2.0}})
    assert (found["a"].value, found["a"].low, found["a"].cases) == (2.0, None, 2)
    assert found["b"].half is not None
    apart = differences({"a": {"000/near": 1.0, "000/far": 3.0}, "b": {"000/near": 2.0, "000/far": 3.0}}, "b")["a"]
    assert (apart.value, apart.low) == (-0.5, None)


def test_what_is_not_known_is_left_out_and_counted() -> None:
    values = values_of(
        [
            *(record("a", str(i), value) for i, value in enumerate((1.0, None, 3.0, math.nan))),
            record("b", "0", 5.0),
            record("c", "0", None),
        ]
    )["psnr", WHOLE]
    found = means(values)
    assert (found["a"].value, found["a"].cases, found["a"].missing) == (2.0, 2, 2)
    assert found["a"].half == pytest.approx(1.0)
    assert (found["b"].value, found["b"].low, found["b"].half) == (
        5.0,
        None,
        None,
    )  # one case says nothing of the spread
    assert (found["c"].value, found["c"].cases, found["c"].missing) == (None, 0, 1)


def test_numbers_of_all_cases_together_have_no_interval() -> None:
    values = values_of([record("a", EVERY, 0.25), record("b", EVERY, 0.5)])["psnr", WHOLE]
    assert (means(values)["a"].value, means(values)["a"].half) == (0.25, None)
    pooled = means(values_of([record("a", EVERY, 0.25), record("a", "0", 7.0), record("a", "1", 9.0)])["psnr", WHOLE])[
        "a"
    ]
    assert (pooled.value, pooled.half, pooled.cases) == (0.25, None, 2)  # it stands in place of the mean
    apart = differences(values, "a", "lower")["b"]
    assert (apart.value, apart.half, apart.wins, apart.clear) == (0.25, None, None, None)


def test_differences_are_paired_over_the_cases_that_both_have() -> None:
    noise = np.random.default_rng(0).normal(scale=10, size=30)
    records = [record("a", str(i), float(noise[i])) for i in range(30)]
    records += [record("b", str(i), float(noise[i]) + (0.5 if i % 3 else -0.1)) for i in range(10, 30)]
    records.append(record("b", "only here", 1000.0))
    values = values_of(records)["psnr", WHOLE]
    found = differences(values, "a", "higher")
    assert list(found) == ["b"]
    apart = found["b"]
    wanted = np.array([0.5 if i % 3 else -0.1 for i in range(10, 30)])
    assert apart.cases == 20
    assert apart.value == pytest.approx(wanted.mean())
    assert apart.wins == pytest.approx((wanted > 0).mean())
    assert (apart.low, apart.high) == pytest.approx(
        interval(wanted)
    )  # although the cases differ by far more than the rows
    assert apart.clear is True
    assert differences(values, "a", "lower")["b"].clear is False
    assert differences(values, "a", "lower")["b"].wins == pytest.approx((wanted < 0).mean())
    assert differences(values, "a")["b"].wins is None


def test_a_reference_may_be_another_for_each_row() -> None:
    values = values_of([record(row, "0", value) for row, value in (("a", 1.0), ("b", 3.0), ("c", 7.0))])["psnr", WHOLE]
    found = differences(values, {"b": "a", "c": "b", "a": "gone"}, "higher")
    assert {row: apart.value for row, apart in found.items()} == {"b": 2.0, "c": 4.0}
    assert differences(values, "gone") == {}
    assert found["b"].clear is None  # one case has no interval


def test_equal_rows_win_nothing_and_nothing_is_clear() -> None:
    values = values_of([record(row, str(i), float(i)) for row in "ab" for i in range(5)])["psnr", WHOLE]
    apart = differences(values, "a", "higher")["b"]
    assert (apart.value, apart.wins, apart.clear) == (0.0, 0.0, None)


def test_records_are_sorted_by_metric_and_region_and_a_double_is_refused() -> None:
    records = [record("a", "0", 1.0), record("a", "0", 2.0, region="sofa"), record("b", "0", 1.0)]
    assert set(values_of(records)) == {("psnr", WHOLE), ("psnr", "sofa")}
    assert rows_of(records, ["b", "never run"]) == ("b", "a")
    with pytest.raises(InputError, match="got two"):
        values_of([records[0], records[0]])


def test_worst_cases_come_first_in_either_direction() -> None:
    values = values_of([record("a", case, value) for case, value in (("x", 2.0), ("y", 1.0), ("z", None), ("w", 3.0))])[
        "psnr", WHOLE
    ]
    assert worst_first(values, "a", "higher") == ["y", "x", "w"]
    assert worst_first(values, "a", "lower") == ["w", "x", "y"]
    assert worst_first(values, "a", None) == ["x", "y", "w"]
    assert worst_first(values, "gone", "higher") == []
