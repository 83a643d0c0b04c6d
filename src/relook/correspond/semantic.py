"""Which regions of the style picture each region of the structure may take its look from.

Regions correspond when their class names mean the same (ReStyle3D section 3.2; couch and sofa do: relook.perceive.segment.vocabulary); a user may
say otherwise for any name, and may lock names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from relook.config import Instances, Unmatched
from relook.correspond.instances import matched_instances
from relook.errors import SegmentsError
from relook.ops.groups import Groups, class_groups
from relook.perceive.segment.vocabulary import canonical, tidy
from relook.types import UNLABELLED, Segments

Shrinking = Literal["majority", "nearest"]
"""How labels come to a coarser grid: the most frequent of a cell, thin classes kept (`at_grid`), or the cell's upper left pixel
(ReStyle3D's code)."""
PARTS = 1 << 16
"""Common ids lie below; parts of one class differ by multiples of it."""
THIN_SHARE = 0.25
"""A thin class also takes the tokens of which it fills at least this much, if it would vanish from the grid otherwise."""


@dataclass(frozen=True)
class Source:
    """What a structure region takes its look from, as a user says it."""

    region: str = ""
    """Name of a style region. Empty: the region of the structure region's own meaning, or all of the picture where it has none."""
    picture: int | None = None
    """Number of the style picture that has it, from 0; None: the first that has."""


@dataclass(frozen=True)
class Correspondence:
    """For every structure region the style regions that it may take from."""

    structure: Segments
    """Regions of the structure picture."""
    style: Segments
    """Regions of the style picture."""
    allowed: Mapping[int, tuple[int, ...]]
    """Structure region id -> style region ids; empty means unmatched. Two regions have the same ids or none in common."""
    unmatched: Unmatched = "everything"
    """What a structure region without a counterpart does: take from the whole style picture, stay as it is (its pixels are locked), or
    keep its own patterns and take only the colour statistics of the whole style picture (`colour`)."""
    keep: tuple[str, ...] = ()
    """Class names of the structure whose pixels stay bit-identical."""
    aside: frozenset[int] = frozenset()
    """Pictures of the style that serve single regions only (`Region.picture`): they have no part in the look of the whole."""
    still: tuple[str, ...] = ()
    """Class names of the structure that the weight-free method leaves as they are, with soft borders (`relook.correspond.stays`)."""
    kin: frozenset[int] = frozenset()
    """Structure regions that take from another class, as their own has no counterpart (`relook.correspond.kin`)."""
    apart: bool = False
    """Whether the instances of a class change each in its own way under the weight-free method (a carpet and planks are both floors)."""

    def __post_init__(self) -> None:
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
    def structure_parts(self) -> Int[Tensor, "H W"]:
        """What changes alike: common ids of the structure's pixels; apart, with the number of the instance in front."""
        if not self.apart:
            return self.structure_classes
        regions = self.structure.regions
        parts = {id: group + PARTS * regions[id].instance if group else 0 for id, group in self._groups.items()}
        return _relabel(self.structure.labels, parts)

    @cached_property
    def style_classes(self) -> Int[Tensor, "H W"]:
        """Common ids of the style's pixels; 0 where no structure region takes from."""
        groups = {id: group for region, group in self._groups.items() if group for id in self.allowed[region]}
        return _relabel(self.style.labels, groups)

    @cached_property
    def overall(self) -> Bool[Tensor, "H W"]:
        """Pixels of the style that make the look of the whole, which unmatched regions may take from."""
        ids = [id for id, region in self.style.regions.items() if region.picture in self.aside]
        return ~torch.isin(self.style.labels, torch.tensor(ids, dtype=torch.int64, device=self.style.labels.device))

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

    def from_kin(self, id: int) -> bool:
        """Whether any of the structure's regions of a common id takes from kin."""
        return any(region in self.kin for region, group in self._groups.items() if group == id)

    def groups(
        self, structure_grid: tuple[int, int], style_grid: tuple[int, int], shrinking: Shrinking = "majority"
    ) -> Groups:
        """Which style tokens (columns) each structure token (rows) may attend to, one group per common class; tokens in row-major order.

        All of them where the token's region is unmatched under `everything`, or its counterpart is too small for the style grid; none
        where it is unmatched under `keep` or `colour`: such a token attends to its own picture.
        """
        rows = at_grid(self.structure_classes, structure_grid, shrinking).flatten()
        columns = at_grid(self.style_classes, style_grid, shrinking).flatten()
        overall = at_grid(self.overall.long(), style_grid, shrinking).flatten() > 0
        return class_groups(
            rows, columns, unmatched="everything" if self.unmatched == "everything" else "nothing", overall=overall
        )


def match_segments(
    structure: Segments,
    style: Segments | Sequence[Segments],
    *,
    matches: Mapping[str, str | Source] | None = None,
    keep: Sequence[str] = (),
    unmatched: Unmatched = "everything",
    minimum_area: float = 0.0,
    instances: Instances = "shared",
) -> Correspondence:
    """Match regions by class names that mean the same, or as the user says.

    style: the style's regions; or those of each of several pictures, with ids of their own and numbered pictures: a region takes from the first
    that has a counterpart. The result holds those of the first then (see `Run.correspondence`).
    matches: structure name -> style name, or what it takes in which picture, stronger than equality and than `minimum_area`; pictures that
    are named here serve for nothing else. keep: structure names to lock. All take any name of the same meaning, and the exact name alone
    where the picture has it.
    minimum_area: a class that fills less than this fraction of either picture is unmatched (ReStyle3D's code uses 0.01).
    instances: `shared`, every instance of a structure class may take from every instance of the matched style class; `matched`, each
    takes from one of them, chosen by place, size and outline.
    Raises SegmentsError for a name that the picture does not have; the message lists those it has.
    """
    pictures = (style,) if isinstance(style, Segments) else tuple(style)
    names, found = _Names(structure, "structure"), _Pictures(tuple(_Names(one, "style") for one in pictures))
    wanted = {name: Source(value) if isinstance(value, str) else value for name, value in (matches or {}).items()}
    aside = frozenset(source.picture for source in wanted.values() if source.picture is not None)
    stated: dict[int, tuple[int, ...]] = {}
    for name, source in wanted.items():
        stated |= dict.fromkeys(names.regions(name), found.stated(name, source, aside))
    stated = {id: _beside(ids, stated) for id, ids in stated.items()}
    allowed: dict[int, tuple[int, ...]] = {}
    for id, region in structure.regions.items():
        ids, area = found.meaning(region.name, aside)
        large = min(names.area(names.meaning(region.name)), area) >= minimum_area
        allowed[id] = stated.get(id, _beside(ids, stated) if large else ())
    if instances == "matched":
        for one in pictures:
            allowed = matched_instances(structure, one, allowed)
    locked = {structure.regions[id].name for name in keep for id in names.regions(name)}
    return Correspondence(structure, pictures[0], allowed, unmatched, tuple(sorted(locked)), aside)


def regions_named(segments: Segments, name: str) -> tuple[int, ...]:
    """Ids of the structure regions that a user names: by exactly this name, else by its meaning. Raises SegmentsError for no such region."""
    return _Names(segments, "structure").regions(name)


def at_grid(
    classes: Int[Tensor, "H W"], grid: tuple[int, int], shrinking: Shrinking = "majority"
) -> Int[Tensor, "h w"]:
    """Class ids at a coarser grid of tokens: the most frequent id in each cell, or the nearest pixel (also where the grid is finer).

    By majority a class that would vanish takes the cells of which it fills THIN_SHARE or more, or else its fullest cell, unless
    that would remove another class.
    """
    (height, width), (h, w) = classes.shape, grid
    if h > height or w > width:
        y, x = (_centres(n, cells, classes.device) for n, cells in ((height, h), (width, w)))
        return classes[y[:, None], x[None, :]]
    if shrinking == "nearest":
        return classes[torch.arange(h)[:, None] * height // h, torch.arange(w)[None, :] * width // w]
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


class _Names:
    """The regions that a picture shows, found by name."""

    def __init__(self, segments: Segments, which: str) -> None:
        ids, counts = segments.labels.unique(return_counts=True)
        self.segments, self.which = segments, which
        self.pixels = {id: count for id, count in zip(ids.tolist(), counts.tolist(), strict=True) if id != UNLABELLED}
        self.by_meaning: dict[str, tuple[int, ...]] = {}
        for id in self.pixels:
            common = canonical(segments.regions[id].name)
            self.by_meaning[common] = (*self.by_meaning.get(common, ()), id)

    def meaning(self, name: str) -> tuple[int, ...]:
        """Ids of the regions whose names mean the same as `name`, ascending."""
        return self.by_meaning.get(canonical(name), ())

    def regions(self, name: str) -> tuple[int, ...]:
        """Ids of the regions that a user names: by exactly this name, else by its meaning.

        Raises SegmentsError, with the names that there are.
        """
        alike = self.meaning(name)
        if not alike:
            there = ", ".join(self.segments.names) or "none at all"
            raise SegmentsError(f"Expected a class name of the {self.which} picture, got {name!r}; it has: {there}.")
        return tuple(id for id in alike if self.segments.regions[id].name == tidy(name)) or alike

    def area(self, ids: Sequence[int]) -> float:
        """Fraction of the picture that regions fill."""
        return sum(self.pixels[id] for id in ids) / max(self.segments.labels.numel(), 1)


@dataclass(frozen=True)
class _Pictures:
    """The regions of all style pictures, found by name."""

    names: tuple[_Names, ...]

    def meaning(self, name: str, aside: Collection[int]) -> tuple[tuple[int, ...], float]:
        """The regions of this meaning in the first picture that has any and is not set aside, and the fraction of it that they fill."""
        for number, one in enumerate(self.names):
            if number not in aside and one.meaning(name):
                return one.meaning(name), one.area(one.meaning(name))
        return (), 0.0

    def stated(self, name: str, source: Source, aside: Collection[int]) -> tuple[int, ...]:
        """What a user says that the structure regions called `name` take from. Raises SegmentsError, with the names that there are."""
        if source.picture is not None:
            one = self.names[source.picture]
            return one.regions(source.region) if source.region else one.meaning(name) or tuple(one.pixels)
        usual = [one for number, one in enumerate(self.names) if number not in aside]
        return next((one for one in usual if one.meaning(source.region)), usual[0]).regions(source.region)


def _beside(ids: tuple[int, ...], stated: Mapping[int, tuple[int, ...]]) -> tuple[int, ...]:
    """Counterparts less those that a statement took out of their group (`lamp=table lamp` leaves the floor lamps).

    Lists must be equal or have nothing in common; where statements took the whole group apart, the first of them is joined.
    """
    parts = [part for part in stated.values() if set(part) < set(ids)]
    taken = {id for part in parts for id in part}
    return tuple(id for id in ids if id not in taken) or (parts[0] if parts else ())
