"""The regions of a walk as one scene knows them: what segmenters say of single frames, lifted into surfels, shown to every frame again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from scipy.ndimage import label
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d, one_hot

from relook.captures.frames import spread
from relook.gaussians import Gaussians
from relook.lift.carry import glance
from relook.lift.scene.decided import LYING, STANDING, Decided, decided, tints_of
from relook.lift.scene.fuse import fused_surfels
from relook.lift.scene.rugs import Rugs, rugs_on, with_rugs
from relook.lift.scene.said import (
    LEAST,
    Packed,
    any_of,
    bordered,
    chances_of,
    numbered,
    numbers_of,
    patches_of,
    regions_of,
    unread_of,
)
from relook.lift.scene.sources import noisy
from relook.lift.scene.strays import without_islands, without_strays, without_unseen
from relook.lift.scene.surfels import surfels
from relook.lift.source import ViewSource
from relook.ops.align import centre
from relook.ops.geometry import to_camera
from relook.ops.guided import guided_filter
from relook.ops.splats import Blend, Blends
from relook.perceive.segment.vocabulary import canonical
from relook.progress import SILENT, Progress
from relook.types import UNLABELLED, Camera, Region, Segments, View

SIDE = 288
"""Longer side in pixels of the frames from which labels are lifted: those of networks are no finer."""
CELL = 2.5
"""Side of a surfel's cell in their pixels: rough depth needs larger ones than exact depth."""
MOST = 160
"""Frames that the scene is made of, at most; others are shown what it knows."""
GROWN = 5
"""Width in their pixels of the square by which what moves is grown."""
SURE = 0.5
"""Share of a pixel that the scene covers, below which it does not know the pixel."""
OWN = 0.1
"""How much a frame's own labels count where the scene knows nothing, beside what it knows of pixels of like colour around."""
AROUND = (0.15, 1e-3)
"""Guided filter that finds what the scene knows of pixels of like colour around."""
LIKE = (0.05, 0.03)
"""Where the scene knows nothing: how far a pixel's tint may be from that of a floor which its frame sees there, or which is around, and what
then counts by exp(-1/2)."""
DENIED, RIM = 0.3, 6
"""How much the scene counts where it shows the rim of a floor, so many pixels wide, and the frame itself sees another thing, or beside a floor and
the frame itself sees one: poses are rough too."""
STILL = 0.08
"""Logarithm of depths by which what is called moving may be off what the scene shows there and be a part of it."""


@dataclass(frozen=True)
class _Small:
    """What is kept of a frame."""

    labels: UInt8[Tensor, "h w"]
    """Numbers of names; 0 for none."""
    confidence: Float[Tensor, "h w"]
    camera: Camera | None
    """None where the frame has no place in the scene."""
    patches: Packed
    """Superpixels of the whole frame."""
    unread: Bool[Tensor, "h w"]
    """Where its sensor read nothing, but for pin holes: black and shiny things have no depth, and the scene shows what is behind them."""
    reach: float
    """How far away the sensor read something."""
    moves: Bool[Tensor, "h w"] | None = None
    """Where something moves; None where nothing does."""


@dataclass(frozen=True)
class SceneLabels:
    """Regions that are the same in every frame of a walk: one for each class, with one id and one confidence."""

    regions: Mapping[int, Region]
    frames: Sequence[_Small]
    blends: Blends
    """Of the frames that have a place in the scene, in their order."""
    decided: Decided
    """What the surfels are."""
    moving: tuple[int, ...]
    """Ids of what moves: only a frame's own labels know where it is."""
    measured: bool = True
    """Whether depth is a sensor's, which reads nothing of black things: where the scene knows nothing, floors are told by their colour, too."""
    rugs: Rugs | None = None
    """Where rugs lie on the floor."""

    @property
    def _lying(self) -> Bool[Tensor, " K"]:
        return torch.tensor([canonical(name) in LYING for name in self.decided.names])

    def segments(self, number: int, view: View) -> Segments:
        """The regions of a frame, with borders along its own edges."""
        frame, count = self.frames[number], len(self.decided.names)
        own = called = chances_of(frame.labels, count)
        rendered, coverage = self._shown(number, count)
        known = coverage.square() * (coverage > SURE) * (1 if frame.moves is None else ~frame.moves)
        small = interpolate(view.image[None], known.shape, mode="area")[0]
        alike, said = self._alike(small), own[self._lying].sum(0) > 0
        if self.decided.floor is not None and self.measured:
            lies = rendered[self._lying].sum(0) > SURE
            hidden = self._hidden(number, called)
            known = torch.where((_rim(lies) | (lies & hidden)) & ~said, DENIED * alike.amax(0) * known, known)
            known = torch.where(_rim(~lies) & said, (1 - alike.amax(0)).clamp_max(DENIED) * known, known)
        shown = torch.cat([known * rendered, known[None]])
        around, own = guided_filter(small, shown, *AROUND).clamp_min(0), OWN * own
        if self.decided.floor is not None and self.measured:
            around[:-1][self._lying] *= torch.where(said, 1.0, torch.where(hidden, DENIED, 1.0) * alike)
            bound = SURE if bool(coverage.any()) else -1.0
            own[self._lying] = alike.clamp_min(LEAST) * (said & (alike > bound) & (alike == alike.amax(0)))
        guess = (around[:-1] + own) / (around[-1:] + own.sum(0)).clamp_min(1e-6)
        mixed = shown[:-1] + (1 - known) * guess
        mixed = torch.where(self._by_itself(frame, called, rendered), called, mixed)
        mixed = self._with_rugs(frame, mixed)
        labels = bordered(view.image, mixed, frame.patches.unpacked())
        unknown = interpolate((known < SURE)[None, None].float(), view.size)[0, 0] > 0
        whole = without_strays(labels, unknown, self.moving)
        labels = without_unseen(view.image, whole, unknown, self.regions, self.moving)
        return Segments(without_islands(labels, self._lying, self.moving), self.regions)

    def _hidden(self, number: int, called: Float[Tensor, "K h w"]) -> Bool[Tensor, "h w"]:
        """Where a frame sees a thing of which its sensor read nothing, though it would have read what the scene shows there."""
        frame = self.frames[number]
        if frame.camera is None:
            return torch.zeros_like(frame.unread)
        z = self.blends[self.place(number)].render(to_camera(self.blends.gaussians.means, frame.camera)[:, 2:])[0]
        things = [bool(name) and canonical(name) not in (*LYING, *STANDING) for name in self.decided.names]
        return frame.unread & (z < frame.reach) & (called[torch.tensor(things)].sum(0) > 0)

    def _by_itself(
        self, frame: _Small, own: Float[Tensor, "K h w"], rendered: Float[Tensor, "K h w"]
    ) -> Bool[Tensor, "h w"]:
        """Where a frame's own labels decide: of what moves; and where depth was estimated, of borders, as far as that may be off."""
        moves = torch.zeros(own.shape[1:], dtype=torch.bool) if frame.moves is None else frame.moves
        if self.measured:
            return moves
        near = np.stack([cv2.dilate(one, np.ones((2 * RIM + 1,) * 2, np.uint8)) for one in rendered.numpy()])
        return moves | ((torch.from_numpy(near) * own).sum(0) > SURE)

    def _with_rugs(self, frame: _Small, mixed: Float[Tensor, "K h w"]) -> Float[Tensor, "K h w"]:
        """Chances of what lies on the floor, rugs where these are for the whole walk."""
        if self.rugs is None or frame.camera is None:
            return mixed
        rug = self._lying & torch.tensor([canonical(name) == "rug" for name in self.decided.names])
        inside = self.rugs.shown(frame.camera, (mixed.shape[1], mixed.shape[2]))
        lying, mixed = mixed[self._lying].sum(0), mixed.clone()
        for some, part in ((rug, inside), (self._lying & ~rug, 1 - inside)):
            own = mixed[some] + LEAST * self.areas[some][:, None, None]
            mixed[some] = part * lying * own / own.sum(0)
        return mixed

    @cached_property
    def areas(self) -> Float[Tensor, " K"]:
        """Share of the surfels that every region has, at least a little."""
        count = torch.bincount(self.decided.region, minlength=len(self.decided.names)).float()
        return (count + 1e-3) / count.sum()

    def _shown(self, number: int, count: int) -> tuple[Float[Tensor, "K h w"], Float[Tensor, "h w"]]:
        """What the scene shows in a frame, and how far it covers it: nothing in one without a place in it."""
        labels = self.frames[number].labels
        if self.frames[number].camera is None:
            return torch.zeros(count, *labels.shape), torch.zeros(labels.shape)
        blend = self.blends[self.place(number)]
        return blend.render(one_hot(self.decided.region, count).float()), blend.coverage

    def place(self, number: int) -> int:
        """Which of the blends is a frame's."""
        return _place(self.frames, number)

    def _alike(self, image: Float[Tensor, "3 h w"]) -> Float[Tensor, "L h w"]:
        """How far every pixel may be of each region on the floor by its colour: black things have no depth, and stand beside floors."""
        tints = tints_of(image.flatten(1).T.clamp(0, 1))
        off = (torch.cdist(self.decided.tints[self._lying], tints) - LIKE[0]).clamp_min(0) / LIKE[1]
        return torch.exp(-off.square() / 2).unflatten(1, image.shape[1:])


def scene_labels(
    source: ViewSource,
    see: Callable[[View], Segments],
    moving: Sequence[str] = (),
    progress: Progress = SILENT,
    measured: bool = True,
    patches: Callable[[Float[Tensor, "3 H W"]], Int[np.ndarray, "y x"]] = patches_of,
) -> SceneLabels:
    """The regions that `see` finds in every view of a walk with cameras and depth, brought together in the scene (`decided`).

    A view without a camera has no place in it, and keeps its own. moving: names of what moves, which is no part of the scene.
    measured: as in SceneLabels. patches: who finds superpixels. Raises DepthError where no depth is known.
    """
    names: dict[str, int] = {"": UNLABELLED}
    frames, small, moves = [], [], dict[int, tuple[View, Bool[Tensor, "h w"]]]()
    wanted, chosen = spread(len(source), MOST), list[int]()
    with progress.stage("seeing the walk", len(source)) as tick:
        for number in range(len(source)):
            view = source.view(number)
            little, found = glance(view, SIDE), see(view)
            frames.append(_small(found, little, names, patches(view.image)))
            here = any_of(found.resized(little.size), moving)
            if bool(here.any()):
                moves[number] = little, here
            if number in wanted and little.camera is not None:
                chosen.append(number)
                small.append(_without(little, here))
            tick(number + 1)
    gaussians = (fused_surfels if noisy(small) else surfels)(small, CELL)
    cameras = [frame.camera for frame in frames if frame.camera is not None]
    blends = Blends(gaussians, cameras, small[0].size)
    moved = tuple(names[name] for name in moving if name in names)
    votes, eyes = _votes(blends, frames, chosen, len(names)), torch.stack([centre(camera) for camera in cameras])
    votes[:, list(moved)] = 0.0
    sure = _sure(frames, names)
    scene = decided(gaussians, votes, tuple(names), eyes, measured, [name for name, one in sure.items() if one < 1])
    rugs = None if scene.floor is None else rugs_on(scene.floor, frames, *numbers_of(names))
    scene = scene if rugs is None else with_rugs(scene, gaussians, rugs)
    for number, (view, here) in moves.items():
        moves_here = here if view.camera is None else _moving(view, here, blends[_place(frames, number)], gaussians)
        frames[number] = replace(frames[number], moves=moves_here)
    return SceneLabels(regions_of(scene, sure), frames, blends, scene, moved, measured, rugs)


def _rim(mask: Bool[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    """What of a mask lies near its border, not near the picture's."""
    return mask & (max_pool2d((~mask)[None, None].float(), 2 * RIM + 1, 1, RIM)[0, 0] > 0)


def _small(found: Segments, view: View, names: dict[str, int], patches: Int[np.ndarray, "y x"]) -> _Small:
    """What is kept of a frame; new names are given the next number."""
    for name in found.names:
        names.setdefault(name, len(names))
    labels, sure = numbered(found.resized(view.size), names)
    return _Small(labels.to(torch.uint8), sure, view.camera, Packed.of(patches), *unread_of(view))


def _without(view: View, moves: Bool[Tensor, "H W"]) -> View:
    """A view whose depth is not known where something moves."""
    depth = view.depth
    if depth is None or not bool(moves.any()):
        return view
    valid = ~grown(moves)
    return replace(view, depth=replace(depth, valid=valid if depth.valid is None else valid & depth.valid))


def _moving(view: View, here: Bool[Tensor, "h w"], blend: Blend, gaussians: Gaussians) -> Bool[Tensor, "h w"]:
    """What is left of what a view calls moving: not the parts whose depth is that of the scene, which is made of what stays. A plant's pot that one
    frame takes for somebody stands where others see a plant."""
    depth, camera = view.metric_depth, view.camera
    if depth is None or camera is None:
        return here
    z = blend.render(to_camera(gaussians.means, camera)[:, 2:])[0]
    stays = ((z / depth).log().abs() < STILL) & (blend.coverage > SURE)
    parts = torch.from_numpy(label(here.numpy())[0]).long()
    sizes = torch.bincount(parts.flatten())
    return here & (torch.bincount(parts.flatten(), stays.flatten().float()) < SURE * sizes)[parts]


def grown(moves: Bool[Tensor, "H W"]) -> Bool[Tensor, "H W"]:
    """What moves, and what is near it."""
    return max_pool2d(moves[None].float(), GROWN, 1, GROWN // 2)[0] > 0


def _place(frames: Sequence[_Small], number: int) -> int:
    """Which of the blends is a frame's."""
    return sum(frame.camera is not None for frame in frames[:number])


def _votes(blends: Blends, frames: Sequence[_Small], chosen: Sequence[int], classes: int) -> Float[Tensor, "N K"]:
    """For how many pixels of some frames, by their confidence, every surfel is of every class."""
    total = torch.zeros(len(blends.gaussians), classes)
    for number in chosen:
        frame = frames[number]
        total += blends[_place(frames, number)].transposed(chances_of(frame.labels, classes) * frame.confidence)
    return total


def _sure(frames: Sequence[_Small], names: Mapping[str, int]) -> dict[str, float]:
    """How sure the pixels of every name are in the mean of the walk."""
    sums, counts = torch.zeros(2, len(names)).double()
    for frame in frames:
        sums += torch.bincount(frame.labels.flatten().long(), frame.confidence.flatten().double(), len(names))
        counts += torch.bincount(frame.labels.flatten().long(), minlength=len(names))
    return dict(zip(names, (sums / counts.clamp_min(1)).tolist(), strict=True))
