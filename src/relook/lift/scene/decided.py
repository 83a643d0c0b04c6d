"""What the surfels of a scene are, decided together: by what frames call them, by the pieces of surface they are parts of, by the floor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor

from relook.gaussians import Gaussians
from relook.lift.scene.floor import Plane, floor_plane
from relook.lift.scene.joint import jointly
from relook.lift.scene.pieces import FINE, Surface, pieces, surface
from relook.ops.oklab import rgb_to_oklab, tint_of
from relook.perceive.segment.vocabulary import canonical

OWN = 0.05
"""Added to what is said of a surfel itself, beside what is said of its piece."""
DOUBTED = 0.02
"""Chance of a floor for what lies on it and was never called one, and what is left of that chance for what does not lie there."""
LYING = ("floor", "rug")
"""What lies on the floor's plane."""
CALLED = 0.5
"""Chance from which a surfel counts as called a floor."""
STANDING = ("wall", "window", "door", "curtain", "mirror", "painting", "building", "ceiling", "sky")
"""What is nowhere level between the floor and the cameras: that is a table's top, a seat, a sill."""
NEAR, LEVEL, WITHIN = 2.0, 0.8, 4.0
"""A piece lies on the floor whose mean height is below NEAR, in the floor's thicknesses, and whose mean normal turns less than by LEVEL (a
cosine); its surfels up to WITHIN."""
LIGHT, DARK, APART, ALIKE = 0.15, 0.3, 0.12, 0.1
"""Of floors' colours: what lightness counts beside saturation (a, b over L, at least DARK); how far apart two floors are, and what is near a
floor and farther from its plane may be."""
ROUGH, HARDLY = 2.5, 0.3
"""Where depth was estimated: how many thicknesses from the floor's plane may be of it, and what is left there of a thing's chance."""
UPRIGHT = 0.5
"""The cosine below which what is above the floor is none in any case."""
BELIEVED = 0.15
"""Of what lies in a floor's plane, the least that frames call a floor: a table top is none for a few wrong pixels."""
LEAST, WHOLE = 0.08, 0.04
"""Share of a floor's area below which a colour is no floor of its own, and a share that one of its pieces must have: dark rims are none."""

LIGHTER, BRIGHT, GLOOM, CORNER = 0.85, 0.6, 0.58, 0.02
"""Share of walls that are darker than the light ones, lightness (OKLab) of these from which on what is darker than GLOOM of it is no wall beside them (a
black cabinet that is called one: 0.58 is a fifth of the light), if that is more than a CORNER of them."""
SHADED, GREY, TINTED = 0.04, 0.12, 0.015
"""Lightness over which walls go over into it, the tint (a, b over L) that such a thing has at most, a carpet is bluer, and over how much that goes over."""
UNHEARD = 0.02
"""Chance of what a piece is never called."""
TOUCH, SAME = 1.4, 0.1
"""What two neighbouring surfels of other names cost, in the log of the chance of one: TOUCH for those that are the same, less by the exponential
of the difference over SAME, in units of OKLab."""


class Decided(NamedTuple):
    """The regions of a scene."""

    region: Int[Tensor, " N"]
    """Of every surfel; 0 for those that nothing is known of."""
    names: tuple[str, ...]
    """Of the regions, the first for 0; a name stands once for every part that changes by itself."""
    floor: Plane | None
    tints: Float[Tensor, "R 3"]
    """Mean of the R regions (see `tints_of`)."""
    dark: tuple[int, ...] = ()
    """Parts of walls that are too dark to be any."""


def decided(
    gaussians: Gaussians,
    votes: Float[Tensor, "N K"],
    names: Sequence[str],
    eyes: Float[Tensor, "V 3"],
    measured: bool = True,
    doubted: Sequence[str] = (),
) -> Decided:
    """Regions from what frames say: `votes`, pixels times confidence, for every name (the first is none).

    What lies in the floor's plane is a floor or a rug, as it and its piece are called most, what does not is neither. Things are decided by
    small pieces, jointly. Floors of other colours (a carpet beside planks) are regions of their own. measured: whether depth was measured or drawn;
    estimated depth bends tables into floors and floors into walls, so that there floors and rugs are decided as things are. doubted: names that were only
    perceived; of walls among them what is far darker is a part of its own.
    """
    area, graph = gaussians.scales[:, 0].square(), surface(gaussians)
    own, piece, tints = _shares(votes), pieces(graph), tints_of(gaussians.colours.clamp(0, 1))
    chances = (own + OWN) * _shares(_sums(votes, piece))[piece]
    lying = torch.tensor([canonical(name) in LYING for name in names])
    floor = floor_plane(gaussians, area * own[:, lying].sum(1), eyes, measured) if bool(lying.any()) else None
    if floor is not None and not _believed(floor, gaussians, area[:, None] * own, lying):
        floor = None
    on = torch.zeros_like(piece, dtype=torch.bool)
    if floor is not None and measured:
        called = chances[:, lying].sum(1) > CALLED * chances.sum(1)
        on = _on(floor, gaussians, piece, tints, called)
    if measured or floor is None:
        doubts = _doubts(floor, gaussians, names, eyes)
    else:
        level = floor._replace(thickness=ROUGH * floor.thickness).carries(gaussians.means, gaussians.normals) > 0
        doubts, votes = _rough_doubts(level, names), _flat(votes, level, names)
        own = _shares(votes)
    region = _things(graph, votes, doubts, ~on)
    on = on if measured else lying[region]
    small = pieces(graph, FINE)
    flat = lying * ((own + OWN) * _shares(_sums(votes, small))[small] + DOUBTED)
    region = torch.where(votes.sum(1) > 0, torch.where(on, flat.argmax(1), region), 0)
    region, found, dark = _parted(region, (tints, piece, area), names, doubted)
    sums = torch.zeros(len(found), 4).index_add_(
        0, region, torch.cat([tints, torch.ones_like(tints[:, :1])], 1) * area[:, None]
    )
    return Decided(region, tuple(found), floor, sums[:, :3] / sums[:, 3:].clamp_min(1e-9), tuple(dark))


def _parted(
    region: Int[Tensor, " N"],
    surfels: tuple[Float[Tensor, "N 3"], Int[Tensor, " N"], Float[Tensor, " N"]],
    names: Sequence[str],
    doubted: Sequence[str],
) -> tuple[Int[Tensor, " N"], list[str], list[int]]:
    """The regions, floors of other colours and what is too dark for walls apart: new names at the end, and which of them are such parts of walls.

    surfels: their tints, pieces and areas.
    """
    tints, piece, area = surfels
    found, dark = list(names), list[int]()
    for number in [number for number, name in enumerate(names) if canonical(name) in LYING]:
        here = (region == number).nonzero()[:, 0]
        parts = by_colour(tints[here], piece[here], area[here])
        region[here] = torch.where(parts > 0, len(found) - 1 + parts, number)
        found += [names[number]] * int(parts.max() if len(parts) else 0)
    for number in [number for number, name in enumerate(names) if canonical(name) == "wall" and name in doubted]:
        if bool((dim := _too_dark(region == number, tints, area, piece)).any()):
            region[dim] = len(found)
            dark.append(len(found))
            found.append(names[number])
    return region, found, dark


def gloom_of(tints: Float[Tensor, "n 3"], area: Float[Tensor, " n"]) -> float | None:
    """The lightness below which what is called a wall, and is grey, is none; None where it is all about as light, or dark. tints: of `tints_of`."""
    light = tints[:, 0] / LIGHT
    order = light.argsort()
    share = area[order].cumsum(0)
    if not len(light) or float(share[-1]) == 0:
        return None
    bright = float(light[order][int(torch.searchsorted(share, LIGHTER * share[-1]).clamp_max(len(light) - 1))])
    dark = float(area[gloomy(tints, GLOOM * bright) > 0.5].sum() / share[-1])
    return GLOOM * bright if bright > BRIGHT and dark > CORNER else None


def gloomy(tints: Float[Tensor, "n 3"], gloom: float) -> Float[Tensor, " n"]:
    """How much colours are darker than that, and grey: the chance that they are of no wall."""
    return ((gloom - tints[:, 0] / LIGHT) / SHADED).sigmoid() * ((GREY - tints[:, 1:].norm(dim=1)) / TINTED).sigmoid()


def _too_dark(
    wall: Bool[Tensor, " N"], tints: Float[Tensor, "N 3"], area: Float[Tensor, " N"], piece: Int[Tensor, " N"]
) -> Bool[Tensor, " N"]:
    """Which of what is called a wall is too dark to be one, by its piece."""
    gloom = gloom_of(tints[wall], area[wall])
    if gloom is None:
        return torch.zeros_like(wall)
    sums = _sums((wall * area)[:, None] * torch.cat([tints, torch.ones_like(tints[:, :1])], 1), piece)
    return wall & (gloomy(sums[:, :3] / sums[:, 3:].clamp_min(1e-9), gloom) > 0.5)[piece]


def _things(
    graph: Surface, votes: Float[Tensor, "N K"], doubted: Float[Tensor, "N K"], among: Bool[Tensor, " N"]
) -> Int[Tensor, " N"]:
    """What is among things, decided by small pieces: what each is called, and that neighbours of like colour and direction are one thing.

    doubted: what is left of the chance of every name, of surfels; a piece's is their mean.
    """
    piece, seen = pieces(graph, FINE), among & (votes.sum(1) > 0)
    count = int(piece.max()) + 1
    together = torch.zeros(count, votes.shape[1]).index_add_(0, piece[seen], votes[seen])
    surfels = torch.bincount(piece[seen], minlength=count)
    left = torch.zeros(count, votes.shape[1]).index_add_(0, piece[seen], doubted[seen]) / surfels.clamp_min(1)[:, None]
    scores = surfels[:, None] * (_shares(together) * left + UNHEARD).log()
    pairs = piece[graph.pairs]
    border = seen[graph.pairs].all(1) & (pairs[:, 0] != pairs[:, 1])
    return jointly(scores, pairs[border], TOUCH * (-graph.differences[border] / SAME).exp())[piece]


def _doubts(
    floor: Plane | None, gaussians: Gaussians, names: Sequence[str], eyes: Float[Tensor, "V 3"]
) -> Float[Tensor, "N K"]:
    """What is left of the chance of every name for what does not lie on the floor: of floors, and of walls for what is level below the cameras."""
    doubts = torch.ones(len(gaussians), len(names))
    if floor is None:
        return doubts
    height = floor.height(gaussians.means)
    turned, above = (gaussians.normals @ floor.normal).abs(), height > NEAR * floor.thickness
    level = (turned > LEVEL) & above & (height < floor.height(eyes).median())
    standing, lying = (torch.tensor([canonical(name) in some for name in names]) for some in (STANDING, LYING))
    doubts[level[:, None] & standing] = DOUBTED
    doubts[:, lying] = DOUBTED
    doubts[((turned < UPRIGHT) & above)[:, None] & lying] = 0
    return doubts


def _rough_doubts(level: Bool[Tensor, " N"], names: Sequence[str]) -> Float[Tensor, "N K"]:
    """The same where depth was estimated: what lies level in the floor's plane, as far as that is known, is no wall, and hardly a thing."""
    doubts = torch.ones(len(level), len(names))
    standing, lying = (torch.tensor([canonical(name) in some for name in names]) for some in (STANDING, LYING))
    doubts[level[:, None] & ~lying] = HARDLY
    doubts[level[:, None] & standing] = DOUBTED
    return doubts


def _flat(votes: Float[Tensor, "N K"], level: Bool[Tensor, " N"], names: Sequence[str]) -> Float[Tensor, "N K"]:
    """The votes, those of what lies level in the floor's plane for the floor where they are for a wall: near and dark, planks that no frame calls a
    floor are one all the same."""
    standing = torch.tensor([canonical(name) in STANDING for name in names])
    floors = [number for number, name in enumerate(names) if canonical(name) == "floor"]
    if not floors:
        return votes
    most = max(floors, key=lambda number: float(votes[:, number].sum()))
    moved, votes = level[:, None] & standing, votes.clone()
    votes[:, most] += torch.where(moved, votes, 0.0).sum(1)
    votes[moved] = 0.0
    return votes


def _believed(floor: Plane, gaussians: Gaussians, said: Float[Tensor, "N K"], lying: Bool[Tensor, " K"]) -> bool:
    """Whether enough of what lies in a plane is said to be a floor."""
    there = floor.carries(gaussians.means, gaussians.normals) @ said
    return bool(there[lying].sum() >= BELIEVED * there.sum())


def _on(
    floor: Plane,
    gaussians: Gaussians,
    piece: Int[Tensor, " N"],
    tints: Float[Tensor, "N 3"],
    called: Bool[Tensor, " N"],
) -> Bool[Tensor, " N"]:
    """What is called a floor and lies there, by itself or in a piece that does as a whole; what is near in the colour of that, as depth is rough;
    and what lies between both, as floors shine. The foot of a cabinet in their plane is no floor."""
    area = gaussians.scales[:, 0].square()
    height, level = floor.height(gaussians.means).abs(), (gaussians.normals @ floor.normal).abs()
    sums = torch.zeros(int(piece.max()) + 1, 3)
    sums.index_add_(0, piece, area[:, None] * torch.stack([torch.ones_like(height), height, level], 1))
    whole = (sums[:, 1] < NEAR * floor.thickness * sums[:, 0]) & (sums[:, 2] > LEVEL * sums[:, 0])
    lies = floor.carries(gaussians.means, gaussians.normals).bool()
    on = called & (lies | (whole[piece] & (height < WITHIN * floor.thickness)))
    rest = (~on & (height < WITHIN * floor.thickness)).nonzero()[:, 0]
    if len(rest) and bool(on.any()):
        where = on.nonzero()[:, 0]
        parts = by_colour(tints[where], piece[where], area[where])
        means = torch.stack([tints[where[parts == part]].mean(0) for part in range(int(parts.max()) + 1)])
        on[rest] = torch.cdist(tints[rest], means).amin(1) < ALIKE
    if bool((on & lies).any()):
        on |= lies & floor.between(gaussians.means, on & lies)
    return on


def tints_of(colours: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
    """RGB as floors are told apart by: what light does to them counts little."""
    lab = rgb_to_oklab(colours.T[..., None])[..., 0].T
    return torch.cat([LIGHT * lab[:, :1], tint_of(lab, DARK)], 1)


def by_colour(
    tints: Float[Tensor, "n 3"],
    piece: Int[Tensor, " n"],
    area: Float[Tensor, " n"],
    apart: float = APART,
    whole: float = WHOLE,
) -> Int[Tensor, " n"]:
    """Which of its colours every surfel of a class has, by the mean of its piece: 0 for the main one. apart: how far two are from each other, at
    least; whole: share that a piece of each must have."""
    which, inverse = piece.unique(return_inverse=True)
    if len(which) < 2:
        return torch.zeros_like(piece)
    size = torch.zeros(len(which)).index_add_(0, inverse, area)
    mean = torch.zeros(len(which), 3).index_add_(0, inverse, tints * area[:, None]) / size[:, None]
    cluster = torch.from_numpy(fcluster(linkage(mean.numpy(), "average"), apart, "distance").astype(np.int64)) - 1
    sizes = torch.zeros(int(cluster.max()) + 1).index_add_(0, cluster, size)
    centres = torch.zeros(len(sizes), 3).index_add_(0, cluster, mean * size[:, None]) / sizes[:, None]
    most = torch.zeros(len(sizes)).scatter_reduce_(0, cluster, size, "amax")
    large = ((sizes > LEAST * sizes.sum()) & ((most > whole * sizes.sum()) | (sizes == sizes.max()))).nonzero()[:, 0]
    large = large[sizes[large].argsort(descending=True)]
    return torch.cdist(mean, centres[large]).argmin(1)[inverse]


def _sums(votes: Float[Tensor, "N K"], piece: Int[Tensor, " N"]) -> Float[Tensor, "P K"]:
    """Of every piece."""
    return torch.zeros(int(piece.max()) + 1, votes.shape[1]).index_add_(0, piece, votes)


def _shares(votes: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
    return votes / votes.sum(1, keepdim=True).clamp_min(1e-6)
