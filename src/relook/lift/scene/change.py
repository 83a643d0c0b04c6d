"""A walk whose scene carries the change, not the picture: every frame keeps its own detail, and the same thing changes alike in all of them.

labels of all frames -> scene -> every frame again; one change of colours per region, solved over the whole walk, or for methods that denoise what
changed in key frames (`relook.lift.scene.keyed`); applied to the frames.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from relook.captures.frames import spread
from relook.config import PhotoConfig, ViewsConfig
from relook.correspond.semantic import Correspondence
from relook.lift.ahead import ahead
from relook.lift.followed import FollowedLabels, OnFloor, followed_floor, followed_labels, raised
from relook.lift.geometry import posed_views
from relook.lift.look import Look, RestyledFrame
from relook.lift.scene.covers import Floors, GroundCover
from relook.lift.scene.ground import ground_of, lying
from relook.lift.scene.keyed import KeyedLook, keyed_look
from relook.lift.scene.labels import SceneLabels, scene_labels
from relook.lift.scene.said import patches_of
from relook.lift.scene.sheet import SIDE, sheet
from relook.lift.source import ViewSource
from relook.lift.store import History, InMemory
from relook.ops.splats import Blend
from relook.ops.srgb import to_linear
from relook.perceive.borders.unseen import without_unseen
from relook.perceive.perception import Perception
from relook.perceive.segment import SEGMENTERS, exact
from relook.perceive.segment.open_vocabulary import labelled
from relook.perceive.segment.regions import ids_named
from relook.perceive.segment.vocabulary import canonical
from relook.progress import SILENT, Progress
from relook.session import Session
from relook.transfer.composite import composite
from relook.transfer.materials import shown
from relook.transfer.materials.cover import MAIN, painted
from relook.transfer.materials.shading import main_light
from relook.transfer.palette import ColourMaps, colour_maps, palette
from relook.transfer.photo import understood
from relook.transfer.references import Styles
from relook.transfer.resolve import Run
from relook.transfer.strength import weakened
from relook.transfer.working import shrunk
from relook.types import Segments, View

log = logging.getLogger("relook")
EVERY = 2
"""Of frames without cameras, every so many are looked at by a network."""
SHEET = 16
"""Frames from which the change of colours is solved, at most."""


def through_scene(
    source: ViewSource,
    style: Styles,
    config: ViewsConfig,
    session: Session,
    progress: Progress = SILENT,
    history: History | None = None,
) -> Iterator[RestyledFrame]:
    """Give every view the look of the style picture: what changes is decided once for the whole walk, and applied to the views themselves.

    Needs cameras and depth. Takes and gives what `relook.lift.propagation.propagate` does.
    """
    walk, history = posed_views(source, config, session), history or InMemory()
    left = [number for number in range(len(walk)) if history.notes(number) is None]
    if not left:
        return
    patches = partial(patches_of, session=session)
    labels = scene_labels(walk, seer(config.photo, session), config.leave, progress, walk.metres, patches)
    decide = _look if config.photo.chosen_method == "palette" else keyed_look
    look = decide(walk, labels, style, config, session, progress, history.folder_of("keys"))
    firsts = _firsts(labels.blends)

    def first(number: int, view: View) -> Bool[Tensor, "H W"]:
        """Where a frame shows what none before it showed."""
        if view.camera is None:
            return torch.ones(view.size, dtype=torch.bool)
        return interpolate(firsts[labels.place(number)][None, None].float(), view.size)[0, 0] > 0

    yield from _changed(walk, labels, look, (left, first), progress, history)


def through_frames(
    source: ViewSource,
    style: Styles,
    config: ViewsConfig,
    session: Session,
    progress: Progress = SILENT,
    history: History | None = None,
) -> Iterator[RestyledFrame]:
    """The same for a walk of which no cameras are known: regions are followed from frame to frame, and floors keep their own material where the
    pictures do not hold their plane in place.

    By method palette alone. Takes and gives what `relook.lift.propagation.propagate` does.
    """
    history = history or InMemory()
    left = [number for number in range(len(source)) if history.notes(number) is None]
    if not left:
        return
    # colours do not ask for depth, nor, where no floor is known, for the style's room
    photo = replace(config.photo, depth_estimator="none")
    patches = partial(patches_of, session=session)
    labels = followed_labels(source, seer(photo, session), EVERY, config.leave, progress, patches)
    floor = followed_floor(source, labels, progress) if photo.materials else None
    if floor is None:
        photo = replace(photo, materials=False, style_layout="none")
    else:
        log.info(
            "the floor is held in place to %.2f pixels in %d of %d frames", floor.off, len(floor.cameras), len(source)
        )
        if source.view(0).segments is None:
            labels = labels.refuted(raised(source, floor, labels.patches))
    walk = source if floor is None else OnFloor(source, floor)
    look = _look(walk, labels, style, replace(config, photo=photo), session, progress)
    yield from _changed(
        walk, labels, look, (left, lambda _, view: torch.ones(view.size, dtype=torch.bool)), progress, history
    )


def _changed(
    walk: ViewSource,
    labels: SceneLabels | FollowedLabels,
    look: _WalkLook | KeyedLook,
    frames: tuple[Sequence[int], Callable[[int, View], Bool[Tensor, "H W"]]],
    progress: Progress,
    history: History,
) -> Iterator[RestyledFrame]:
    """Frames in the new look, kept in the history. frames: their numbers, and where each shows what none before it showed."""
    left, first = frames

    def restyled(one: tuple[int, View]) -> tuple[int, View, Look, float]:
        (number, view), start = one, time.perf_counter()
        view = replace(view, segments=labels.segments(number, view))
        return number, view, Look.painted(look.of(number, view), view), time.perf_counter() - start

    views = ((number, walk.view(number)) for number in left)
    threads = 1 if isinstance(labels, SceneLabels) else None  # a scene's matrices are made anew one at a time
    with progress.stage("frames", len(walk)) as tick:
        for number, view, new, seconds in ahead(restyled, views, threads):
            notes = {
                "number": number, "key_frame": number in look.keys, "history": [], "painted": 0.0, "moving": 0.0, "candidates": [],
                "weights": look.weights, "seconds": round(seconds, 2),
            }  # fmt: skip
            age = torch.where(first(number, view), 0.0, 1.0)
            frame = RestyledFrame(number, view, replace(new, age=age).rounded(), notes)
            history.add(frame)
            yield frame
            tick(number + 1)


@dataclass(frozen=True)
class _WalkLook:
    """What changes in every frame of a walk, decided once."""

    run: Run
    style: View
    correspondence: Correspondence
    maps: ColourMaps
    lights: Mapping[str, float]
    """The log of the main light on every thing that is painted."""
    covers: Sequence[GroundCover]
    """Materials on the floor."""
    keys: tuple[int, ...] = ()
    """Frames that are restyled by themselves."""

    @property
    def weights(self) -> Mapping[str, str]:
        """Revision of everything learned that decided it."""
        return self.run.weights

    def of(self, number: int, view: View) -> Float[Tensor, "3 H W"]:
        """A view with the scene's segments in the new look."""
        segments, config = exact(view), self.run.config
        found = replace(self.correspondence, structure=segments)
        new = palette(view, self.style, found, config.strongest, self.maps)
        for material in self.covers:
            new = material.over(new, view, config.strongest)
        for cover in config.covers:
            mask = segments.among(ids_named(segments, canonical(cover.thing)))
            if cover.colour is not None and bool(mask.any()):
                colour, light = to_linear(torch.tensor(cover.colour)), self.lights[cover.thing]
                new = painted(new, view.image, mask, colour, config.strongest, light)
        return composite(view.image, weakened(new, view, config), found.kept)


def _look(
    walk: ViewSource,
    labels: SceneLabels | FollowedLabels,
    style: Styles,
    config: ViewsConfig,
    session: Session,
    progress: Progress,
    work: Path | None = None,
) -> _WalkLook:
    """What changes, decided on a sheet of frames that stand for the walk."""
    frames = [_small(walk, labels, number) for number in spread(len(walk), SHEET)]
    picture = sheet(frames)
    run, picture, seen = understood(picture, style, replace(config.photo, layout="none"), session, progress)
    correspondence = replace(run.correspondence(picture, seen), apart=True)
    paints = [cover.thing for cover in run.config.covers if cover.colour is not None]
    lights = {thing: main_light(picture.image, shown(picture, thing), MAIN) for thing in paints}
    covers: list[GroundCover] = []
    floors = _floors(walk, labels, frames)
    if floors is not None:
        covers += floors.stated(run, picture)
        if run.materials and "floor" not in [canonical(cover.thing) for cover in run.config.covers]:
            covers += floors.styled(seen, correspondence)
    return _WalkLook(run, seen, correspondence, colour_maps(picture, seen, correspondence), lights, covers)


def _floors(walk: ViewSource, labels: SceneLabels | FollowedLabels, frames: Sequence[View]) -> Floors | None:
    """What is known of a walk's floor; None where its plane is not."""
    shrunk = max(walk.view(0).size) / max(frames[0].size)
    if isinstance(labels, SceneLabels):
        points = labels.blends.gaussians.means[lying(labels.decided)]
        return Floors(points, ground_of(labels, labels.measured), frames, shrunk)
    return Floors(walk.floor.points, walk.floor.plane, frames, shrunk) if isinstance(walk, OnFloor) else None


def _small(walk: ViewSource, labels: SceneLabels | FollowedLabels, number: int) -> View:
    """A frame at SIDE, with its camera and the scene's segments."""
    view = walk.view(number)
    small = shrunk(View(view.image, camera=view.camera), SIDE)
    if isinstance(labels, FollowedLabels):
        return replace(small, segments=labels.rough(number, small.size))
    return replace(small, segments=labels.segments(number, small))


def seer(photo: PhotoConfig, session: Session) -> Callable[[View], Segments]:
    """Who sees the regions of a single frame: its own, a network (of whose doubtful things those go that nothing in the picture parts from
    what is around them), or the room's planes; and over them what the user named."""
    perception, coarse = Perception(session, photo.segmenter), SEGMENTERS.chosen(photo.segmenter) == "ade20k"

    def see(view: View) -> Segments:
        segments = perception.regions(view)
        if coarse and view.segments is None:
            segments = without_unseen(view.image, segments)
        if not photo.label:
            return segments
        return labelled(replace(view, segments=segments), photo.label, photo.labeller, session)

    return see


def _firsts(blends: Sequence[Blend]) -> list[Bool[Tensor, "h w"]]:
    """Where every frame shows what none before it showed."""
    known, firsts = torch.zeros(blends[0].count, 1), []
    for one in blends:
        firsts.append(one.seen & (one.render(known)[0] < 0.5))
        known = torch.maximum(known, (one.transposed(torch.ones(1, *one.size)) > 0).float())
    return firsts
