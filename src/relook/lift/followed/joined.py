"""One region for every superpixel of a walk, decided jointly: what is said of each, what touches and looks alike, and what flow says is the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from relook.correspond.kin import families
from relook.lift.followed.cut import TOUCH, Cut
from relook.lift.scene.decided import ALIKE, LYING, STANDING, UNHEARD, by_colour, gloom_of, gloomy, tints_of
from relook.lift.scene.joint import TIGHTER, connected, jointly
from relook.perceive.segment.vocabulary import ROOM, canonical

ALONG = 3.0
"""What a pixel costs that has another name in the frame before."""
FULL = 300.0
"""Pixels of a superpixel that count half: what a network says of neighbouring pixels is said once."""
TINT, CHROMA, WIDE = 0.5, 0.1, 0.06
"""What counts, beside what is said of a superpixel, what is said of all in the walk that have its colour, where that has CHROMA or more (a, b over L); and
how far apart (`tints_of`) colours are that count e^-1."""
DOUBTED = 0.3
"""How far what is said of a superpixel may be that of its colour."""
FEW, MOST = 96, 2000
"""Frames that are decided together, and superpixels by which floors of other colours are told, at most."""
OTHER = 0.2
"""Difference of tints from which on two floors are not one."""
WIDER = 24.0
"""The same difference of colours between parts of one floor: sunlight is no border."""
ENCLOSED, SMALL = 0.7, 0.1
"""Share of its border along floors from which a part of a wall is one, and the other way round; and the share of a frame that it may be."""
NONE = 1e3
"""What it costs to be nothing."""


class Joined(NamedTuple):
    """The regions of a walk."""

    names: tuple[str, ...]
    """Of the regions, the first for none; a name stands once for every part that changes by itself."""
    region: list[UInt8[np.ndarray, " _"]]
    """Of every superpixel of every frame."""
    dark: tuple[int, ...] = ()
    """Parts of walls that are too dark to be any."""


def joined(
    frames: Sequence[Cut],
    votes: Sequence[Float[np.ndarray, "_ K"]],
    names: Sequence[str],
    doubted: Sequence[str] = (),
) -> Joined:
    """The regions of all superpixels, FEW frames at a time, each held by the last one before. votes: for every name, the first for none.

    Frames and votes may be read from a file: no more than FEW of them are in memory. doubted: names that were only perceived; of walls
    among them what is far darker is a part of its own.
    """
    chances = (one / one.sum(1, keepdims=True).clip(1e-6) for one in votes)
    said = _Colours.of_walk(frames, votes, names)
    found, region = list(names), list[UInt8[np.ndarray, " _"]]()
    for start in range(0, len(frames), FEW):
        last = max(0, start - 1)  # what was decided of it holds those that follow
        held = [np.eye(len(names), dtype=np.float32)[one] for one in region[last:start]]
        some = frames[last : start + FEW]
        here = [said.mixed(frame, old) for frame, old in zip(some[start - last :], chances, strict=False)]
        region += _together(some, [*held, *here], names)[start - last :]
    region = [_without_enclosed(frame, one, names) for frame, one in zip(frames, region, strict=True)]
    for number, name in enumerate(names):
        if canonical(name) in LYING:
            region, parts = _by_tint(frames, region, number, len(found))
            found += [name] * parts
    dark = []
    for number, name in enumerate(names):
        gloom = _gloom(frames, region, number) if canonical(name) == "wall" and name in doubted else None
        if gloom is not None:
            region = _without_dark(frames, region, (number, len(found)), gloom)
            dark.append(len(found))
            found.append(name)
    return Joined(tuple(found), region, tuple(dark))


class _Colours(NamedTuple):
    """What is said of superpixels all over a walk, by their colours."""

    tints: Float[Tensor, "M 3"]
    votes: Float[Tensor, "M K"]
    surfaces: Bool[Tensor, " K"]
    """Which names are of walls, floors, ceilings."""

    @staticmethod
    def of_walk(frames: Sequence[Cut], votes: Sequence[Float[np.ndarray, "_ K"]], names: Sequence[str]) -> _Colours:
        """Of every so many superpixels of a walk, MOST at most."""
        tints, said, step, passed = [], [], -(-sum(len(one) for one in votes) // MOST), 0
        for frame, one in zip(frames, votes, strict=True):
            some = slice(-passed % step, None, step)
            chances = one[some] / one[some].sum(1, keepdims=True).clip(1e-6)
            tints.append(tints_of(torch.from_numpy(frame.colours[some])))
            said.append(torch.from_numpy(chances * frame.pixels[some, None]))
            passed += len(one)
        return _Colours(torch.cat(tints), torch.cat(said), torch.tensor([canonical(name) in ROOM for name in names]))

    def mixed(self, frame: Cut, chances: Float[np.ndarray, "P K"]) -> Float[np.ndarray, "P K"]:
        """The chances of a frame's superpixels, of colours by what is said of the same colour all over the walk: a blue carpet is one also where a
        frame calls it a wall."""
        tints = tints_of(torch.from_numpy(frame.colours))
        walk = (-(torch.cdist(tints, self.tints) / WIDE).square()).exp() @ self.votes
        walk, mine = walk / walk.sum(1, keepdim=True).clamp_min(1e-6), torch.from_numpy(chances)
        share = (tints[:, 1:].norm(dim=1, keepdim=True) / CHROMA).clamp(0, 1)
        share = share * mine[:, self.surfaces].sum(1, keepdim=True)
        mixed = torch.lerp(mine, walk, DOUBTED * share) * (walk + UNHEARD) ** (TINT * share)
        return np.asarray((mixed / mixed.sum(1, keepdim=True).clamp_min(1e-6)).numpy())


def _by_tint(
    frames: Sequence[Cut], region: Sequence[UInt8[np.ndarray, " _"]], number: int, new: int
) -> tuple[list[UInt8[np.ndarray, " _"]], int]:
    """The regions, one that lies on the floor parted by its colours, and how many are new (from `new` on)."""
    tints, area = _some_of(frames, region, number)
    if not len(area):
        return list(region), 0
    parts = by_colour(tints, torch.arange(len(area)), area, OTHER, 0.0)
    count = int(parts.max()) + 1
    sums = torch.zeros(count, 4).index_add_(0, parts, torch.cat([tints, torch.ones(len(area), 1)], 1) * area[:, None])
    means, result = sums[:, :3] / sums[:, 3:], []
    for start in range(0, len(frames), FEW):
        result += _parted(frames[start : start + FEW], region[start : start + FEW], number, means, new)
    return result, count - 1


def _gloom(frames: Sequence[Cut], region: Sequence[UInt8[np.ndarray, " _"]], number: int) -> float | None:
    """Below which lightness what is called a wall is none (`gloom_of`)."""
    tints, area = _some_of(frames, region, number)
    return gloom_of(tints, area)


def _without_dark(
    frames: Sequence[Cut], region: Sequence[UInt8[np.ndarray, " _"]], numbers: tuple[int, int], gloom: float
) -> list[UInt8[np.ndarray, " _"]]:
    """The regions, what is darker than that of a wall (the first number) given the second, jointly."""
    result = list[UInt8[np.ndarray, " _"]]()
    for start in range(0, len(frames), FEW):
        some, every = frames[start : start + FEW], np.concatenate(region[start : start + FEW])
        edges, ties = _graph(some)
        inside = torch.from_numpy((every == numbers[0])[edges].all(1))
        dark = gloomy(torch.cat([tints_of(torch.from_numpy(frame.colours)) for frame in some]), gloom)
        pixels = torch.from_numpy(np.concatenate([frame.pixels for frame in some]))
        chances = (pixels / (1 + pixels / FULL))[:, None] * (torch.stack([1 - dark, dark], 1) + UNHEARD).log()
        part = jointly(chances, edges[inside], ties[inside], TIGHTER).numpy()
        mixed = np.where((every == numbers[0]) & (part > 0), numbers[1], every).astype(np.uint8)
        result += np.split(mixed, np.cumsum([len(frame.pixels) for frame in some])[:-1])
    return result


def _some_of(
    frames: Sequence[Cut], region: Sequence[UInt8[np.ndarray, " _"]], number: int
) -> tuple[Float[Tensor, "M 3"], Float[Tensor, " M"]]:
    """Tints and pixels of every so many superpixels of a region, MOST at most."""
    here = [((one == number) & (frame.pixels > 0)).nonzero()[0] for frame, one in zip(frames, region, strict=True)]
    step, passed, tints, area = -(-sum(map(len, here)) // MOST), 0, [torch.zeros(0, 3)], [torch.zeros(0)]
    for frame, mine in zip(frames, here, strict=True):
        if len(mine):
            some = mine[-passed % step :: step]
            tints.append(tints_of(torch.from_numpy(frame.colours[some])))
            area.append(torch.from_numpy(frame.pixels[some]))
            passed += len(mine)
    return torch.cat(tints), torch.cat(area)


def _parted(
    frames: Sequence[Cut], region: Sequence[UInt8[np.ndarray, " _"]], number: int, means: Float[Tensor, "L 3"], new: int
) -> list[UInt8[np.ndarray, " _"]]:
    """Some frames' regions, each superpixel of one of them in the part whose mean tint is near, jointly: sunlight on planks is no other floor."""
    edges, ties = _graph(frames, WIDER)
    every = np.concatenate(region)
    inside = torch.from_numpy((every == number)[edges].all(1))
    tints = torch.cat([tints_of(torch.from_numpy(frame.colours)) for frame in frames])
    share = torch.softmax(-(torch.cdist(tints, means) / ALIKE).square(), 1)
    pixels = torch.from_numpy(np.concatenate([frame.pixels for frame in frames]))
    part = jointly(pixels[:, None] * (share + UNHEARD).log(), edges[inside], ties[inside], TIGHTER).numpy()
    mixed = np.where((every == number) & (part > 0), new + part - 1, every).astype(np.uint8)
    return np.split(mixed, np.cumsum([len(frame.pixels) for frame in frames])[:-1])


def _without_enclosed(frame: Cut, region: UInt8[np.ndarray, " P"], names: Sequence[str]) -> UInt8[np.ndarray, " P"]:
    """A frame's regions, small parts of walls whose border is mostly that of floors given to them, unless they reach the frame's upper edge (near and
    dark, planks are called a wall), and of floors, unless they reach its lower edge, to walls."""
    plain = [canonical(name) for name in names]
    lies, stands = (np.array([name in some for name in plain]) for some in (LYING, STANDING))
    for inner, outer, edge in ((stands, lies, 0), (lies, stands, -1)):
        region = _given(frame, region, (inner, outer), edge)
    return region


def _given(
    frame: Cut, region: UInt8[np.ndarray, " P"], kinds: tuple[Bool[np.ndarray, " K"], Bool[np.ndarray, " K"]], edge: int
) -> UInt8[np.ndarray, " P"]:
    """The regions, parts of the first kind that the second encloses given to it. edge: the row of pixels that such a part does not reach."""
    (one, two), mine = frame.pairs, kinds[0][region]
    within = mine[one] & mine[two]
    part = connected(len(region), one[within], two[within])
    count = int(part.max()) + 1
    along = np.zeros((count, len(kinds[0])))
    for here, there in ((one[~within], two[~within]), (two[~within], one[~within])):
        np.add.at(along, (part[here], region[there]), frame.length[~within])
    enclosed, area = along[:, kinds[1]].sum(1) > ENCLOSED * along.sum(1), np.bincount(part, frame.pixels, count)
    enclosed &= (along.sum(1) > 0) & (area < SMALL * area.sum())
    enclosed[part[frame.patches[edge]]] = False
    most = np.where(kinds[1], along, -1.0).argmax(1)
    return np.where(mine & enclosed[part], most[part], region).astype(np.uint8)


def _one_kind(
    region: Int[Tensor, " P"], edges: Int[Tensor, "E 2"], scores: Float[Tensor, "P K"], names: Sequence[str]
) -> Int[Tensor, " P"]:
    """The regions, of kin (a sofa that is called an armchair from afar) what hangs together in and along frames of one kind."""
    region = region.clone()
    for family in families():
        kin = [number for number, name in enumerate(names) if canonical(name) in family]
        here = torch.isin(region, torch.tensor(kin, dtype=region.dtype))
        if len(kin) < 2 or not bool(here.any()):
            continue
        thing = torch.from_numpy(connected(len(region), *edges[here[edges].all(1)].T.numpy())).long()
        sums = (
            torch.zeros(int(thing.max()) + 1, len(kin))
            .double()
            .index_add_(0, thing[here], scores[here][:, kin].double())
        )
        region[here] = torch.tensor(kin)[sums.argmax(1)[thing[here]]]
    return region


def _together(
    frames: Sequence[Cut], chances: Sequence[Float[np.ndarray, "_ K"]], names: Sequence[str]
) -> list[UInt8[np.ndarray, " _"]]:
    """Of some frames, jointly."""
    edges, ties = _graph(frames)
    said = np.concatenate(chances)
    pixels = np.concatenate([frame.pixels for frame in frames])
    scores = torch.from_numpy((pixels / (1 + pixels / FULL))[:, None] * np.log(said + UNHEARD))
    scores[:, 0] -= NONE
    found = _one_kind(jointly(scores, edges, ties, TIGHTER), edges, scores, names)
    return [part.numpy().astype(np.uint8) for part in found.split([len(frame.pixels) for frame in frames])]


def _graph(frames: Sequence[Cut], wider: float | None = None) -> tuple[Int[Tensor, "E 2"], Float[Tensor, " E"]]:
    """Which superpixels of some frames touch or show the same, and what other names for both cost. wider: a difference of colours that divides
    it by e, in place of slopes and APART."""
    starts = np.cumsum([0, *(len(frame.pixels) for frame in frames)])
    pairs, ties = [], []
    for number, frame in enumerate(frames):
        pairs.append(frame.pairs + starts[number])
        ties.append(frame.ties if wider is None else TOUCH * frame.length * np.exp(-frame.apart / wider))
        if number:
            pairs.append(frame.links + starts[[number, number - 1]][:, None])
            ties.append(ALONG * frame.shared)
    return torch.from_numpy(np.concatenate(pairs, 1).T.astype(np.int64)), torch.from_numpy(
        np.concatenate(ties)
    ).double()
