"""The pictures by which a scene is restyled: a few posed views that together show most of it, each with the scene's regions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from relook.captures import read_capture, read_path
from relook.captures.frames import spread
from relook.captures.path import path_in
from relook.config import RestyleConfig
from relook.errors import GeometryError, InputError
from relook.files import PathLike
from relook.gaussians import Gaussians
from relook.lift.restyled.alone import PlainRoom, plain_room, things_alone
from relook.lift.restyled.regions import scene_regions, shown
from relook.lift.restyled.scene import Scene
from relook.lift.scene.distil import key_views
from relook.lift.scene.orbit import orbit
from relook.lift.scene.saving import own_cameras
from relook.lift.scene.sources import camera_of, smaller
from relook.lift.source import ViewSource, with_maps
from relook.ops.fill import filled
from relook.ops.resize import at_most, scaled
from relook.ops.splats import Blend, Blends, seen_colours
from relook.progress import Progress
from relook.types import UNLABELLED, Camera, Segments, View

TIMES = 2
"""Key views are chosen among so many times as many, evenly over the capture."""
FOUND = (1536, 2048)
"""Height and width of pictures on a way that is found, before they are shrunk."""
PAIRS = 100_000_000
"""Views times Gaussians among which they are chosen at most: choosing holds a number for each."""


def views_of(scene: Path, gaussians: Gaussians, config: RestyleConfig, most: int) -> list[View]:
    """At most `most` posed pictures of a scene's file with at most `config.size` pixels on the longer side.

    config.cameras: the capture that it was fitted to, whose pictures they are, or a file of cameras; None: those of the record beside the scene,
    else a way that is found. Raises an error of relook.errors where they lead nowhere, views have no cameras or several sizes, or label maps
    are of other pictures.
    """
    cameras, longest, maps = config.cameras, config.size, config.photo.segments
    if cameras is not None and path_in(cameras) is None:
        return capture_views(cameras, longest, most, maps)
    if maps is not None:
        raise InputError(
            f"Expected the capture that the label maps in {maps} are of, got none; name it with --cameras."
        )
    path = own_cameras(scene) if cameras is None else read_path(cameras)
    if path is None:
        path = orbit(gaussians, most, at_most(FOUND, longest))
    chosen = [path.cameras[number] for number in spread(len(path.cameras), most)]
    alone = things_alone(gaussians, chosen, path.size)
    size = scaled(path.size, longest / max(path.size)) if alone else at_most(path.size, longest)
    room = plain_room(gaussians, chosen) if alone else None
    return rendered(gaussians, [camera.resized(path.size, size) for camera in chosen], size, room)


def capture_views(path: PathLike, longest: int, most: int, maps: Path | None = None) -> list[View]:
    """At most `most` views of a capture with cameras, evenly over it, with at most `longest` pixels on the longer side; no depth.

    maps: a folder with a label map for every frame.

    Raises GeometryError where one has no camera, an error of relook.errors for what is no capture.
    """
    source: ViewSource = read_capture(path)
    source = source if maps is None else with_maps(source, maps)
    views = [replace(source.view(number), depth=None, points=None) for number in spread(len(source), most)]
    for view in views:
        camera_of(view)
    sizes = sorted({view.size for view in views})
    if len(sizes) > 1:
        raise GeometryError(f"Expected views of one size as cameras, got {sizes[0]} and {sizes[1]}; resize them.")
    return [smaller(view, longest) for view in views]


def candidates(gaussians: Gaussians, wanted: int) -> int:
    """How many views key views are chosen among."""
    return max(wanted, min(TIMES * wanted, PAIRS // max(1, len(gaussians))))


def scene_of(
    gaussians: Gaussians,
    views: Sequence[View],
    count: int,
    see: Callable[[View], Segments],
    progress: Progress,
) -> Scene:
    """The scene with the `count` of these views (posed, of one size) that show most of it, and the regions that `see` finds in all of them."""
    cameras, size = [camera_of(view) for view in views], views[0].size
    alone = things_alone(gaussians, cameras, size)
    every, seen = Blends(gaussians, cameras, size), []
    with progress.stage("seeing the scene", len(views)) as tick:
        for done, view in enumerate(views, start=1):
            seen.append(replace(view, segments=see(view)))
            tick(done)
    with progress.stage("deciding"):
        parts = scene_regions(gaussians, every, seen, alone)
        chosen = sorted(key_views(every, count)) if len(views) > count else range(len(views))
    blends = Blends(gaussians, [cameras[number] for number in chosen], size) if len(views) > count else every
    known = [_known(seen[number], parts, one, alone) for number, one in zip(chosen, blends, strict=True)]
    return Scene(gaussians, tuple(known), blends, parts)


def _known(view: View, parts: Segments, blend: Blend, alone: bool) -> View:
    """A key view with the scene's regions; of things alone, what is about them has no label and their colours: it has no part in the change."""
    found = shown(parts, blend, view.image)
    if not alone:
        return replace(view, segments=found)
    labels = torch.where(blend.seen, found.labels, UNLABELLED)
    return replace(view, image=filled(view.image, ~blend.seen), segments=Segments(labels, found.regions))


def rendered(
    gaussians: Gaussians, cameras: Sequence[Camera], size: tuple[int, int], room: PlainRoom | None = None
) -> list[View]:
    """What cameras see of a scene; what it does not cover is the room, or without one the nearest that it does."""
    return [
        View(_picture(gaussians, camera, blend, room), camera=camera)
        for camera, blend in zip(cameras, Blends(gaussians, cameras, size, 0), strict=True)
    ]


def _picture(gaussians: Gaussians, camera: Camera, blend: Blend, room: PlainRoom | None) -> Float[Tensor, "3 H W"]:
    picture = blend.render(seen_colours(gaussians, camera)).clamp(0, 1)
    if room is None:
        return filled(picture, ~blend.seen)
    return torch.where(blend.seen, picture, room.seen_by(camera, blend.size))
