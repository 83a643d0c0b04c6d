"""Masks whose rows fall into few kinds, as lists of tokens instead of a matrix.

Where every query of a region may attend to the same keys, attention is one dense block per region: the work is the sum
of the blocks, less than attention without any mask, and nothing of size N x M is ever stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Group:
    """Queries that may attend to the same keys."""

    rows: Int[Tensor, " n"]
    """Their indices among the queries."""
    columns: Int[Tensor, " m"]
    """Indices of the keys; none when these queries may attend to nothing. Groups may share keys."""


@dataclass(frozen=True, eq=False)
class Groups:
    """A mask [B N M] by groups of rows; every row is in exactly one group."""

    shape: tuple[int, int]
    """Numbers N of queries and M of keys."""
    samples: tuple[tuple[Group, ...], ...]
    """The groups of each row of the batch, or one tuple for all of them."""

    @property
    def device(self) -> torch.device:
        """Of the indices."""
        return self.samples[0][0].rows.device

    @cached_property
    def filled(self) -> Bool[Tensor, "_ N"]:
        """Which queries may attend to some key."""
        filled = torch.zeros(len(self.samples), self.shape[0], dtype=torch.bool, device=self.device)
        for sample, groups in enumerate(self.samples):
            for group in groups:
                filled[sample, group.rows] = len(group.columns) > 0
        return filled

    def parts(self, batch: int) -> Iterator[tuple[slice, tuple[Group, ...]]]:
        """Parts of a batch that share their groups: the whole batch, or one sample after another."""
        for sample, groups in enumerate(self.samples):
            yield slice(0, batch) if len(self.samples) == 1 else slice(sample, sample + 1), groups

    @cached_property
    def order(self) -> tuple[tuple[Int[Tensor, " N"], Int[Tensor, " N"]], ...]:
        """For each sample the rows group after group, and where each row is found in that order."""
        orders = [torch.cat([group.rows for group in groups]) for groups in self.samples]
        return tuple((order, order.argsort()) for order in orders)

    @cached_property
    def matrix(self) -> Bool[Tensor, "_ N M"]:
        """The same mask written out, True = may attend; kept."""
        mask = torch.zeros(len(self.samples), *self.shape, dtype=torch.bool, device=self.device)
        for sample, groups in enumerate(self.samples):
            for group in groups:
                mask[sample, group.rows[:, None], group.columns] = True
        return mask

    @cached_property
    def beside_own(self) -> Groups:
        """The mask for keys that begin with one per query of the queries' own, which every query may attend to."""
        queries, keys = self.shape
        own = torch.arange(queries, device=self.device)
        samples = tuple(
            tuple(Group(group.rows, torch.cat([own, queries + group.columns])) for group in groups)
            for groups in self.samples
        )
        return Groups((queries, queries + keys), samples)

    def to(self, device: torch.device | str) -> Groups:
        """The same groups on another device."""
        samples = tuple(
            tuple(Group(group.rows.to(device), group.columns.to(device)) for group in groups) for groups in self.samples
        )
        return self if samples[0][0].rows is self.samples[0][0].rows else Groups(self.shape, samples)


def class_groups(
    rows: Int[Tensor, "*B N"],
    columns: Int[Tensor, "*B M"],
    *,
    unmatched: Literal["everything", "nothing"] = "everything",
    overall: Bool[Tensor, " M"] | None = None,
) -> Groups:
    """Queries may attend to the keys of their class; ids from 1, or 0 for unmatched queries and keys nobody takes from.

    A class without keys attends to every key, and so do unmatched queries, unless these attend to `nothing`. overall: the keys that
    count as every key, where some serve their classes only.
    """
    rows, columns = rows.reshape(-1, rows.shape[-1]), columns.reshape(-1, columns.shape[-1])
    every = torch.arange(columns.shape[1], device=rows.device)
    every = every if overall is None else every[overall.to(every.device)]
    samples = tuple(_classes(*pair, every, unmatched == "everything") for pair in zip(rows, columns, strict=True))
    return Groups((rows.shape[1], columns.shape[1]), samples)


def _classes(
    rows: Int[Tensor, " N"], columns: Int[Tensor, " M"], every: Int[Tensor, " K"], free: bool
) -> tuple[Group, ...]:
    found, everything = [], torch.zeros_like(rows, dtype=torch.bool)
    for label in rows.unique().tolist():
        queries, keys = rows == label, columns == label
        if label > 0 and bool(keys.any()):
            found.append(Group(queries.nonzero()[:, 0], keys.nonzero()[:, 0]))
        elif label > 0 or free:
            everything |= queries
        else:
            found.append(Group(queries.nonzero()[:, 0], every[:0]))
    if bool(everything.any()):
        found.append(Group(everything.nonzero()[:, 0], every))
    return tuple(found)
