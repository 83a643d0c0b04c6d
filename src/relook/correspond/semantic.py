"""Which regions of the style picture each region of the structure may take its look from.

Regions correspond when their class names are equal (ReStyle3D section 3.2); a user may say otherwise for any name, and may lock names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from relook.errors import InputError, SegmentsError
from relook.types import UNLABELLED, Segments

UnmatchedPolicy = Literal["everything", "keep", "colour"]
"""What a structure region without a counterpart does: take from the whole style picture, stay as it is (its pixels are locked), or
keep its own patterns and take only the colour statistics of the whole style picture."""

THIN_SHARE = 0.25
"""A thin class also takes the tokens of which it fills at least this much, if it would vanish from the grid otherwise."""


@dataclass(frozen=True)
class Correspondence:
    """For every structure region the style regions that it may take from."""

    structure: Segments
    """Regions of the structure picture."""
    style: Segments
    """Regions of the style picture."""
    allowed: Mapping[int, tuple[int, ...]]
    """Structure region id -> style region ids; empty means unmatched. Two regions have the same ids or none in common."""
    unmatched: UnmatchedPolicy | str = "everything"
    """What unmatched structure regions do."""
    keep: tuple[str, ...] = ()
    """Class names of the structure whose pixels stay bit-identical."""

    def __post_init__(self) -> None:
        if self.unmatched not in get_args(UnmatchedPolicy):
            policies = ", ".join(get_args(UnmatchedPolicy))
            raise InputError(
                f"Expected an unmatched policy out of {policies}, got {self.unmatched!r}; choose one of them."
            )
        owner: dict[int, int] = {}
        for region, group in self._groups.items():
            for id in self.allowed[region] if group else ():
                if owner.setdefault(id, group) != group:
                    raise SegmentsError(
                        f"Expected structure regions to share all their style regions or none, got region {region} that shares "
                        f"only style region {id}; give both the same list."
                    )

    @cached_property
    def _groups(self) -> dict[int, int]:
        """Structure region id -> common class id, counted from 1 (0 = unmatched)."""
        lists = sorted({tuple(sorted(ids)) for ids in self.allowed.values() if ids})
        number = {ids: position for position, ids in enumerate(lists, start=1)}
        return {region: number.get(tuple(sorted(ids)), 0) for region, ids in self.allowed.items()}

    @cached_property
    def structure_classes(self) -> Int[Tensor, "H W"]:
        """Common ids of the structure's pixels: equal ids correspond, 0 is unmatched."""
        return _relabel(self.structure.labels, self._groups)

    @cached_property
    def style_classes(self) -> Int[Tensor, "H W"]:
        """Common ids of the style's pixels; 0 where no structure region takes from."""
        groups = {id: group for region, group in self._groups.items() if group for id in self.allowed[region]}
        return _relabel(self.style.labels, groups)

    @cached_property
    def kept(self) -> Bool[Tensor, "H W"]:
        """Pixels of the structure that stay bit-identical: the locked names and, under `keep`, everything unmatched."""
        locked = torch.zeros_like(self.structure.labels, dtype=torch.bool)
        for name in self.keep:
            locked |= self.structure.mask(name)
        return locked | (self.structure_classes == 0) if self.unmatched == "keep" else locked

    def class_name(self, id: int) -> str:
        """What a common id is called: the class name of its style regions."""
        ids = next(self.allowed[region] for region, group in self._groups.items() if group == id)
        return self.style.regions[ids[0]].name

    def mask(self, structure_grid: tuple[int, int], style_grid: tuple[int, int]) -> Bool[Tensor, "N M"]:
        """Which style tokens (columns) each structure token (rows) may attend to; tokens in row-major order.

        A row is all True when its region is unmatched under `everything` (or its counterpart is too small for the style grid),
        and all False when it is unmatched under `keep` or `colour`: such a token attends to its own picture.
        """
        rows = at_grid(self.structure_classes, structure_grid).flatten()
        columns = at_grid(self.style_classes, style_grid).flatten()
        allowed = (rows[:, None] == columns[None, :]) & (rows[:, None] > 0)
        lost = ~allowed.any(1)
        if self.unmatched == "everything":
            return allowed | lost[:, None]
        return allowed | (lost & (rows > 0))[:, None]


def match_segments(
    structure: Segments,
    style: Segments,
    *,
    matches: Mapping[str, str] | None = None,
    keep: Sequence[str] = (),
    unmatched: UnmatchedPolicy | str = "everything",
    minimum_area: float = 0.0,
) -> Correspondence:
    """Match regions by equal class names, or as the user says.

    matches: structure name -> style name, stronger than equality and than `minimum_area`; keep: structure names to lock.
    minimum_area: a class that fills less than this fraction of either picture is unmatched (ReStyle3D's code uses 0.01).
    Every instance of a structure class may take from every instance of the matched style class.
    Raises SegmentsError for a name that the picture does not have; the message lists those it has.
    """
    wanted = {
        _known(ours, structure, "structure"): _known(theirs, style, "style") for ours, theirs in (matches or {}).items()
    }
    ids_by_name: dict[str, tuple[int, ...]] = {
        name: tuple(id for id in sorted(style.regions) if style.regions[id].name == name) for name in style.names
    }
    allowed: dict[int, tuple[int, ...]] = {}
    for id, region in structure.regions.items():
        name = wanted.get(region.name, region.name)
        large = region.name in wanted or min(_area(structure, region.name), _area(style, name)) >= minimum_area
        allowed[id] = ids_by_name.get(name, ()) if large else ()
    return Correspondence(
        structure, style, allowed, unmatched, tuple(_known(name, structure, "structure") for name in keep)
    )


def at_grid(classes: Int[Tensor, "H W"], grid: tuple[int, int]) -> Int[Tensor, "h w"]:
    """Class ids at a coarser grid of tokens: the most frequent id in each cell (nearest pixel where the grid is finer).

    A class that would vanish takes the cells of which it fills THIN_SHARE or more, or else its fullest cell, unless
    that would remove another class.
    """
    (height, width), (h, w) = classes.shape, grid
    if h > height or w > width:
        y, x = (_centres(n, cells, classes.device) for n, cells in ((height, h), (width, w)))
        return classes[y[:, None], x[None, :]]
    ids, dense = classes.unique(return_inverse=True)
    y = torch.arange(height, device=classes.device) * h // height
    x = torch.arange(width, device=classes.device) * w // width
    cell = y[:, None] * w + x[None, :]
    counts = torch.bincount((cell * len(ids) + dense).flatten(), minlength=h * w * len(ids)).view(h * w, len(ids))
    winner = counts.argmax(1)
    share = counts / counts.sum(1, keepdim=True).clamp_min(1)
    for id in counts.sum(0).argsort().tolist():
        if ids[id] != 0 and not (winner == id).any():
            best = share[:, id].max()
            cells = (share[:, id] >= min(THIN_SHARE, float(best))).nonzero()[:, 0]
            for token in cells.tolist() if best >= THIN_SHARE else cells[:1].tolist():
                if (winner == winner[token]).sum() > 1:
                    winner[token] = id
    return ids[winner].view(h, w)


def _centres(pixels: int, cells: int, device: torch.device) -> Int[Tensor, " cells"]:
    """Pixel under the centre of every cell."""
    return (2 * torch.arange(cells, device=device) + 1) * pixels // (2 * cells)


def _relabel(labels: Int[Tensor, "H W"], groups: Mapping[int, int]) -> Int[Tensor, "H W"]:
    """labels with every id replaced by its group (0 if it has none)."""
    table = torch.zeros(max([UNLABELLED, *groups, int(labels.max()) if labels.numel() else 0]) + 1, dtype=torch.int64)
    for id, group in groups.items():
        table[id] = group
    return table.to(labels.device)[labels]


def _area(segments: Segments, name: str) -> float:
    """Fraction of the picture that a class fills."""
    return int(segments.mask(name).sum()) / max(segments.labels.numel(), 1)


def _known(name: str, segments: Segments, which: str) -> str:
    """The name as the picture spells it, or an error that lists the names there are."""
    tidy = name.strip().lower()
    if tidy not in segments.names:
        there = ", ".join(segments.names) or "none at all"
        raise SegmentsError(f"Expected a class name of the {which} picture, got {name!r}; it has: {there}.")
    return tidy
