"""Where everything is in several views of one room, behind one interface: `GeometryEstimator` = views -> Pointmaps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import torch
from torch import Tensor

from relook.errors import GeometryError, MissingModelError
from relook.ops.align import relative_to_first
from relook.ops.geometry import sample, unproject
from relook.perceive.backends import BackEnd, Table
from relook.perceive.depth import DepthEstimator, estimator
from relook.perceive.geometry import adapters, colmap
from relook.perceive.geometry.bent import fit_to_points
from relook.perceive.geometry.chain import chain
from relook.perceive.match.keypoints import keypoint_matches
from relook.perceive.match.points import KeypointMatcher
from relook.session import Session
from relook.types import Camera, Depth, Pointmaps, Sparse, View

GeometryEstimator = Callable[[Sequence[View]], Pointmaps]


def geometry(
    name: str, session: Session, *, depth: str | DepthEstimator = "auto", keypoints: str | KeypointMatcher = "auto"
) -> GeometryEstimator:
    """The back end called `name`.

    auto, best first: exact (views with depth and camera), sensor (captured views), mapanything where installed, colmap, matches
    (views in the order of a walk); `Pointmaps.source` says which. depth and keypoints: what colmap and matches lean on.
    Raises InputError for an unknown name.
    """
    return geometries(depth, keypoints).find(name, session)


def geometries(
    depth: str | DepthEstimator = "auto", keypoints: str | KeypointMatcher = "auto"
) -> Table[GeometryEstimator]:
    """The back ends for geometry, which lean on some depth and keypoints."""

    def estimate(session: Session) -> DepthEstimator:
        return estimator(depth, session) if isinstance(depth, str) else depth

    def match(session: Session) -> KeypointMatcher:
        return partial(keypoint_matches, name=keypoints, session=session) if isinstance(keypoints, str) else keypoints

    table: Table[GeometryEstimator] = Table(
        "geometry",
        "geometry",
        (
            BackEnd("auto", lambda session: partial(_auto, table=table, session=session), "the best that views and machine allow"),
            BackEnd("exact", lambda session: exact, "the views' own depth and cameras"),
            BackEnd("sensor", lambda session: exact, "what a capture's depth sensor measured"),
            BackEnd(
                "colmap", lambda session: partial(from_colmap, estimate=estimate(session)), "COLMAP, made dense by estimated depth",
                package="pycolmap",
            ),
            BackEnd(
                "matches", lambda session: partial(from_matches, estimate=estimate(session), match=match(session)),
                "cameras chained from matches and estimated depth",
            ),
            *(
                BackEnd(name, partial(_adapted, name), adapter.note, (adapter.weights,), package=adapter.package)
                for name, adapter in adapters.ADAPTERS.items()
            ),
        ),
        order=("mapanything", "colmap", "matches"),
    )  # fmt: skip
    return table


def exact(views: Sequence[View]) -> Pointmaps:
    """The points of views that have depth and camera, be the depth drawn or a sensor's; NaN and confidence 0 where it has none.

    Raises GeometryError for views without.
    """
    cameras, points, measured = [], [], False
    for number, view in enumerate(_some(views)):
        depth = view.metric_depth
        if view.depth is None or depth is None or view.camera is None:
            raise GeometryError(
                f"Expected metric depth and a camera in every view, got view {number} without; read the views with "
                "relook.captures, or choose another geometry."
            )
        cameras.append(view.camera)
        points.append(unproject(depth, view.camera))
        measured |= view.depth.valid is not None
    confidence = [torch.ones(view.size) for view in views]
    return _pointmaps(points, cameras, confidence, "metric", "sensor" if measured else "exact")


def from_colmap(views: Sequence[View], estimate: DepthEstimator) -> Pointmaps:
    """Cameras and sparse points from COLMAP, made dense with estimated depth; the first camera is the world's origin.

    Intrinsics are taken from the views' cameras where they have one (poses are not), else found. Raises GeometryError naming the
    views that COLMAP cannot place: a walk with a hole in it has no one geometry.
    """
    found = colmap.reconstruct(_some(views))
    if missing := [number for number in range(len(views)) if number not in found]:
        raise GeometryError(
            f"Expected {len(views)} views that overlap, got {len(found)} that COLMAP can place, without "
            f"{', '.join(map(str, missing))}; leave those out or choose geometry matches."
        )
    return densified(
        views, [found[number] for number in range(len(views))], [estimate(view) for view in views], "colmap"
    )


def from_matches(views: Sequence[View], estimate: DepthEstimator, match: KeypointMatcher) -> Pointmaps:
    """Cameras chained from matches and estimated depth (`relook.perceive.geometry.chain`), for views in the order of a walk."""
    depths = [estimate(view) for view in _some(views)]
    return densified(views, chain(views, depths, match), depths, "matches")


def _auto(views: Sequence[View], table: Table[GeometryEstimator], session: Session) -> Pointmaps:
    """The best geometry that these views and this machine allow."""
    if all(view.metric_depth is not None and view.camera is not None for view in _some(views)):
        return exact(views)
    *better, last = table.order
    for name in better:
        with suppress(GeometryError, MissingModelError):
            return table.find(name, session)(views)
    return table.find(last, session)(views)


def _adapted(name: str, session: Session) -> GeometryEstimator:
    """Another project's network, which loads itself and runs on the CPU."""
    return partial(adapters.reconstruct, name=name)


def densified(views: Sequence[View], seen: Sequence[Sparse], depths: Sequence[Depth], source: str) -> Pointmaps:
    """Dense points of views whose cameras and some points are known up to one scale; metric where the depth is."""
    metric = all(depth.kind == "metric" for depth in depths)
    scale = _metric_scale(seen, depths) if metric else 1.0
    change = relative_to_first([sparse.camera for sparse in seen], scale)
    cameras, points, confidences = [], [], []
    for view, sparse, depth in zip(views, seen, depths, strict=True):
        if view.size != tuple(depth.values.shape) or len(sparse.points) < 2:
            raise GeometryError(
                f"Expected points and depth for every view, got {len(sparse.points)}; leave that view out."
            )
        camera = change.camera(sparse.camera)
        dense, confidence = fit_to_points(depth.values, sparse.pixels, sparse.depth * scale, shift=not metric)
        cameras.append(camera)
        points.append(unproject(dense, camera))
        confidences.append(confidence)
    return _pointmaps(points, cameras, confidences, "metric" if metric else "relative", source)


def _metric_scale(seen: Sequence[Sparse], depths: Sequence[Depth]) -> float:
    """Metres per unit of a reconstruction: the median over all its points of estimated by reconstructed depth."""
    ratios = [
        sample(depth.values[None], sparse.pixels[None])[0, 0] / sparse.depth
        for sparse, depth in zip(seen, depths, strict=True)
    ]
    return float(torch.cat(ratios).median())


def _pointmaps(
    points: list[Tensor], cameras: list[Camera], confidence: list[Tensor], kind: str, source: str
) -> Pointmaps:
    """Pointmaps whose confidence is 0 where no point is known."""
    sure = [
        torch.where(torch.isfinite(p).all(-1), c, torch.zeros_like(c)) for p, c in zip(points, confidence, strict=True)
    ]
    return Pointmaps(tuple(points), tuple(cameras), tuple(sure), "metric" if kind == "metric" else "relative", source)


def _some(views: Sequence[View]) -> Sequence[View]:
    if not views:
        raise GeometryError("Expected at least one view, got none; pass views of one room.")
    return views
