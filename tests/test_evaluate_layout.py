"""The suite of layouts: errors of a layout that is exact and of one that is not, and a small run."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from relook.engine import Engine
from relook.errors import InputError
from relook.evaluate.perception.layout import ALONE, Config, numbers, suite
from relook.evaluate.perception.layout_errors import (
    focal_error,
    height_error,
    horizontal_error,
    label_iou,
    room_error,
    up_error,
    wall_shares,
)
from relook.evaluate.records import EVERY, read_records
from relook.evaluate.run import run
from relook.evaluate.sources.shots import NO_ROOM, photographed
from relook.types import Camera, Layout


@pytest.fixture(scope="module")
def exact() -> Layout:
    layout = photographed("rooms", 0, 0, 128).layout
    assert layout is not None
    return layout


def turned(layout: Layout, axis: int, degrees: float) -> Layout:
    """The layout with its camera turned about one of the camera's axes."""
    angle, (i, j) = math.radians(degrees), [k for k in range(3) if k != axis]
    turn = torch.eye(4)
    turn[i, i] = turn[j, j] = math.cos(angle)
    turn[i, j], turn[j, i] = -math.sin(angle), math.sin(angle)
    return replace(layout, camera=Camera(layout.camera.K, turn @ layout.camera.world_to_camera))


def test_an_exact_layout_has_no_error(exact: Layout) -> None:
    assert up_error(exact, exact) < 0.05  # an arc cosine near 1
    assert horizontal_error(exact, exact) < 0.05
    assert focal_error(exact, exact) == room_error(exact, exact) == height_error(exact, exact) == 0
    assert label_iou(exact, exact) == 1
    assert wall_shares(exact, exact, sure=0.5) == (1, 1)


def test_errors_are_what_was_changed(exact: Layout) -> None:
    assert up_error(turned(exact, 2, 3), exact) == pytest.approx(3, abs=0.1)
    assert horizontal_error(turned(exact, 2, 3), exact) < 3
    longer = replace(
        exact, camera=Camera(exact.camera.K * torch.tensor([[1.1], [1.1], [1.0]]), exact.camera.world_to_camera)
    )
    assert focal_error(longer, exact) == pytest.approx(10, abs=0.01)
    higher = replace(exact, height=1.2 * exact.height)
    assert room_error(higher, exact) == pytest.approx(20, abs=0.01)
    assert height_error(higher, exact) == pytest.approx(20, abs=0.01)
    assert 0 < (label_iou(higher, exact) or 0) < 1
    nearer = tuple(
        replace(one, start=(one.start[0], 0.8 * one.start[1]), end=(one.end[0], 0.8 * one.end[1]))
        for one in exact.walls
    )
    share, said = wall_shares(replace(exact, walls=nearer), exact, sure=0.5)
    assert 0 < (share or 0) < 1  # the side walls are where they were
    assert 0 < (said or 0) < 1
    unsure = replace(exact, walls=tuple(replace(one, confidence=0.3) for one in exact.walls))
    assert wall_shares(unsure, exact, sure=0.5) == (0, None)
    assert (label_iou(unsure, exact) or 0) < 0.8


def test_unknown_is_not_wrong_and_a_room_where_none_is_is(exact: Layout) -> None:
    case = photographed("rooms", 0, 0, 128)
    unknown = {one.metric: one.value for one in numbers(None, case)}
    assert (unknown["known"], unknown["wrong"], unknown["walls"]) == (0, 0, 0)
    astray = {one.metric: one.value for one in numbers(turned(exact, 2, 10), case)}
    assert astray["wrong"] == 1
    right = {one.metric: one.value for one in numbers(exact, case)}
    assert right["wrong"] == 0
    assert right["height_by_depth"] == pytest.approx(0, abs=0.1)
    invented = {one.metric: one.value for one in numbers(exact, photographed(NO_ROOM, 0, 0, 128))}
    assert invented["wrong"] == 1


def test_the_suite_runs_and_goes_on(tmp_path: Path) -> None:
    config = Config(
        tmp_path, rooms=1, size=384, variants=("rooms", NO_ROOM), segmenters=("none", "exact"), engine=Engine(workers=1)
    )
    run(suite(config))
    records = read_records(tmp_path)
    said = {(r.part, r.row, r.metric, r.region): r.value for r in records if r.case != EVERY}
    assert {row for part, row, *_ in said if part == NO_ROOM} == {ALONE}
    assert said[NO_ROOM, ALONE, "wrong", "all"] == 0
    assert any(r.case == EVERY and r.metric == "up" and r.region == "median" for r in records)
    kept = [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("result.json"))]
    run(suite(config))
    assert kept == [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("result.json"))]


@pytest.mark.parametrize("config", [Config(rooms=0), Config(size=64), Config(seed=-1), Config(variants=("fisheye",))])
def test_what_cannot_be_is_refused(config: Config) -> None:
    with pytest.raises(InputError, match="Expected"):
        suite(config)
