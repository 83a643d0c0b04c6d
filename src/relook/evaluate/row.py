"""A row of a suite: a way to make a picture of a case, and what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from jaxtyping import Float
from torch import Tensor

from relook.session import Session

Image = Float[Tensor, "3 H W"]
Case = TypeVar("Case")
Setting = TypeVar("Setting")


@dataclass(frozen=True)
class Row(Generic[Case, Setting]):
    """One line of the table."""

    note: str
    """What it is, for readers of the report."""
    paint: Callable[[Case, Setting, Session], Image]
    """The picture it makes of a case; a function of a module, or `partial` of one, where rows are sent to other processes."""
    learned: bool = False
    """Whether it needs a family."""
    prompted: bool = False
    """Whether it needs an IP-Adapter for that family."""
    weights: tuple[str, ...] = ()
    """Names of other checkpoints that it needs (`relook models list`)."""
