"""Plain frames that COLMAP places, as far as it can: what it found is kept, frames without a place keep their own regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from relook.config import PhotoConfig, ViewsConfig
from relook.errors import GeometryError
from relook.lift import placed as placing
from relook.lift import restyle_views
from relook.lift.geometry import MatchedViews, matched_views, posed_views
from relook.lift.placed import placed
from relook.lift.scene.change import through_scene
from relook.lift.scene.labels import scene_labels
from relook.lift.source import ViewSource
from relook.ops.align import align_cameras, centre
from relook.ops.geometry import unproject
from relook.perceive.match import exact
from relook.perceive.match.points import KeypointMatches, on_a_grid
from relook.session import Session
from relook.types import Sparse, View
from strolls import options, plain, source, stroll, style

LOST = 2
"""The frame that COLMAP does not place."""


def sparse(view: View) -> Sparse:
    """Every tenth pixel as a reconstructed point."""
    assert view.depth is not None
    assert view.camera is not None
    pixels = torch.stack(torch.meshgrid(torch.arange(4, 64, 8), torch.arange(4, 48, 8), indexing="xy"), -1).view(-1, 2)
    points = unproject(view.depth.values, view.camera)[pixels[:, 1], pixels[:, 0]]
    return Sparse(view.camera, pixels + 0.5, points)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """COLMAP that places all frames but one, estimated depth that is right up to a scale; how many frames were asked for, each time."""
    walk, times = stroll(5), list[int]()

    def reconstruct(views: Sequence[View], *, in_order: bool) -> dict[int, Sparse]:
        assert in_order
        times.append(len(views))
        return {number: sparse(walk[number]) for number in range(len(views)) if number != LOST}

    def estimate(view: View) -> object:
        depth = next(one.depth for one in walk if torch.equal(one.image, view.image))
        return replace(depth, values=1.5 * depth.values)

    nothing = KeypointMatches(torch.zeros(0, 2), torch.zeros(0, 2), torch.zeros(0))
    monkeypatch.setattr(placing, "keypoint_matches", lambda *_, **__: nothing)
    monkeypatch.setattr(placing.colmap, "reconstruct", reconstruct)
    monkeypatch.setattr(placing, "estimator", lambda _name, _session: estimate)
    return times


def test_frames_get_cameras_and_depth_or_neither_and_what_was_found_is_kept(
    asked: list[int], tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    views, kept = plain(stroll(5)), tmp_path / "cameras"
    found = placed(views, "auto", session, kept)
    assert [view.camera is None for view in found] == [number == LOST for number in range(5)]
    assert found[LOST].depth is None
    for number, view in enumerate(stroll(5)):
        if number != LOST:
            valid = found[number].depth.valid
            assert float(valid.float().mean()) > 0.5
            ratio = found[number].depth.values[valid] / view.depth.values[valid]
            assert float((ratio / 1.5 - 1).abs().median()) < 0.02  # metres are those of the estimate
    again = placed(views, "auto", session, kept)
    assert asked == [5]
    assert torch.equal(again[1].camera.world_to_camera, found[1].camera.world_to_camera)
    monkeypatch.setattr(placing, "WALKS", 1)
    placed(views[:4], "auto", session, kept)
    assert asked == [5, 4]
    assert len(list(kept.iterdir())) == 1, "the walk that was kept first goes"
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    assert placed(views, "auto", session, blocked)[1].camera is not None
    assert asked == [5, 4, 5]


@pytest.mark.usefixtures("asked")
def test_what_colmap_does_not_place_is_placed_by_its_neighbours(
    monkeypatch: pytest.MonkeyPatch, session: Session
) -> None:
    walk = stroll(5)

    def match(first: View, second: View, **_: object) -> KeypointMatches:
        """Of pictures, as one that knows the room sees them."""
        known = [next(one for one in walk if torch.equal(one.image, view.image)) for view in (first, second)]
        return on_a_grid(*known, dense=exact)

    monkeypatch.setattr(placing, "keypoint_matches", match)
    found = placed(plain(walk), "auto", session)
    cameras = [view.camera for view in found]
    assert None not in cameras
    true = [view.camera for view in walk]
    others = [number for number in range(5) if number != LOST]
    change = align_cameras([cameras[k] for k in others], [true[k] for k in others])
    off = centre(change.camera(cameras[LOST])) - centre(true[LOST])
    step = centre(true[LOST + 1]) - centre(true[LOST])
    assert float(off.norm() / step.norm()) < 0.15


def test_too_few_places_are_refused(asked: list[int], monkeypatch: pytest.MonkeyPatch, session: Session) -> None:
    monkeypatch.setattr(placing, "SHARE", 0.9)
    with pytest.raises(GeometryError, match=r"^Expected a walk of which COLMAP can place .* got 4 of 5; "):
        placed(plain(stroll(5)), "auto", session)


def test_a_frame_without_a_place_keeps_its_own_regions_and_changes_with_the_walk(session: Session) -> None:
    views = list(stroll(5))
    views[LOST] = View(views[LOST].image, views[LOST].segments)
    labels = scene_labels(source(views), lambda view: view.segments)
    found, own = labels.segments(LOST, views[LOST]), views[LOST].segments
    for name in ("floor", "wall"):
        there, shown = own.mask(name), found.mask(name)
        assert float((there & shown).sum() / (there | shown).sum()) > 0.9
    photo = PhotoConfig(method="palette", depth_estimator="none")
    walk = replace(posed_views(source(stroll(5)), options(), session), read=views.__getitem__)
    frames = list(through_scene(walk, style(), options(carry="scene", photo=photo), session))
    change = [float((frame.look.image - frame.view.image).abs().mean()) for frame in frames]
    assert 0.5 < change[LOST] / change[LOST - 1] < 2
    assert bool(frames[LOST].look.fresh.all())


def dis(walk: ViewSource, config: ViewsConfig, session: Session) -> MatchedViews:
    """The quickest matcher, whatever is here."""
    return matched_views(walk, replace(config, geometry="dis"), session)


def test_auto_places_plain_frames_or_carries_from_frame_to_frame(
    asked: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("relook.lift.views.found_by", lambda _first, _name: "colmap")
    monkeypatch.setattr("relook.lift.geometry.found_by", lambda _first, _name: "colmap")
    monkeypatch.setattr("relook.lift.views.can_estimate", lambda _name: True)
    photo = replace(options().photo, depth_estimator="auto")
    result = restyle_views(
        plain(stroll(5)), style(), options(carry="auto", geometry="colmap", photo=photo), out=tmp_path / "scene"
    )
    assert result.record["configuration"]["carry"] == "scene"
    assert result.record["geometry"] == "colmap (4 of 5 frames)"
    other = style().image.flip(0)
    restyle_views(
        plain(stroll(5)),
        View(other),
        options(carry="auto", geometry="colmap", photo=photo),
        out=tmp_path / "another look",
    )
    assert asked == [5], "what places a walk is kept for its other looks"
    monkeypatch.setattr(placing, "SHARE", 0.9)
    monkeypatch.setattr("relook.lift.views.matched_views", lambda walk, config, session: dis(walk, config, session))
    with caplog.at_level("INFO", "relook"):
        result = restyle_views(
            plain(stroll(5)), style(), options(carry="auto", geometry="colmap", photo=photo), out=tmp_path / "frames"
        )
    assert result.record["configuration"]["carry"] == "relook"
    assert "got 4 of 5" in caplog.text
