"""What says where frames show the same: what is chosen, what it is called, and how depth with holes is completed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from relook.captures import read_capture
from relook.config import PhotoConfig, ViewsConfig
from relook.errors import GeometryError, InputError, MissingModelError
from relook.lift import ViewSource
from relook.lift import geometry as lifting
from relook.lift.geometry import MOST, MatchedViews, matched_views
from relook.perceive.geometry import exact as exact_points
from relook.perceive.match import MATCHERS, matcher
from relook.session import Session
from relook.types import Depth, View
from strolls import SIZE, plain, source, stroll, write_capture, write_frames


def matched(walk: ViewSource, geometry: str = "auto", depth: str = "auto") -> MatchedViews:
    return matched_views(walk, ViewsConfig(PhotoConfig(depth_estimator=depth), geometry=geometry), Session("cpu"))


def test_auto_takes_what_the_walk_brings(tmp_path: Path) -> None:
    walk, flow = stroll(3), f"flow ({MATCHERS.chosen('auto')})"
    sensed = read_capture(write_capture(tmp_path / "sensed", walk))
    pictures = read_capture(write_frames(tmp_path / "frames", walk))
    assert matched(source(walk)).geometry == "exact"
    assert matched(sensed).geometry == "sensor"
    for less in (
        source(plain(walk)),
        source([replace(view, depth=None) for view in walk]),
        source([replace(view, camera=None) for view in walk]),
        source([replace(view, depth=Depth(view.depth.values, "relative")) for view in walk]),
        replace(sensed, frames=tuple(replace(frame, depth=None) for frame in sensed)),
        pictures,
    ):
        assert matched(less).geometry == flow


def test_a_colmap_projects_points_carry_estimated_depth(tmp_path: Path) -> None:
    pytest.importorskip("pycolmap")
    from test_captures_colmap import write_project
    from walks import views_of_a_walk

    capture = read_capture(write_project(tmp_path))
    views = matched(capture, depth="embedded")
    assert views.geometry == "sparse points and estimated depth"
    exact = views_of_a_walk((96, 128))[0].depth
    known = views.view(1).metric_depth  # the first picture of the walk is the second by its name
    assert known is not None
    assert bool(torch.isfinite(known).all())
    off = (known / exact).log().abs()
    assert float(off.median()) < 0.1
    assert float(off.max()) < 1.5
    few = replace(capture[0], points=replace(capture[0].points, pixels=torch.zeros(3, 2), points=torch.ones(3, 3)))
    with pytest.raises(GeometryError, match=r"at 12 pixels or more"):
        matched(replace(capture, frames=(few,)), depth="embedded").view(0)


@pytest.mark.parametrize("name", ["dis", "flow"])
def test_flow_sees_the_pictures_alone(name: str) -> None:
    views = matched(source(stroll()), name)
    chosen = MATCHERS.chosen("auto") if name == "flow" else name
    assert views.geometry == f"flow ({chosen})"
    first, second = plain(stroll())[:2]
    expected = matcher(chosen, Session("cpu"))(first, second)
    found = views.match(*stroll()[:2])
    assert torch.equal(found.flow, expected.flow)
    assert torch.equal(found.confidence, expected.confidence)


def test_readings_are_completed_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = stroll(3)
    views = matched(read_capture(write_capture(tmp_path, walk)), depth="embedded")
    view, truth = views.view(1), walk[1].depth.values
    assert view.depth is not None
    assert view.depth.valid is not None
    assert bool(view.depth.valid.all())
    hole = torch.zeros(SIZE, dtype=torch.bool)
    hole[:12, :16] = True
    assert view.depth.estimated is not None
    assert torch.equal(view.depth.estimated, hole)
    torch.testing.assert_close(view.depth.values[~hole], truth[~hole], atol=6e-4, rtol=0)
    off = (view.depth.values[hole] / truth[hole]).log().abs()
    assert float(off.median()) < 0.25
    assert float(view.depth.values.max()) < 2 * float(truth.max())
    monkeypatch.setattr(lifting, "estimator", lambda name, session: pytest.fail("estimated twice"))
    assert views.view(1) is view


def test_a_frame_with_hardly_a_reading_is_said() -> None:
    view = stroll()[0]
    valid = torch.zeros(SIZE, dtype=torch.bool)
    valid[0, :5] = True
    poor = View(view.image, camera=view.camera, depth=Depth(view.depth.values * valid, "metric", valid))
    views = matched(source([poor]), depth="embedded")
    assert views.geometry == "sensor"
    with pytest.raises(
        GeometryError, match=r"^Expected a camera and depth at 12 pixels or more in every frame, got .* less; choose"
    ):
        views.view(0)


def test_a_named_estimator_is_asked_and_auto_is_one_that_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RELOOK_MODELS", raising=False)
    sensed = read_capture(write_capture(tmp_path, stroll(3)))
    assert matched(sensed).view(0).depth.valid is not None, "holes stay where nothing estimates depth"
    with pytest.raises(MissingModelError, match="fastdepth"):
        matched(sensed, depth="fastdepth").view(0)


def test_plain_pictures_get_what_a_geometry_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    walk = stroll(3)

    def found(views: Any) -> Any:
        assert all(view.depth is None for view in views)
        points = exact_points(walk)
        unsure = [confidence.clone() for confidence in points.confidence]
        for confidence in unsure:
            confidence[:5] = 0.1
        return replace(points, confidence=tuple(unsure), source="chained", kind="relative")

    asked: list[Any] = []
    monkeypatch.setattr(lifting, "geometry", lambda name, session, **words: asked.append((name, words)) or found)
    views = matched(source(walk), "matches", "embedded")
    assert asked == [("matches", {"depth": "embedded"})]
    assert views.geometry == "matches (chained, relative)"
    for number, view in enumerate(walk):
        posed = views.view(number)
        assert not bool(posed.depth.valid[:5].any())
        assert bool(posed.depth.valid[5:].all())
        torch.testing.assert_close(posed.depth.values[5:], view.depth.values[5:], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["colmap", "matches"])
def test_too_many_frames_for_a_geometry_at_once(name: str) -> None:
    with pytest.raises(
        InputError, match=rf"^Expected at most {MOST} frames for geometry {name}, .* got {MOST + 1}; take fewer"
    ):
        matched(source([View(torch.zeros(3, 8, 8))] * (MOST + 1)), name)


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("sparse", GeometryError, "COLMAP project for geometry sparse"),
        ("exact", GeometryError, "depth and a camera in every frame for geometry exact"),
        ("sensor", GeometryError, "depth and a camera in every frame for geometry sensor"),
        ("teleport", InputError, "got 'teleport'; choose one of them"),
    ],
)
def test_geometries_that_cannot_be(name: str, kind: type[InputError], says: str) -> None:
    with pytest.raises(kind, match=says):
        matched(source(plain(stroll())), name)
