"""What says where two frames of a walk show the same: chosen by what the walk brings with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.config import ViewsConfig
from relook.errors import GeometryError, InputError
from relook.lift import placed as placing
from relook.lift.source import Views, ViewSource
from relook.ops.geometry import known_depth, to_camera
from relook.perceive.depth import ESTIMATORS, estimator
from relook.perceive.geometry import geometries, geometry
from relook.perceive.geometry.bent import fit_to_points
from relook.perceive.match import MATCHERS, exact, matcher
from relook.perceive.match.points import Matcher
from relook.session import Session
from relook.types import Depth, View

MOST = 64
"""Frames from which a geometry of plain pictures is found at once."""
POINTS, LEAST = 1500, 12
"""How many readings estimated depth is bent to, and the fewest that will do."""
RECENT = 3
"""Completed views that the session remembers."""
SURE = 0.3
"""Points of less confidence are no points."""


@dataclass(frozen=True)
class MatchedViews(Views):
    """Views with the camera and depth that a matcher reads, and that matcher, which says where two of them show the same."""

    match: Matcher
    geometry: str
    """What the matcher goes by, for people."""
    metres: bool = False
    """Whether its cameras and depth were measured or drawn, in metres, rather than found up to a scale."""


def matched_views(source: ViewSource, config: ViewsConfig, session: Session) -> MatchedViews:
    """A walk with the geometry that the configuration names; one that is matched already stays as it is.

    auto: exact (views with depth and camera), sensor (captured depth and camera), sparse (cameras and points of a COLMAP project), else
    flow. What a sensor did not read, and what lies between sparse points, is estimated depth bent to what is known around it.
    Raises GeometryError for a walk that does not bring what the geometry needs, InputError for a name that is none.
    """
    if isinstance(source, MatchedViews):
        return source
    first, numbers = source.view(0), range(len(source))
    depth = "auto" if config.photo.depth_estimator == "none" else config.photo.depth_estimator
    name = _best(first, depth) if config.geometry == "auto" else config.geometry
    if name in ("exact", "sensor", "sparse"):
        known = first.points if name == "sparse" else first.metric_depth
        if first.camera is None or known is None:
            needed = (
                "cameras and points of a COLMAP project" if name == "sparse" else "depth and a camera in every frame"
            )
            raise GeometryError(f"Expected {needed} for geometry {name}, got none; choose another geometry.")
        words = "sparse points and estimated depth" if name == "sparse" else name
        return MatchedViews(_completed(source, session, depth), numbers, exact, words, metres=name != "sparse")
    if name in geometries().names:
        return _found(source, name, depth, session)
    chosen = MATCHERS.chosen("auto") if name == "flow" else name
    if name not in ("flow", *MATCHERS.names):
        raise InputError(
            f"Expected a geometry out of auto, exact, sensor, sparse, flow, {', '.join(geometries().names[1:])}, or a matcher out of "
            f"{', '.join(MATCHERS.names)}, got {name!r}; choose one of them."
        )
    return MatchedViews(source.view, numbers, _on_pictures(matcher(chosen, session)), f"flow ({chosen})")


def posed_views(source: ViewSource, config: ViewsConfig, session: Session, kept: Path | None = None) -> MatchedViews:
    """A walk with cameras and depth, which keeps the holes of a sensor; of plain pictures those that are found (`found_by`), by COLMAP not always
    in every frame (`relook.lift.placed`).

    kept: a folder for what COLMAP finds. Raises GeometryError where there are none; else as `matched_views`.
    """
    if isinstance(source, MatchedViews):
        return source
    first = source.view(0)
    if is_posed(first) and config.geometry in ("auto", "exact", "sensor"):
        return MatchedViews(source.view, range(len(source)), exact, "the scene of all frames", metres=True)
    name = found_by(first, config.geometry)
    if name == "colmap" and first.camera is None and len(source) <= placing.MOST:
        depth = "auto" if config.photo.depth_estimator == "none" else config.photo.depth_estimator
        plain = [source.view(number) for number in range(len(source))]
        found = placing.placed(plain, depth, session, kept)
        count = sum(view.camera is not None for view in found)
        return MatchedViews(found.__getitem__, range(len(found)), exact, f"colmap ({count} of {len(found)} frames)")
    views = matched_views(source, replace(config, geometry=name), session)
    if not is_posed(views.view(0)):
        raise GeometryError(
            f"Expected cameras and depth to carry the look through the scene, got geometry {views.geometry}; choose geometry colmap, or "
            "another way of carrying."
        )
    return views


def found_by(first: View, geometry: str) -> str:
    """What finds cameras and depth in a walk that begins with this view: `auto` for plain pictures is COLMAP where it is installed, else matches."""
    if geometry != "auto" or (first.camera is not None and (first.depth is not None or first.points is not None)):
        return geometry
    return "colmap" if geometries().is_here("colmap") else "matches"


def is_posed(view: View) -> bool:
    """Whether its points in the world are known."""
    return view.camera is not None and view.metric_depth is not None


def can_estimate(depth: str) -> bool:
    """Whether there is an estimator of depth: one that is named is fetched, `auto` is one that is here."""
    return depth != "auto" or ESTIMATORS.is_here(depth)


def _best(view: View, depth: str) -> str:
    """What `auto` is for a walk that begins with this view; sparse points are no geometry without estimated depth between them."""
    if view.camera is not None and view.depth is not None and view.depth.kind == "metric":
        return "exact" if view.depth.valid is None else "sensor"
    return "sparse" if view.camera is not None and view.points is not None and can_estimate(depth) else "flow"


def _on_pictures(match: Matcher) -> Matcher:
    """The matcher on the pictures alone."""
    return lambda first, second: match(View(first.image), View(second.image))


def _completed(source: ViewSource, session: Session, depth: str) -> Callable[[int], View]:
    """Views with depth everywhere; the session remembers the last few, since estimating is slow."""
    walk = object()  # tells this walk from others of the session
    return lambda number: session.remembered(
        "view with whole depth", (walk, number), lambda: _whole(source.view(number), depth, session), RECENT
    )


def _whole(view: View, depth: str, session: Session) -> View:
    """The view with depth everywhere: what was measured, and between it what is estimated, bent to it."""
    valid = None if view.depth is None else view.depth.valid
    if view.depth is not None and (valid is None or bool(valid.all()) or not can_estimate(depth)):
        return view
    pixels, known = _known(view)
    if view.camera is None or len(pixels) < LEAST:
        raise GeometryError(
            f"Expected a camera and depth at {LEAST} pixels or more in every frame, got a frame with less; choose geometry flow."
        )
    estimate = estimator(depth, session)(View(view.image))
    values, _ = fit_to_points(estimate.values, pixels, known, shift=estimate.kind == "relative")
    if view.depth is not None and valid is not None:
        values = torch.where(valid, view.depth.values, values)
    estimated = None if valid is None else ~valid
    return replace(view, depth=replace(_measured(values, known_depth(values)), estimated=estimated))


def _known(view: View) -> tuple[Float[Tensor, "N 2"], Float[Tensor, " N"]]:
    """Pixels of which the depth is known, at most about POINTS of a sensor's, and that depth."""
    if view.depth is not None and view.depth.valid is not None:
        measured = view.depth.valid.nonzero()
        rows, columns = measured[:: max(1, len(measured) // POINTS)].unbind(1)
        return torch.stack([columns, rows], 1) + 0.5, view.depth.values[rows, columns]
    if view.points is not None:
        return view.points.pixels, view.points.depth
    return torch.zeros(0, 2), torch.zeros(0)


def _measured(values: Float[Tensor, "H W"], valid: Bool[Tensor, "H W"]) -> Depth:
    """Depth in scene units that is known where it is valid."""
    return Depth(torch.where(valid, values, 0.0), "metric", valid)


def _found(source: ViewSource, name: str, depth: str, session: Session) -> MatchedViews:
    """The geometry of plain pictures, found once for the whole walk."""
    if len(source) > MOST:
        raise InputError(
            f"Expected at most {MOST} frames for geometry {name}, which sees them all at once, got {len(source)}; take fewer (--every, "
            "--limit) or geometry flow."
        )
    views = [source.view(number) for number in range(len(source))]
    points = geometry(name, session, depth=depth)([View(view.image, camera=view.camera) for view in views])
    posed = []
    for view, cloud, camera, confidence in zip(views, points.points, points.cameras, points.confidence, strict=True):
        z = to_camera(cloud, camera)[..., 2]
        found = _measured(z, known_depth(z) & (confidence > SURE))
        posed.append(View(view.image, view.segments, found, camera))
    words = f"{name} ({points.source}, {points.kind})"
    return MatchedViews(posed.__getitem__, range(len(posed)), exact, words)
