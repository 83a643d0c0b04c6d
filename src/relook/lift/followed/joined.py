"""One region for every superpixel of a walk, decided jointly: what is said of each, what touches and looks alike, and what flow says is the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from relook.correspond.kin import families
from relook.io import as_pixels
from relook.lift.carry import LEAST
from relook.lift.scene.decided import ALIKE, LYING, UNHEARD, by_colour, tints_of
from relook.lift.scene.joint import jointly
from relook.ops.geometry import pixel_centres
from relook.ops.slopes import slopes
from relook.perceive.segment.superpixels import borders_of, means_of
from relook.perceive.segment.vocabulary import ROOM, canonical
from relook.types import Matches

TOUCH, STEEP, APART = 4.0, 3.0, 8.0
"""What a pixel of border between superpixels of other names costs, in the log of a chance, and what divides that by e: slope along the border, and
difference of the colours (Lab of 8 bits, lightness counts a fifth)."""
ALONG = 1.5
"""What a pixel costs that has another name in the frame before."""
TINT, CHROMA, WIDE = 0.5, 0.1, 0.06
"""What counts, beside what is said of a superpixel, what is said of all in the walk that have its colour, where that has CHROMA or more (a, b over L); and
how far apart (`tints_of`) colours are that count e^-1."""
DOUBTED = 0.3
"""How far what is said of a superpixel may be that of its colour."""
FEW, MOST = 96, 2000
"""Frames that are decided together, and superpixels by which floors of other colours are told, at most."""
CALLED = 0.5
"""Chance from which a superpixel counts as a floor there."""


class Cut(NamedTuple):
    """A small frame in superpixels."""

    patches: Int[np.ndarray, "h w"]
    pixels: Float[np.ndarray, " P"]
    colours: Float[np.ndarray, "P 3"]
    """RGB in [0, 1]."""
    pairs: Int[np.ndarray, "2 B"]
    """Which touch."""
    ties: Float[np.ndarray, " B"]
    """What other names for both cost."""
    before: Matches | None
    """Flow to the frame before."""

    def sums(self, values: Float[Tensor, "K h w"]) -> Float[np.ndarray, "P K"]:
        """Of values over every superpixel."""
        places = torch.from_numpy(self.patches.astype(np.int64)).flatten()
        return torch.zeros(len(self.pixels), len(values)).index_add_(0, places, values.flatten(1).T).numpy()


class Joined(NamedTuple):
    """The regions of a walk."""

    names: tuple[str, ...]
    """Of the regions, the first for none; a name stands once for every part that changes by itself."""
    region: list[UInt8[np.ndarray, " P"]]
    """Of every superpixel of every frame."""


def cut(image: Float[Tensor, "3 h w"], patches: Int[np.ndarray, "H W"], before: Matches | None) -> Cut:
    """A small frame in the superpixels of the large one, of which some may have no pixel left."""
    (height, width), count = image.shape[1:], int(patches.max()) + 1
    rows, columns = (((np.arange(new) + 0.5) * old / new).astype(np.int64) for new, old in zip((height, width), patches.shape, strict=True))
    small, pixels = patches[rows[:, None], columns], as_pixels(image)
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    sizes, means = np.bincount(small.ravel(), minlength=count).astype(np.float32), np.zeros((count, 6))
    found = means_of(small, np.concatenate([lab, pixels], 2))
    means[: len(found)] = found
    (one, two), length, slope = borders_of(small, slopes(lab))
    apart = np.linalg.norm((means[one, :3] - means[two, :3]) * np.array([0.2, 1, 1]), axis=1)
    ties = (TOUCH * length * np.exp(-slope / STEEP - apart / APART)).astype(np.float32)
    return Cut(small, sizes, (means[:, 3:] / 255).astype(np.float32), np.stack([one, two]), ties, before)


def joined(frames: Sequence[Cut], votes: Sequence[Float[np.ndarray, "P K"]], names: Sequence[str]) -> Joined:
    """The regions of all superpixels, FEW frames at a time. votes: for every name, the first for none."""
    found, parted = list(names), [said / said.sum(1, keepdims=True).clip(1e-6) for said in votes]
    for number, name in enumerate(names):
        if canonical(name) in LYING:
            parted, parts = _by_tint(frames, parted, number)
            found += [name] * parts
    parted = _by_walk(frames, parted, found)
    region = list[UInt8[np.ndarray, " P"]]()
    for start in range(0, len(frames), FEW):
        region += _together(frames[start : start + FEW], parted[start : start + FEW], found)
    return Joined(tuple(found), region)


def _by_tint(
    frames: Sequence[Cut], chances: Sequence[Float[np.ndarray, "P K"]], number: int
) -> tuple[list[Float[np.ndarray, "P L"]], int]:
    """The chances of what lies on the floor, those of one name shared out among parts of other colours, and how many are new."""
    tints = torch.cat([tints_of(torch.from_numpy(frame.colours)) for frame in frames])
    every, pixels = np.concatenate(chances)[:, number], torch.from_numpy(np.concatenate([frame.pixels for frame in frames]))
    here = torch.from_numpy((every > CALLED).nonzero()[0])
    here = here[pixels[here] > 0]
    if not len(here):
        return list(chances), 0
    here = here[:: -(-len(here) // MOST)]
    parts = by_colour(tints[here], torch.arange(len(here)), pixels[here], 0.0)
    count = int(parts.max()) + 1
    means = torch.stack([(tints[here] * pixels[here, None])[parts == k].sum(0) / pixels[here][parts == k].sum() for k in range(count)])
    result = []
    for frame, old in zip(frames, chances, strict=True):
        off = torch.cdist(tints_of(torch.from_numpy(frame.colours)), means) / ALIKE
        share = torch.softmax(-off.square(), 1).numpy() * old[:, number : number + 1]
        result.append(np.concatenate([old[:, :number], share[:, :1], old[:, number + 1 :], share[:, 1:]], 1))
    return result, count - 1


def _by_walk(
    frames: Sequence[Cut], chances: Sequence[Float[np.ndarray, "P K"]], names: Sequence[str]
) -> list[Float[np.ndarray, "P K"]]:
    """The chances, of colours by what is said of the same colour all over the walk: a blue carpet is one also where a frame calls it a wall."""
    pixels, said = np.concatenate([frame.pixels for frame in frames]), np.concatenate(chances)
    tints = tints_of(torch.from_numpy(np.concatenate([frame.colours for frame in frames])))
    some = slice(None, None, -(-len(said) // MOST))
    surfaces = torch.tensor([canonical(name) in ROOM for name in names])
    votes, result = torch.from_numpy(said[some] * pixels[some, None]), []
    for here, old in zip(tints.split([len(frame.pixels) for frame in frames]), chances, strict=True):
        walk = (-(torch.cdist(here, tints[some]) / WIDE).square()).exp() @ votes
        walk = walk / walk.sum(1, keepdim=True).clamp_min(1e-6)
        mine = torch.from_numpy(old)
        share = (here[:, 1:].norm(dim=1, keepdim=True) / CHROMA).clamp(0, 1) * mine[:, surfaces].sum(1, keepdim=True)
        mixed = torch.lerp(mine, walk, DOUBTED * share) * (walk + UNHEARD) ** (TINT * share)
        result.append((mixed / mixed.sum(1, keepdim=True).clamp_min(1e-6)).numpy())
    return result


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
        one, two = edges[here[edges].all(1)].T.numpy()
        links = coo_array((np.ones(len(one)), (one, two)), (len(region), len(region)))
        thing = torch.from_numpy(connected_components(links, directed=False)[1]).long()
        sums = torch.zeros(int(thing.max()) + 1, len(kin)).double().index_add_(0, thing[here], scores[here][:, kin].double())
        region[here] = torch.tensor(kin)[sums.argmax(1)[thing[here]]]
    return region


def _together(frames: Sequence[Cut], chances: Sequence[Float[np.ndarray, "P K"]], names: Sequence[str]) -> list[UInt8[np.ndarray, " P"]]:
    """Of some frames, jointly."""
    starts = np.cumsum([0, *(len(frame.pixels) for frame in frames)])
    pairs, ties = [], []
    for number, frame in enumerate(frames):
        pairs.append(frame.pairs + starts[number])
        ties.append(frame.ties)
        if number and frame.before is not None:
            links, pixels = _links(frame, frames[number - 1])
            pairs.append(links + starts[[number, number - 1]][:, None])
            ties.append(ALONG * pixels)
    said = np.concatenate(chances)
    scores = np.concatenate([frame.pixels for frame in frames])[:, None] * np.log(said + UNHEARD)
    scores[:, 0] -= 1e3
    edges = torch.from_numpy(np.concatenate(pairs, 1).T.astype(np.int64))
    found = jointly(torch.from_numpy(scores), edges, torch.from_numpy(np.concatenate(ties).astype(np.float64)))
    found = _one_kind(found, edges, torch.from_numpy(scores), names)
    return [part.numpy().astype(np.uint8) for part in found.split(np.diff(starts).tolist())]


def _links(frame: Cut, other: Cut) -> tuple[Int[np.ndarray, "2 E"], Float[np.ndarray, " E"]]:
    """Superpixels of a frame and of the one before that show the same, and in how many pixels."""
    flow = frame.before
    if flow is None:
        return np.zeros((2, 0), np.int64), np.zeros(0, np.float32)
    sure = (flow.confidence > LEAST).numpy()
    landing = (pixel_centres((sure.shape[0], sure.shape[1])) + flow.flow.permute(1, 2, 0)).numpy()[sure].astype(np.int64)
    height, width = other.patches.shape
    x, y = landing[:, 0].clip(0, width - 1), landing[:, 1].clip(0, height - 1)
    keys = frame.patches[sure].astype(np.int64) * len(other.pixels) + other.patches[y, x]
    found, pixels = np.unique(keys, return_counts=True)
    return np.stack([found // len(other.pixels), found % len(other.pixels)]), pixels.astype(np.float32)
