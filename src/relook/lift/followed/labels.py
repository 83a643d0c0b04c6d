"""The regions of a walk without cameras: what segmenters say of some frames is followed by flow to the others, and decided together by superpixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from relook.lift.carry import LEAST, glance
from relook.lift.followed.joined import Cut, cut, joined
from relook.lift.followed.motion import keyed, motions
from relook.lift.scene.decided import LYING
from relook.lift.scene.said import Packed, bordered, chances_of, numbered, patches_of
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


class _Seen(NamedTuple):
    """What is kept of a frame at SIDE."""

    labels: UInt8[Tensor, "h w"] | None
    """Numbers of names; None where nobody looked at it."""
    confidence: Float[Tensor, "h w"]
    cut: Cut
    before: Matches | None
    """Flow to the frame before, in half precision; None for the first."""
    after: Matches | None
    """To the frame after; None for the last."""


@dataclass(frozen=True)
class FollowedLabels:
    """Regions of a walk: one for each class, floors of other colours apart, with one id and one confidence in all frames."""

    regions: Mapping[int, Region]
    patches: Sequence[Packed]
    """Superpixels of every frame."""
    decided: Sequence[UInt8[np.ndarray, " _"]]
    """The region of each."""
    moving: tuple[int, ...]
    """Ids of what moves."""

    def rough(self, number: int, size: tuple[int, int]) -> Segments:
        """The regions of a frame at a size, with the borders of its superpixels."""
        labels = torch.from_numpy(self.decided[number][self.patches[number].unpacked()].astype(np.int64))
        return Segments(labels, self.regions).resized(size)

    def segments(self, number: int, view: View) -> Segments:
        """The regions of a frame, with borders along its own edges."""
        patches = self.patches[number].unpacked()
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
    frames, packed, previous = list[_Seen](), list[Packed](), None
    with progress.stage("seeing the walk", len(source)) as tick:
        for number in range(len(source)):
            view = source.view(number)
            here = keyed(view.image, glance(View(view.image), SIDE))
            looked = number % every == 0 or number == len(source) - 1
            labels, sure = _numbered(see(view), here.small, names) if looked else (None, torch.zeros(here.small.size))
            picture = view.image if looked else resized(view.image, at_most(view.size, UNSEEN))
            packed.append(Packed.of(patches(picture)))
            before = None
            if previous is not None:
                after, before = motions(previous, here)
                frames[-1] = frames[-1]._replace(after=_half(after))
            made = cut(here.small.image, packed[-1].unpacked(), before, frames[-1].cut if frames else None)
            frames.append(_Seen(labels, sure, made, None if before is None else _half(before), None))
            previous = here
            tick(number + 1)
    with progress.stage("deciding"):
        found = joined([frame.cut for frame in frames], _said(frames, len(names)), tuple(names))
    sure_of = _sure(frames, names)
    regions = {
        id: Region(name, found.names[:id].count(name), confidence=sure_of[name])
        for id, name in enumerate(found.names)
        if id != UNLABELLED
    }
    moved = tuple(id for id, name in enumerate(found.names) if name in moving)
    return FollowedLabels(regions, packed, found.region, moved)


def _numbered(found: Segments, small: View, names: dict[str, int]) -> tuple[UInt8[Tensor, "h w"], Float[Tensor, "h w"]]:
    """What is kept of a frame's regions; new names are given the next number."""
    for name in found.names:
        names.setdefault(name, len(names))
    labels, sure = numbered(found.resized(small.size), names)
    return labels.to(torch.uint8), sure


def _said(frames: Sequence[_Seen], classes: int) -> list[Float[np.ndarray, "_ K"]]:
    """What is said of every superpixel of every frame: by itself, and by frames before and after as far as flow follows."""
    forth = _passed(frames, classes, [frame.before for frame in frames])
    back = _passed(frames[::-1], classes, [frame.after for frame in reversed(frames)])[::-1]
    said = [frame.cut.sums(_votes(frame, classes)) for frame in frames]
    return [one + two - mine for one, two, mine in zip(forth, back, said, strict=True)]


def _half(flow: Matches) -> Matches:
    return Matches(flow.flow.half(), flow.confidence.half(), flow.occluded)


def _votes(frame: _Seen, classes: int) -> Float[Tensor, "K h w"]:
    """What a frame says by itself; nothing where nobody looked at it."""
    if frame.labels is None:
        return torch.zeros(classes, *frame.confidence.shape)
    return chances_of(frame.labels, classes) * frame.confidence.clamp_min(DOUBT)


def _passed(frames: Sequence[_Seen], classes: int, flows: Sequence[Matches | None]) -> list[Float[np.ndarray, "_ K"]]:
    """What frames say of themselves and those that come before them in this order, by superpixels. flows: from every frame to that."""
    said, last = [], None
    for frame, flow in zip(frames, flows, strict=True):
        votes = _votes(frame, classes)
        if last is not None and flow is not None:
            known = look_up(last, flow.flow.float(), (flow.confidence * (flow.confidence > LEAST)).float())
            votes = votes + KEEP * known.values * known.confidence
        said.append(frame.cut.sums(votes))
        last = votes
    return said


def _sure(frames: Sequence[_Seen], names: Mapping[str, int]) -> dict[str, float]:
    """How sure the pixels of every name are in the mean."""
    sums, counts = torch.zeros(2, len(names)).double()
    for frame in frames:
        if frame.labels is not None:
            flat = frame.labels.flatten().long()
            sums += torch.bincount(flat, frame.confidence.flatten().double(), len(names))
            counts += torch.bincount(flat, minlength=len(names))
    return dict(zip(names, (sums / counts.clamp_min(1)).tolist(), strict=True))
