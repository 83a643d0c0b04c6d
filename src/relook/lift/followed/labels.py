"""The regions of a walk without cameras: what segmenters say of some frames is followed by flow to the others, and decided together by superpixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from relook.lift.ahead import ahead
from relook.lift.carry import LEAST, glance
from relook.lift.followed.cut import Cut, cut
from relook.lift.followed.joined import joined
from relook.lift.followed.kept import Kept
from relook.lift.followed.motion import Keyed, keyed, motions
from relook.lift.scene.decided import DOUBTED, LYING
from relook.lift.scene.said import HARDLY, bordered, chances_of, numbered, patches_of
from relook.lift.scene.strays import without_islands, without_unseen
from relook.lift.source import ViewSource
from relook.ops.resize import at_most, resized
from relook.ops.warp import look_up
from relook.perceive.segment.vocabulary import canonical
from relook.progress import SILENT, Progress
from relook.types import UNLABELLED, Matches, Region, Segments, View

SIDE = 288
"""Longer side in pixels of the frames in which flow is found: labels of networks are no finer."""
UNSEEN = 576
"""Longer side in pixels of frames that nobody looks at, in which superpixels are found, at most."""
KEEP = 0.85
"""What is left, one frame on, of what frames before or after say."""
DOUBT = 0.05
"""Confidence that is counted for what has less."""


class _Said(NamedTuple):
    """What a frame says by itself, at SIDE."""

    labels: UInt8[np.ndarray, "h w"]
    """Numbers of names."""
    confidence: Float[np.ndarray, "h w"]
    looked: Bool[np.ndarray, ""]
    """Whether anybody looked at it; else it says nothing."""

    def votes(self, classes: int) -> Float[Tensor, "K h w"]:
        """For every class; nothing where nobody looked."""
        if not self.looked:
            return torch.zeros(classes, *self.confidence.shape)
        sure = torch.from_numpy(self.confidence).clamp_min(DOUBT)
        return chances_of(torch.from_numpy(self.labels), classes) * sure


class _Moved(NamedTuple):
    """Flow between a frame and the one before it, in half precision."""

    before: Float[np.ndarray, "2 h w"]
    """To the frame before."""
    before_sure: Float[np.ndarray, "h w"]
    after: Float[np.ndarray, "2 h w"]
    """From the frame before."""
    after_sure: Float[np.ndarray, "h w"]


class _Walk(NamedTuple):
    """What is known of all frames of a walk, read again where it is needed."""

    said: Kept[_Said]
    cuts: Kept[Cut]
    moved: Kept[_Moved]
    """Of every frame but the first."""
    patches: Kept[Int[np.ndarray, "y x"]]
    """Superpixels of whole frames."""

    @staticmethod
    def empty() -> _Walk:
        """Of no frames yet."""
        return _Walk(
            Kept(tuple, _Said), Kept(tuple, Cut), Kept(tuple, _Moved), Kept(lambda one: (one,), lambda one: one)
        )


@dataclass(frozen=True)
class _Decision:
    """What regions are decided from."""

    walk: _Walk
    votes: Sequence[Float[np.ndarray, "_ K"]]
    sure: Mapping[str, float]
    """How sure every name is, in the order of the votes; the first is none."""
    moving: tuple[str, ...]

    def made(self, raised: Sequence[Bool[np.ndarray, " _"]] | None = None) -> FollowedLabels:
        """The regions. raised: which superpixels of every frame stand above the floor, as far as that is known."""
        lies = np.array([canonical(name) in LYING for name in self.sure])
        votes = self.votes if raised is None else _Refuted(self.votes, raised, lies)
        doubted = [name for name, one in self.sure.items() if one < 1]
        found = joined(self.walk.cuts, votes, tuple(self.sure), doubted)
        regions = {
            id: Region(
                name, found.names[:id].count(name), confidence=min(self.sure[name], HARDLY if id in found.dark else 1.0)
            )
            for id, name in enumerate(found.names)
            if id != UNLABELLED
        }
        moved = tuple(id for id, name in enumerate(found.names) if name in self.moving)
        return FollowedLabels(regions, self.walk.patches, found.region, moved, self)


@dataclass(frozen=True)
class _Refuted(Sequence[np.ndarray]):
    """Votes, those for what lies on a floor taken from what stands above it."""

    votes: Sequence[np.ndarray]
    raised: Sequence[np.ndarray]
    lies: Bool[np.ndarray, " K"]

    def __len__(self) -> int:
        return len(self.votes)

    def __getitem__(self, number: int) -> np.ndarray:  # type: ignore[override]
        if number >= len(self):
            raise IndexError(number)
        return np.where(self.raised[number][:, None] & self.lies, DOUBTED * self.votes[number], self.votes[number])


@dataclass(frozen=True)
class FollowedLabels:
    """Regions of a walk: one for each class, floors of other colours apart, with one id and one confidence in all frames."""

    regions: Mapping[int, Region]
    patches: Sequence[Int[np.ndarray, "y x"]]
    """Superpixels of every frame."""
    decided: Sequence[UInt8[np.ndarray, " _"]]
    """The region of each."""
    moving: tuple[int, ...]
    """Ids of what moves."""
    decision: _Decision
    """What they were decided from."""

    def step(self, number: int) -> tuple[Float[np.ndarray, "2 h w"], Float[np.ndarray, "h w"]]:
        """Flow from a frame, not the first, to the one before, in pixels of a small picture, and how sure it is."""
        found = self.decision.walk.moved[number - 1]
        return found.before, found.before_sure

    def refuted(self, raised: Sequence[Bool[np.ndarray, " _"]]) -> FollowedLabels:
        """The regions, decided anew. raised: which superpixels of every frame stand above the floor."""
        return self.decision.made(raised) if any(one.any() for one in raised) else self

    def rough(self, number: int, size: tuple[int, int]) -> Segments:
        """The regions of a frame at a size, with the borders of its superpixels."""
        labels = torch.from_numpy(self.decided[number][self.patches[number]].astype(np.int64))
        return Segments(labels, self.regions).resized(size)

    def segments(self, number: int, view: View) -> Segments:
        """The regions of a frame, with borders along its own edges."""
        patches = self.patches[number]
        labels = torch.from_numpy(self.decided[number][patches])
        chances = chances_of(labels, max(self.regions, default=UNLABELLED) + 1)
        found = bordered(view.image, chances, patches)
        found = without_unseen(view.image, found, torch.zeros_like(found, dtype=torch.bool), self.regions, self.moving)
        lying = torch.tensor(
            [id in self.regions and canonical(self.regions[id].name) in LYING for id in range(len(chances))]
        )
        return Segments(without_islands(found, lying, self.moving), self.regions)


def followed_labels(
    source: ViewSource,
    see: Callable[[View], Segments],
    every: int = 1,
    moving: Sequence[str] = (),
    progress: Progress = SILENT,
    patches: Callable[[Float[Tensor, "3 H W"]], Int[np.ndarray, "y x"]] = patches_of,
) -> FollowedLabels:
    """The regions that `see` finds in every `every`-th view of a walk and in the last, followed to all of them.

    moving: names of what moves. patches: who finds superpixels, of views that nobody looks at (a network needs its own) in pictures of UNSEEN pixels at most.
    Views need neither cameras nor depth.
    """
    names: dict[str, int] = {"": UNLABELLED}
    walk, count = _Walk.empty(), len(source)
    last: tuple[Keyed, Cut] | None = None
    views = ((source.view(number), number % every == 0 or number == count - 1) for number in range(count))
    with progress.stage("seeing the walk", count) as tick:
        for seen, here, parts in ahead(partial(_glimpsed, see, patches), views):
            walk.said.add(_nothing(here.small.size) if seen is None else _numbered(seen, here.small, names))
            walk.patches.add(parts)
            before = None if last is None else _motion(walk, last[0], here)
            last = here, cut(here.small.image, parts, before, None if last is None else last[1])
            walk.cuts.add(last[1])
            tick(len(walk.cuts))
    with progress.stage("deciding"):
        said = _Decision(walk, _votes(walk, len(names)), _sure(walk.said, names), tuple(moving))
        return said.made()


def _glimpsed(
    see: Callable[[View], Segments],
    patches: Callable[[Float[Tensor, "3 H W"]], Int[np.ndarray, "y x"]],
    one: tuple[View, bool],
) -> tuple[Segments | None, Keyed, Int[np.ndarray, "y x"]]:
    """What is known of a frame by itself: its regions where it is looked at, its keypoints, its superpixels."""
    view, looked = one
    found = see(view) if looked else None
    picture = view.image if looked else resized(view.image, at_most(view.size, UNSEEN))
    return found, keyed(view.image, glance(View(view.image), SIDE)), patches(picture).astype(np.int32)


def _motion(walk: _Walk, previous: Keyed, here: Keyed) -> Matches:
    """Flow from a frame to the one before, kept with the flow back."""
    after, before = motions(previous, here)
    half = (one.half().numpy() for one in (before.flow, before.confidence, after.flow, after.confidence))
    walk.moved.add(_Moved(*half))
    return before


def _nothing(size: tuple[int, int]) -> _Said:
    """Of a frame that nobody looked at."""
    return _Said(np.full(size, UNLABELLED, np.uint8), np.zeros(size, np.float32), np.array(False))


def _numbered(found: Segments, small: View, names: dict[str, int]) -> _Said:
    """What is kept of a frame's regions; new names are given the next number."""
    for name in found.names:
        names.setdefault(name, len(names))
    labels, sure = numbered(found.resized(small.size), names)
    return _Said(labels.to(torch.uint8).numpy(), sure.numpy(), np.array(True))


def _votes(walk: _Walk, classes: int) -> Kept[Float[np.ndarray, "_ K"]]:
    """What is said of every superpixel of every frame: by itself, and by frames before and after as far as flow follows."""
    count = len(walk.cuts)
    back, both = (Kept[Float[np.ndarray, "_ K"]](lambda one: (one,), lambda one: one) for _ in range(2))
    for number, votes in _passed(walk, classes, range(count - 1, -1, -1)):
        back.add(walk.cuts[number].sums(votes))
    for number, votes in _passed(walk, classes, range(count)):
        frame = walk.cuts[number]
        own = frame.sums(walk.said[number].votes(classes))
        both.add(frame.sums(votes) + back[count - 1 - number] - own)
    return both


def _passed(walk: _Walk, classes: int, order: range) -> Iterator[tuple[int, Float[Tensor, "K h w"]]]:
    """What every frame says of itself and those say that come before it in this order."""
    last = None
    for number in order:
        votes = walk.said[number].votes(classes)
        if last is not None:
            moved = walk.moved[number - 1] if order.step > 0 else walk.moved[number]
            flow, sure = (torch.from_numpy(one).float() for one in (moved[:2] if order.step > 0 else moved[2:]))
            known = look_up(last, flow, sure * (sure > LEAST))
            votes = votes + KEEP * known.values * known.confidence
        yield number, votes
        last = votes


def _sure(frames: Sequence[_Said], names: Mapping[str, int]) -> dict[str, float]:
    """How sure the pixels of every name are in the mean."""
    sums, counts = torch.zeros(2, len(names)).double()
    for frame in frames:
        if frame.looked:
            flat = torch.from_numpy(frame.labels).flatten().long()
            sums += torch.bincount(flat, torch.from_numpy(frame.confidence).flatten().double(), len(names))
            counts += torch.bincount(flat, minlength=len(names))
    return dict(zip(names, (sums / counts.clamp_min(1)).tolist(), strict=True))
