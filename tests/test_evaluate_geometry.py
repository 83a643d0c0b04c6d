"""The geometry suite: exact answers score best, and its numbers are what they are said to be."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from relook.engine import Engine
from relook.errors import GeometryError, InputError
from relook.evaluate.metrics.views import area_under_curve
from relook.evaluate.perception import geometry as suite
from relook.evaluate.records import WHOLE, read_records
from relook.evaluate.run import run
from relook.ops.align import Similarity
from relook.session import Session
from relook.types import Camera, Pointmaps, View

CONFIG = suite.Config(walks=1, frames=3, size=64, engine=Engine(workers=1))


def scene() -> suite.Scene:
    return suite.suite(CONFIG).scene("walk 0")


def scored(name: str) -> dict[str, float | None]:
    return {
        f"{one.metric} {one.region}".removesuffix(f" {WHOLE}"): one.value
        for one in suite.score(scene(), name, "auto", Session("cpu"))
    }


def test_nothing_of_the_truth_is_handed_over() -> None:
    for view in scene().plain():
        assert view.depth is None
        assert view.segments is None
        assert view.camera is not None
        assert torch.equal(view.camera.world_to_camera, torch.eye(4))


def test_the_truth_in_another_world_is_perfect_and_a_turned_camera_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, turn = scene(), torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    other = Similarity(3.0, turn, torch.tensor([5.0, 0, 1]))
    answer = replace(
        shown.truth,
        points=tuple(map(other.points, shown.truth.points)),
        cameras=tuple(map(other.camera, shown.truth.cameras)),
    )
    monkeypatch.setattr(suite, "geometry", lambda name, session, depth: lambda views: answer)
    best = scored("perfect")
    assert best["share_placed"] == 1
    assert best["rotation"] == pytest.approx(0, abs=0.05)
    assert best["position"] == pytest.approx(0, abs=1e-3)
    assert best["point_error"] == pytest.approx(0, abs=1e-3)
    assert best["pose_auc 5°"] == pytest.approx(1, abs=0.05)
    angle = math.radians(10)
    shake = torch.eye(4)
    shake[:2, :2] = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    wrong = answer.cameras[2]
    turned = replace(answer, cameras=(*answer.cameras[:2], Camera(wrong.K, shake @ wrong.world_to_camera)))
    monkeypatch.setattr(suite, "geometry", lambda name, session, depth: lambda views: turned)
    worse = scored("turned")
    assert worse["rotation"] == pytest.approx(10 * (1 / 3 + 1 / 3 + 2 / 3) / 3, rel=0.2)
    assert worse["pose_auc 5°"] == pytest.approx(1 / 3, abs=0.05)


def test_failure_is_scored_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(views: list[View]) -> Pointmaps:
        raise GeometryError("none")

    monkeypatch.setattr(suite, "geometry", lambda name, session, depth: nothing)
    found = scored("matches")
    assert (found["share_placed"], found["pose_auc 20°"], found["point_error"]) == (0, 0, None)


def test_area_under_the_curve() -> None:
    assert area_under_curve([0.0, 2.5, 5.0, 180.0], 5.0) == pytest.approx((1 + 0.5) / 4)
    steps = [sum(error <= e for error in (1.0, 3.0)) / 2 for e in torch.linspace(0, 5, 10001).tolist()]
    assert area_under_curve([1.0, 3.0], 5.0) == pytest.approx(sum(steps) / len(steps), abs=1e-3)


def test_pose_errors_take_the_worse_of_turn_and_direction() -> None:
    def camera(x: float, z: float) -> Camera:
        pose = torch.eye(4)
        pose[0, 3], pose[2, 3] = x, z
        return Camera(torch.eye(3), pose)

    (error,) = suite.pose_errors([camera(0, 0), camera(1, 0)], [camera(0, 0), camera(1, 1)])
    assert error == pytest.approx(45, abs=1e-3)


def test_a_run_leaves_its_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = scene().truth
    monkeypatch.setattr(suite, "geometry", lambda name, session, depth: lambda views: truth)
    config = replace(CONFIG, out=tmp_path, back_ends=("matches",))
    run(suite.suite(config))
    found = {(r.part, r.row, r.case, r.metric): r.value for r in read_records(tmp_path)}
    assert found["walks", "matches", "walk 0", "share_placed"] == 1
    monkeypatch.setattr(suite, "geometry", lambda name, session, depth: pytest.fail("scored what was known"))
    run(suite.suite(config))
    with pytest.raises(InputError, match="at least 2 frames"):
        suite.suite(replace(CONFIG, frames=1))
