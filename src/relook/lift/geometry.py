"""What says where two frames of a walk show the same: chosen by what the walk brings with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.errors import GeometryError, InputError
from relook.ops.geometry import known_depth, to_camera
from relook.perceive import match as matching
from relook.perceive.depth import estimator, is_here
from relook.perceive.geometry import NAMES as GEOMETRIES
from relook.perceive.geometry import fit_to_points, geometry
from relook.perceive.match import Matcher, best_flow, matcher
from relook.types import Depth, View

MOST = 64
"""Frames from which a geometry of plain pictures is found at once."""
POINTS, LEAST = 1500, 12
"""How many readings estimated depth is bent to, and the fewest that will do."""
RECENT = 3
"""Completed frames held in memory."""
SURE = 0.3
"""Points of less confidence are no points."""


@runtime_checkable
class Readable(Protocol):
    """A frame of a walk, read when it is needed."""

    def view(self) -> View: ...


@dataclass(frozen=True)
class Held:
    """A view in memory as a frame of a walk."""

    held: View

    def view(self) -> View:
        return self.held


@dataclass(frozen=True)
class Located:
    """A walk with what is known of its geometry."""

    view: Callable[[int], View]
    """A frame by its number, with the camera and depth that the matcher reads."""
    match: Matcher
    name: str
    """What the geometry is, for people."""


def located(frames: Sequence[Readable], name: str = "auto", depth: str = "auto") -> Located:
    """The geometry called `name` (see ViewsConfig.geometry) of a walk.

    auto: exact (views with depth and camera), sensor (captured depth and camera), sparse (cameras and points of a COLMAP project), else
    flow. What a sensor did not read, and what lies between sparse points, is estimated depth bent to what is known around it.
    Raises GeometryError for a walk that does not bring what the name needs.
    """
    first = frames[0].view()
    if name == "auto":
        name = _best(first, depth)
    if name in ("exact", "sensor"):
        if first.metric_depth is None or first.camera is None:
            raise GeometryError(
                f"Expected depth and a camera in every frame for geometry {name}, got none; choose another geometry."
            )
        return Located(_completed(frames, depth), matcher("exact"), name)
    if name == "sparse":
        if first.camera is None or first.points is None:
            raise GeometryError(
                "Expected cameras and points of a COLMAP project for geometry sparse, got none; choose another geometry."
            )
        return Located(_completed(frames, depth), matcher("exact"), "sparse points and estimated depth")
    if name in GEOMETRIES:
        return _found(frames, name, depth)
    chosen = best_flow() if name == "flow" else name
    if name not in ("flow", *matching.NAMES):
        raise InputError(
            f"Expected a geometry out of auto, exact, sensor, sparse, flow, {', '.join(GEOMETRIES[1:])}, or a matcher out of "
            f"{', '.join(matching.NAMES)}, got {name!r}; choose one of them."
        )
    return Located(lambda number: frames[number].view(), _blind(matcher(chosen)), f"flow ({chosen})")


def _best(view: View, depth: str) -> str:
    """What `auto` is for a walk that begins with this view; sparse points are no geometry without estimated depth between them."""
    if view.camera is not None and view.depth is not None and view.depth.kind == "metric":
        return "exact" if view.depth.valid is None else "sensor"
    return "sparse" if view.camera is not None and view.points is not None and is_here(depth) else "flow"


def _blind(match: Matcher) -> Matcher:
    """The matcher on the pictures alone."""
    return lambda first, second: match(View(first.image), View(second.image))


def _completed(frames: Sequence[Readable], depth: str) -> Callable[[int], View]:
    """Frames with depth everywhere; the last few stay in memory, since estimating is slow."""
    return lru_cache(RECENT)(lambda number: _whole(frames[number].view(), depth))


def _whole(view: View, depth: str) -> View:
    """The view with depth everywhere: what was measured, and between it what is estimated, bent to it."""
    valid = None if view.depth is None else view.depth.valid
    if view.depth is not None and (valid is None or bool(valid.all()) or not is_here(depth)):
        return view
    pixels, known = _known(view)
    if view.camera is None or len(pixels) < LEAST:
        raise GeometryError(
            f"Expected a camera and depth at {LEAST} pixels or more in every frame, got a frame with less; choose geometry flow."
        )
    estimate = estimator(depth)(View(view.image))
    values, _ = fit_to_points(estimate.values, pixels, known, shift=estimate.kind == "relative")
    if view.depth is not None and valid is not None:
        values = torch.where(valid, view.depth.values, values)
    return replace(view, depth=_measured(values, known_depth(values)))


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


def _found(frames: Sequence[Readable], name: str, depth: str) -> Located:
    """The geometry of plain pictures, found once for the whole walk."""
    if len(frames) > MOST:
        raise InputError(
            f"Expected at most {MOST} frames for geometry {name}, which sees them all at once, got {len(frames)}; take fewer (--every, "
            "--limit) or geometry flow."
        )
    views = [frame.view() for frame in frames]
    points = geometry(name, depth=depth)([View(view.image, camera=view.camera) for view in views])
    posed = []
    for view, cloud, camera, confidence in zip(views, points.points, points.cameras, points.confidence, strict=True):
        z = to_camera(cloud, camera)[..., 2]
        found = _measured(z, known_depth(z) & (confidence > SURE))
        posed.append(View(view.image, view.segments, found, camera))
    return Located(lambda number: posed[number], matcher("exact"), f"{name} ({points.source}, {points.kind})")
