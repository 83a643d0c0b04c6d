"""What a scene is fitted to: views with camera and depth, small enough, spread over the capture, some of them held out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from relook.captures import VIDEOS, read_capture
from relook.captures.frames import spread
from relook.config import PhotoConfig, SceneConfig, ViewsConfig
from relook.errors import GeometryError, InputError
from relook.lift.geometry import MOST, MatchedViews, found_by, is_posed, matched_views
from relook.lift.scene.fuse import contradicted
from relook.lift.source import Views, ViewSource, Walk, with_maps
from relook.ops.poses import apart
from relook.ops.resize import at_most, resized
from relook.perceive.match import exact
from relook.progress import Progress
from relook.session import Session
from relook.types import Camera, View

log = logging.getLogger("relook")
CONTRADICTED = 0.15
"""A share of contradicted points from which a run says so."""
LEAST = 4
"""Views from which one in `held_out` is left out of the fit, to measure it."""


@dataclass(frozen=True)
class SceneViews:
    """Views of one size with a camera and depth, in memory."""

    views: tuple[View, ...]
    held: tuple[int, ...]
    """Numbers of those that the fit does not see."""
    geometry: str
    """Where cameras and depth are from, for people."""

    @property
    def noisy(self) -> bool:
        """Whether depth was measured or estimated rather than drawn."""
        return noisy(self.views)

    @property
    def fitted(self) -> tuple[int, ...]:
        """Numbers of the others."""
        return tuple(number for number in range(len(self.views)) if number not in self.held)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.views[0].size

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """Of all views."""
        return tuple(camera_of(view) for view in self.views)


def noisy(views: Sequence[View]) -> bool:
    """Whether depth was measured or estimated rather than drawn."""
    return any(view.depth is not None and view.depth.valid is not None for view in views)


def scene_views(
    walk: Walk, config: SceneConfig, session: Session, progress: Progress, maps: Path | None = None
) -> SceneViews:
    """A capture's views as a scene needs them; maps: a folder with a label map for every frame. Raises an error of relook.errors for captures that have, or yield, no cameras and depth."""
    with TemporaryDirectory(prefix="relook-") as folder:
        source = _read(walk, Path(folder))
        source = source if maps is None else with_maps(source, maps)
        source = Views(source.view, config.numbers(len(source)))
        matched = _matched(source, config, session)
        if matched.view(0).camera is None:
            raise GeometryError(
                f"Expected a geometry with cameras and depth for a scene, got {matched.geometry}; choose colmap or matches."
            )
        views = []
        with progress.stage("reading", len(matched)) as tick:
            for number in range(len(matched)):
                views.append(smaller(matched.view(number), config.size))
                tick(number + 1)
    cameras = [camera_of(view) for view in views]
    _check_apart(cameras)
    _warn_of_contradictions(views)
    held = range(config.held_out // 2, len(views), config.held_out) if config.held_out and len(views) >= LEAST else ()
    return SceneViews(tuple(views), tuple(held), matched.geometry)


def smaller(view: View, longest: int) -> View:
    """The view with at most `longest` pixels on its longer side; depth by nearest neighbour, so that none lies between surfaces."""
    size = at_most(view.size, longest)
    if size == view.size:
        return view
    return replace(
        view,
        image=resized(view.image, size),
        segments=None if view.segments is None else view.segments.resized(size),
        depth=None if view.depth is None else view.depth.resized(size),
        camera=None if view.camera is None else view.camera.resized(view.size, size),
        points=None,
    )


def camera_of(view: View) -> Camera:
    """The view's camera. Raises GeometryError where it has none."""
    if view.camera is None:
        raise GeometryError("Expected a camera in every view, got one without; choose geometry colmap or matches.")
    return view.camera


def _read(walk: Walk, folder: Path) -> ViewSource:
    """The capture as views."""
    if isinstance(walk, str | Path):
        video = Path(walk).suffix.lower() in VIDEOS
        return read_capture(walk, workspace=folder / "input" if video else None)
    source = walk if isinstance(walk, ViewSource) else Views(walk.__getitem__, range(len(walk)))
    if not len(source):
        raise InputError("Expected a capture of at least one view, got none; name another one.")
    return source


def _matched(source: ViewSource, config: SceneConfig, session: Session) -> MatchedViews:
    """At most `config.views` of the views with the geometry that the configuration names."""
    first = source.view(0)
    name = found_by(first, config.geometry)
    most = (
        config.views
        if first.camera is not None and name in ("auto", "exact", "sensor", "sparse")
        else min(config.views, MOST)
    )
    numbers = spread(len(source), most)
    if config.depth_estimator == "none" and is_posed(first) and name in ("auto", "exact", "sensor"):
        return MatchedViews(source.view, numbers, exact, "sensor alone", metres=True)
    photo = PhotoConfig(depth_estimator=config.depth_estimator, device=config.device)
    wanted = ViewsConfig(photo=photo, geometry=name)
    return matched_views(Views(source.view, numbers), wanted, session)


def _check_apart(cameras: list[Camera]) -> None:
    """Raise GeometryError for views that are all from one place and direction: they hold no more than a picture does."""
    if len(cameras) > 1 and not apart(cameras):
        raise GeometryError(
            f"Expected views from several places, got {len(cameras)} from the same one; bring a walk, or one view alone."
        )


def _warn_of_contradictions(views: list[View]) -> None:
    """One sentence where views see through each other's surfaces: cameras, or depth, are wrong."""
    known = [view for view in views if view.metric_depth is not None]
    share = contradicted(known)
    if share > CONTRADICTED:
        log.warning(
            "Cameras and depth contradict each other: views see through %.0f %% of what their neighbours see (1 %% where both are right), "
            "so the scene will be blurred; check the poses, or choose geometry colmap.",
            100 * share,
        )
