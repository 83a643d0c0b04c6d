"""Specks on a scene's floor, where depth is rough: Gaussians that stand askew in it, and those that hang before it in the air in its colours."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from relook.gaussians import Gaussians
from relook.lift.scene.decided import ALIKE, LYING, WITHIN, Decided, tints_of
from relook.lift.scene.joint import connected
from relook.lift.scene.neighbours import neighbours
from relook.lift.scene.pieces import NEAR, REACH
from relook.perceive.segment.vocabulary import canonical
from relook.types import UNLABELLED

SMALL = 12.0
"""Side of the square, in thicknesses of the floor, that is as large as the largest speck: about half a metre in a room."""
AMID = 0.5
"""Share of its nearest neighbours that lie on the floor from which on what is low is a part of that, though it touches what stands there."""
LOOSE, SAID = 300, 0.5
"""Gaussians of a part that hangs in the air by itself, at most, and the share of what is said of one that must be for a floor."""


def without_specks(
    gaussians: Gaussians, region: Int[Tensor, " N"], found: Decided, votes: Float[Tensor, "N K"]
) -> Int[Tensor, " N"]:
    """The regions, specks being of a floor's. votes: what is said of every Gaussian, for the first K names of what was decided."""
    lies = torch.tensor([canonical(name) in LYING for name in found.names])
    if found.floor is None or not bool(lies[region].any()):
        return region
    said = votes[:, lies[: votes.shape[1]]].sum(1) > SAID * votes.sum(1)
    return _without_loose(gaussians, _without_askew(gaussians, region, found), found, said)


def _without_loose(
    gaussians: Gaussians, region: Int[Tensor, " N"], found: Decided, said: Bool[Tensor, " N"]
) -> Int[Tensor, " N"]:
    """The regions, what hangs in the air (LOOSE) and is `said` to be a floor, and what is below the floor in its tint (ALIKE), being of the floor that has its
    tint: a reading that is too near or too far has the colours of the floor where that is, and no other view knows it."""
    lies = torch.tensor([canonical(name) in LYING for name in found.names])
    floors = (lies & (torch.bincount(region, minlength=len(lies)) > 0)).nonzero()[:, 0]
    below = _height(gaussians, found) < -WITHIN
    some = ((said | below) & ~lies[region]).nonzero()[:, 0]
    if len(gaussians) <= NEAR or not len(some):
        return region
    distance, second = neighbours(gaussians.means, NEAR)
    size, first = gaussians.scales.amax(1), torch.arange(len(second))[:, None].expand_as(second)
    close = distance < REACH * torch.maximum(size[first], size[second])
    part = torch.from_numpy(connected(len(size), first[close].numpy(), second[close].numpy())).long()
    off, to = torch.cdist(tints_of(gaussians.colours[some].clamp(0, 1)), found.tints[floors]).min(1)
    speck = (said[some] & (torch.bincount(part)[part[some]] <= LOOSE)) | (below[some] & (off < ALIKE))
    region = region.clone()
    region[some[speck]] = floors[to[speck]]
    return region


def _height(gaussians: Gaussians, found: Decided) -> Float[Tensor, " N"]:
    """Above the floor, in its thicknesses."""
    if found.floor is None:
        return torch.zeros(len(gaussians))
    return found.floor.height(gaussians.means) / found.floor.thickness


def _without_askew(gaussians: Gaussians, region: Int[Tensor, " N"], found: Decided) -> Int[Tensor, " N"]:
    """The regions, specks in the floor being of the region there that is nearest to them.

    Such a speck is up to WITHIN of the floor's thicknesses from its plane, and amid the floor by itself (AMID), or a small part of what hangs together
    there, touches the floor and reaches no higher: what stands on a floor goes on above that.
    """
    lies = torch.tensor([canonical(name) in LYING for name in found.names])
    if found.floor is None:
        return region
    height = _height(gaussians, found).abs()
    low = (height < 2 * WITHIN).nonzero()[:, 0]
    if len(low) <= NEAR:
        return region
    near, some, flat = height[low] < WITHIN, gaussians[low], lies[region[low]]
    speck = near & ~flat & (region[low] != UNLABELLED) & _amid(some, near, flat, SMALL * found.floor.thickness)
    floor = low[flat]
    if not bool(speck.any()) or not len(floor):
        return region
    to = torch.from_numpy(cKDTree(gaussians.means[floor].numpy()).query(some.means[speck].numpy())[1])
    region = region.clone()
    region[low[speck]] = region[floor[to]]
    return region


def _amid(some: Gaussians, near: Bool[Tensor, " M"], flat: Bool[Tensor, " M"], side: float) -> Bool[Tensor, " M"]:
    """Which Gaussians are amid those that are `flat`, or are of a part that touches them, is all `near` the floor, and no larger than that side's square."""
    distance, second = neighbours(some.means, NEAR)
    size, first = some.scales.amax(1), torch.arange(len(second))[:, None].expand_as(second)
    close = distance < REACH * torch.maximum(size[first], size[second])
    alike = close & ~flat[first] & ~flat[second]
    part = torch.from_numpy(connected(len(near), first[alike].numpy(), second[alike].numpy())).long()
    count, area = int(part.max()) + 1, 4 * some.scales.sort(1).values[:, 1:].prod(1)
    touches, high = torch.zeros(2, count)
    touches.index_add_(0, part, (close & flat[second]).any(1).float())
    high.index_add_(0, part, (~near).float())
    small = torch.zeros(count).index_add_(0, part, area) < side * side
    return ((touches > 0) & (high == 0) & small)[part] | (flat[second].float().mean(1) > AMID)
