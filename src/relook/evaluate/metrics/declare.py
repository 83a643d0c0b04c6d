"""The registry of metrics: what a reader must know of a number, entered beside the function that computes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from jaxtyping import Float
from torch import Tensor

Image = Float[Tensor, "3 H W"]
"""RGB in [0, 1]."""
Better = Literal["higher", "lower"]
Group = Literal["truth", "structure", "style", "realism", "matching", "views", "segments", "depth", "flaws"]
"""What a number is about; one table of docs/metrics.md each."""
Function = TypeVar("Function", bound=Callable[..., float | None])


@dataclass(frozen=True)
class Metric:
    """What a reader must know of a number."""

    name: str
    """Key in records and summaries."""
    title: str
    """Head of a column."""
    better: Better
    """Which direction is better."""
    range: tuple[float, float]
    """Least and greatest value."""
    source: str
    """Where it is defined."""
    group: Group
    """What it is about."""
    digits: int
    """Decimals in tables."""
    function: Callable[..., float | None]
    """The pure function."""


METRICS: dict[str, Metric] = {}
"""Every metric of the package by its name, in the order of the tables; complete once `relook.evaluate.metrics` is imported."""


def declare(
    name: str,
    title: str,
    better: Better,
    range: tuple[float, float],
    source: str,
    *,
    group: Group,
    digits: int = 3,
) -> Callable[[Function], Function]:
    """Enter a function into METRICS unchanged. Raises ValueError for a name that is taken."""

    def enter(function: Function) -> Function:
        if name in METRICS:
            raise ValueError(f"Expected a new name of a metric, got {name!r} a second time; choose another.")
        METRICS[name] = Metric(name, title, better, range, source, group, digits, function)
        return function

    return enter
