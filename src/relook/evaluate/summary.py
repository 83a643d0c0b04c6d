"""From records to means: per row, metric and region, with intervals by bootstrap over the cases, and paired differences between rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float

from relook.errors import InputError
from relook.evaluate.records import EVERY, VIEW, Record

DRAWS, LEVEL, SEED = 2000, 0.95, 0
"""Resamples of an interval, its level, and the seed that draws them."""
Key = tuple[str, str]
"""A metric, and the region that it is about."""
Values = dict[str, dict[str, float | None]]
"""Numbers by row and case."""
Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Mean:
    """A number of one row over its cases."""

    value: float | None
    """The mean over the cases that know it, or the number that only all cases together have; None where no case knows it."""
    low: float | None = None
    """Lower end of the 95 % interval; None for fewer than two cases, and for numbers that only all cases together have."""
    high: float | None = None
    """Upper end."""
    cases: int = 0
    """Cases that the mean is over."""
    missing: int = 0
    """Cases that were run but have no such number; they are left out."""

    @property
    def half(self) -> float | None:
        """Half the length of the interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class Difference(Mean):
    """A row less another one, over the cases that both have."""

    wins: float | None = None
    """Share of the cases where the row is better than the other (equal is not better); None for numbers without a better direction."""
    clear: bool | None = None
    """Whether the whole interval is on the better side (True) or on the worse one (False); None if it holds 0, or nothing is better."""


def values_of(records: Iterable[Record]) -> dict[Key, Values]:
    """Numbers of one part by (metric, region), row and case; what is not finite is None. Raises InputError for a number that is there twice."""
    found: dict[Key, Values] = {}
    for record in records:
        held = found.setdefault((record.metric, record.region), {}).setdefault(record.row, {})
        if record.case in held:
            raise InputError(
                f"Expected one {record.metric} ({record.region}) of {record.row} on {record.case} in {record.part}, got two; "
                "leave one of the records out."
            )
        held[record.case] = record.value if record.value is not None and math.isfinite(record.value) else None
    return found


def means(values: Values, *, draws: int = DRAWS, seed: int = SEED) -> dict[str, Mean]:
    """Every row's mean over its cases, with the percentile bootstrap's 95 % interval (Efron 1979; Efron & Tibshirani 1993, section 13.3).

    Cases are drawn with replacement `draws` times, those of one room (`ROOM/VIEW`) together; the interval is from the 2.5th to the 97.5th percentile of the means. A number of
    all cases together (EVERY) stands in place of the mean, without an interval.
    """
    found: dict[str, Mean] = {}
    for row, cases in values.items():
        held = {case: value for case, value in cases.items() if value is not None and case != EVERY}
        missing = sum(value is None for case, value in cases.items() if case != EVERY)
        if EVERY in cases:
            found[row] = Mean(cases[EVERY], cases=len(held), missing=missing)
        else:
            found[row] = Mean(*_estimate(held, draws, seed), cases=len(held), missing=missing)
    return found


def differences(
    values: Values,
    reference: str | Mapping[str, str],
    better: Better | None = None,
    *,
    draws: int = DRAWS,
    seed: int = SEED,
) -> dict[str, Difference]:
    """Every other row less its reference, case by case, over the cases that both know; cases are resampled, never rows.

    reference: one row for all, or by row (rows without one are left out). better: the direction in which a difference is a win.
    """
    found: dict[str, Difference] = {}
    for row, cases in values.items():
        other = reference if isinstance(reference, str) else reference.get(row)
        if other is None or other == row or other not in values:
            continue
        shared = [case for case in cases if case in values[other]]
        pairs = {case: (cases[case], values[other][case]) for case in shared if case != EVERY}
        held = {case: a - b for case, (a, b) in pairs.items() if a is not None and b is not None}
        apart = np.array(list(held.values()))
        value, low, high = _estimate(held, draws, seed)
        if not pairs and EVERY in shared:
            a, b = cases[EVERY], values[other][EVERY]
            value = None if a is None or b is None else a - b
        gain = apart if better == "higher" else -apart
        found[row] = Difference(
            value, low, high, len(apart), len(pairs) - len(apart),
            wins=float((gain > 0).mean()) if better and len(apart) else None, clear=_clear(low, high, better),
        )  # fmt: skip
    return found


def interval(
    samples: Float[np.ndarray, " N"],
    groups: Sequence[str] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = SEED,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Percentile bootstrap of a mean: the ends of its interval.

    groups: one name per sample where samples of one name are alike; then names are drawn, with all of their samples (the cluster
    bootstrap, Davison & Hinkley 1997, section 3.8). Raises ValueError for fewer than two samples, or names.
    """
    index = np.unique(list(groups), return_inverse=True)[1] if groups is not None else np.arange(len(samples))
    sizes = np.bincount(index) if len(samples) else np.zeros(0)
    if len(sizes) < 2:
        raise ValueError(f"Expected at least 2 samples that are not alike, got {len(sizes)}; measure more cases.")
    drawn = _counts(len(sizes), draws, seed)
    resampled = drawn @ np.bincount(index, samples) / (drawn @ sizes)
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def worst_first(values: Values, row: str, better: Better | None) -> list[str]:
    """Cases that the row knows, from its worst value to its best; with no better direction, in their own order."""
    known = {case: value for case, value in values.get(row, {}).items() if value is not None and case != EVERY}
    if better is None:
        return list(known)
    return sorted(known, key=known.__getitem__, reverse=better == "lower")


def rows_of(records: Sequence[Record], first: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of the rows: those of `first` that are there, in its order, then the others in the order in which they come."""
    there = dict.fromkeys(record.row for record in records)
    return tuple(dict.fromkeys([*(name for name in first if name in there), *there]))


def _estimate(held: Mapping[str, float], draws: int, seed: int) -> tuple[float | None, float | None, float | None]:
    """Mean and interval of numbers by case, as far as these allow; cases of one room are drawn together."""
    if not held:
        return None, None, None
    samples, groups = np.array(list(held.values())), [case.partition(VIEW)[0] for case in held]
    ends = interval(samples, groups, draws=draws, seed=seed) if len(set(groups)) > 1 else (None, None)
    return float(samples.mean()), *ends


def _clear(low: float | None, high: float | None, better: Better | None) -> bool | None:
    if low is None or high is None or better is None or low <= 0 <= high:
        return None
    return (low > 0) == (better == "higher")


@lru_cache(8)
def _counts(cases: int, draws: int, seed: int) -> Float[np.ndarray, "D N"]:
    """How often each case is drawn in each resample; the same for every row, so that rows are compared on the same resamples."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(cases, np.full(cases, 1 / cases), size=draws).astype(np.float64)
