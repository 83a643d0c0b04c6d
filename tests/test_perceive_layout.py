"""Layouts: rooms whose geometry is exactly known, pictures that show no room, files that are edited, and depth bent to planes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from relook.errors import DepthError, GeometryError
from relook.evaluate.metrics.depth import abs_rel
from relook.evaluate.perception.layout_errors import (
    focal_error,
    height_error,
    horizontal_error,
    label_iou,
    room_error,
    up_error,
    wall_shares,
)
from relook.evaluate.sources.shots import NO_ROOM, Photographed, photographed
from relook.perceive import layout as layouts
from relook.perceive.exif import focal_of
from relook.perceive.layout import known_layout, room_layout
from relook.perceive.layout.box import CORNER, JUMP, _paths
from relook.perceive.layout.depth import bent_to_planes, scaled_by_depth
from relook.perceive.layout.draw import layout_picture, plan_picture
from relook.perceive.layout.files import read_layout, write_layout
from relook.perceive.layout.lines import Lines, find_lines
from relook.perceive.layout.planes import CEILING, FLOOR, UNKNOWN, WALLS, above_eye, seen_planes
from relook.perceive.perception import Perception
from relook.perceive.segment.by_layout import _floor_like, _main, _surface
from relook.session import Session
from relook.types import Depth, Layout, View, Wall

ROOM = 1
"""Number of the drawn room; any other would do."""


@pytest.fixture(scope="module")
def room() -> Photographed:
    return photographed("rooms", 0, ROOM, 512)


@pytest.fixture(scope="module")
def exact(room: Photographed) -> Layout:
    assert room.layout is not None
    return room.layout


@pytest.fixture(scope="module")
def found(room: Photographed) -> Layout:
    layout = room_layout(View(room.view.image, room.view.segments))
    assert layout is not None
    return layout


@pytest.mark.parametrize("variant", ["rooms", "rolled", "portrait"])
def test_planes_of_the_exact_layout_are_those_of_the_drawn_room(variant: str) -> None:
    case = photographed(variant, 0, ROOM, 128)
    assert case.layout is not None
    assert case.view.segments is not None
    assert case.view.depth is not None
    ids, depth = seen_planes(case.layout)
    for name, wanted in (("floor", FLOOR), ("ceiling", CEILING), ("wall", WALLS)):
        there = case.view.segments.mask(name)
        assert there.any()
        assert (ids.clamp_max(WALLS)[there] == wanted).double().mean() > 0.99
        assert (depth[there] / case.view.depth.values[there] - 1).abs().median() < 0.02
    assert (depth > 0.98 * case.view.depth.values).double().mean() > 0.99  # furniture stands before the planes


def test_a_room_is_found_with_its_segments(found: Layout, exact: Layout) -> None:
    assert found.directions > 0.5
    assert up_error(found, exact) < 0.3
    assert horizontal_error(found, exact) < 0.3
    assert focal_error(found, exact) < 2
    assert room_error(found, exact) < 3
    assert (label_iou(found, exact) or 0) > 0.95
    assert (wall_shares(found, exact, sure=0.5)[0] or 0) > 0.9


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_small_picture_shows_its_room_too(number: int) -> None:
    case = photographed("rooms", 0, number, 128)
    assert case.layout is not None
    layout = room_layout(View(case.view.image, case.view.segments))
    assert layout is not None
    assert up_error(layout, case.layout) < 3
    assert horizontal_error(layout, case.layout) < 2


def test_a_room_is_found_by_lines_and_colours_alone(room: Photographed, exact: Layout) -> None:
    alone = room_layout(View(room.view.image))
    assert alone is not None
    assert up_error(alone, exact) < 0.3
    assert horizontal_error(alone, exact) < 0.3
    assert (label_iou(alone, exact) or 0) > 0.8


def test_the_same_picture_gives_the_same_layout(room: Photographed, found: Layout, tmp_path: Path) -> None:
    again = room_layout(View(room.view.image, room.view.segments))
    assert again is not None
    for name, layout in (("one.json", found), ("other.json", again)):
        write_layout(tmp_path / name, layout)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "other.json").read_bytes()


def test_a_rolled_camera_is_seen() -> None:
    case = photographed("rolled", 0, ROOM, 512)
    layout = room_layout(View(case.view.image, case.view.segments))
    assert layout is not None
    assert case.layout is not None
    assert abs(float(case.layout.up[0])) > 0.06
    assert up_error(layout, case.layout) < 1
    assert horizontal_error(layout, case.layout) < 1


@pytest.mark.parametrize("number", range(4))
def test_pictures_without_a_room_are_unknown(number: int) -> None:
    layout = room_layout(photographed(NO_ROOM, 0, number, 256).view)
    assert layout is None or layout.directions < 0.5
    if layout is not None:
        assert (seen_planes(layout).ids == UNKNOWN).all()


def test_a_flat_picture_has_no_layout() -> None:
    assert room_layout(View(torch.full((3, 96, 128), 0.5))) is None


def test_a_known_focal_length_is_kept(room: Photographed, exact: Layout) -> None:
    said = 1.3 * float(exact.camera.K[0, 0])
    layout = room_layout(View(room.view.image, room.view.segments), focal=said)
    assert layout is not None
    assert float(layout.camera.K[0, 0]) == pytest.approx(said, rel=0.15)
    told = room_layout(replace(room.view, depth=None))  # by the view's own camera
    assert told is not None
    assert focal_error(told, exact) < 2


def test_a_line_points_to_its_vanishing_point() -> None:
    lines = Lines(np.array([[0.0, 0, 2, 0], [0, 0, 0, 2]]), 10)
    off = lines.off(np.array([[100.0, 0, 1], [1, 0, 0], [1, 1, 0]]))
    assert off[:2] == pytest.approx(np.array([[0, 99 / np.hypot(100, 1) * 100 / 99], [0, 1]]), abs=1e-3)
    assert off[2] == pytest.approx(np.sqrt(0.5))


def test_lines_of_a_drawn_square_are_found() -> None:
    image = torch.zeros(3, 200, 200)
    image[:, 50:150, 60:140] = 1
    lines = find_lines(image)
    assert len(lines) == 4
    assert sorted(lines.lengths.round()) == pytest.approx([80, 80, 100, 100], abs=4)


def test_the_cheapest_path_is_that_of_trying_all() -> None:
    draw = np.random.default_rng(0)
    states, width = 6, 5
    for _ in range(10):
        costs = draw.random((2, states, width)) * 0.1
        neighbours = draw.integers(0, states, (width, states, 3))
        corners = draw.random(width)

        def price(
            path: tuple[int, ...], ceiling: int, costs: Any = costs, near: Any = neighbours, lined: Any = corners
        ) -> float:
            total = sum(costs[ceiling, state, column] for column, state in enumerate(path))
            for column in range(1, width):
                before, after = path[column - 1], path[column]
                if before != after:
                    corner = width * CORNER * (1 - 0.5 * lined[column]) if before in near[column][after] else np.inf
                    total += min(corner, width * JUMP)
            return float(total)

        path, totals = _paths(costs, neighbours, corners)
        for ceiling in range(2):
            best = min(product(range(states), repeat=width), key=lambda one, c=ceiling: price(one, c))  # type: ignore[misc]
            assert totals[ceiling] == pytest.approx(price(best, ceiling))
            assert price(tuple(path(ceiling)), ceiling) == pytest.approx(totals[ceiling])


def test_a_layout_is_read_as_it_was_written(found: Layout, tmp_path: Path) -> None:
    write_layout(tmp_path / "layout.json", found)
    again = read_layout(tmp_path / "layout.json", found.size)
    assert torch.allclose(again.camera.K, found.camera.K, atol=1e-3)
    assert torch.allclose(again.camera.world_to_camera, found.camera.world_to_camera, atol=1e-4)
    assert (again.height, again.eye) == pytest.approx((found.height, found.eye), abs=1e-3)
    assert len(again.walls) == len(found.walls)
    assert (seen_planes(again).ids == seen_planes(found).ids).double().mean() > 0.999


def test_an_edited_wall_moves(found: Layout, tmp_path: Path) -> None:
    place = tmp_path / "layout.json"
    write_layout(place, found)
    content = json.loads(place.read_text())
    content["walls"] = [{"from": [-9, 2], "to": [9, 2]}]
    del content["camera"]["confidence"], content["floor"], content["ceiling"]["confidence"]
    place.write_text(json.dumps(content))
    edited = read_layout(place)
    assert edited.walls == (Wall((-9.0, 2.0), (9.0, 2.0)),)
    assert (edited.directions, edited.floor, edited.ceiling) == (1, 1, 1)
    ids, depth = seen_planes(edited)
    middle = edited.size[0] // 2, edited.size[1] // 2
    assert ids[middle] == WALLS
    assert 1.5 < float(depth[middle]) < 2.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.pop("camera"), "KeyError"),
        (lambda content: content["camera"].update(focal=-3), "focal"),
        (lambda content: content["camera"].update(down=[0, 1]), "correct it"),
        (lambda content: content["camera"].update(height=-1), "between floor and ceiling"),
        (lambda content: content["ceiling"].update(height=0.2), "between floor and ceiling"),
        (lambda content: content["ceiling"].update(confidence=2), "confidence"),
        (lambda content: content["walls"][0].update(to=content["walls"][0]["from"]), "two different ends"),
        (lambda content: content["walls"][0].update(to=[1]), "correct it"),
        (lambda content: content.update(width=7), "pixels"),
    ],
)
def test_what_is_no_layout_is_refused_in_a_sentence(
    found: Layout, tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    place = tmp_path / "layout.json"
    write_layout(place, found)
    content = json.loads(place.read_text())
    change(content)
    place.write_text(json.dumps(content))
    with pytest.raises(GeometryError, match=message) as error:
        read_layout(place, found.size)
    assert str(error.value).startswith("Expected ")
    assert "\n" not in str(error.value)


def test_a_missing_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="relook perceive"):
        read_layout(tmp_path / "none.json")


def test_relative_depth_bent_to_the_planes_has_metres(room: Photographed, exact: Layout) -> None:
    assert room.view.depth is not None
    truth = room.view.depth.values
    relative = Depth(1 / (0.6 / truth + 0.1), "relative")
    for segments in (None, room.view.segments):
        bent = bent_to_planes(relative, exact, segments)
        assert bent.kind == "metric"
        assert (abs_rel(bent.values, truth) or 0) < 0.02
    wrong = replace(exact, directions=0.2)
    with pytest.raises(DepthError, match="planes"):
        bent_to_planes(relative, wrong)
    with pytest.raises(DepthError, match="size"):
        bent_to_planes(Depth(relative.values[:10], "relative"), exact)


def test_nothing_lies_behind_a_plane(room: Photographed, exact: Layout) -> None:
    assert room.view.depth is not None
    truth = room.view.depth.values
    far = torch.where(torch.arange(truth.shape[1]) < 40, truth * 3, truth)
    bent = bent_to_planes(Depth(far, "metric"), exact)
    assert (bent.values <= 1.04 * seen_planes(exact).depth).all()


def test_measured_depth_gives_the_room_its_metres(room: Photographed, found: Layout, exact: Layout) -> None:
    assert room.view.depth is not None
    scaled = scaled_by_depth(found, room.view.depth, room.view.segments)
    assert scaled.scale == "depth"
    assert height_error(scaled, exact) < 2
    assert room_error(scaled, found) < 1e-3  # the shape stays
    assert (seen_planes(scaled).ids == seen_planes(found).ids).double().mean() > 0.999


def test_a_layout_follows_its_picture_to_another_size(exact: Layout) -> None:
    small = seen_planes(exact.resized((128, 128))).ids
    assert (small == seen_planes(exact).ids[2::4, 2::4]).double().mean() > 0.98


def test_layouts_are_drawn(room: Photographed, found: Layout) -> None:
    picture = layout_picture(room.view.image, found)
    assert picture.shape == room.view.image.shape
    assert (picture - room.view.image).abs().mean() > 0.05
    plan = plan_picture(room.view.image, found)
    assert max(plan.shape[1:]) == 640
    lone = plan_picture(room.view.image, replace(found, walls=()))
    assert torch.isfinite(lone).all()


def test_exif_says_the_focal_length() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 26
    assert focal_of_bytes(exif.tobytes()) == pytest.approx(26 / 36 * 1280)
    exif.get_ifd(0x8769)[0xA405] = 0
    assert focal_of_bytes(exif.tobytes()) is None
    assert focal_of_bytes(b"") is None


def focal_of_bytes(exif: bytes) -> float | None:
    from relook.types import Metadata

    return focal_of(Metadata(exif=exif), (853, 1280))


def test_a_layout_is_the_views_own_a_file_or_found_once(
    room: Photographed, exact: Layout, tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = View(room.view.image)
    write_layout(tmp_path / "room.json", replace(exact, height=9.0))
    mended = known_layout(view, str(tmp_path / "room.json"), session)
    assert mended is not None
    assert mended.height == 9
    assert known_layout(view, "none", session) is None
    assert known_layout(replace(view, layout=exact), "auto", session) is exact
    asked: list[View] = []
    monkeypatch.setattr(layouts, "_found", lambda view, session, focal: asked.append(view) or exact)
    for _ in range(2):
        known_layout(view, "auto", session)
    assert len(asked) == 1
    known_layout(view, "auto", session, focal=500.0)
    known_layout(room.view, "auto", session)
    assert len(asked) == 3, "another focal length, or regions, may show another room"


def test_where_no_network_sees_regions_they_are_the_rooms_planes(
    room: Photographed, exact: Layout, session: Session
) -> None:
    seen = Perception(session, "layout").regions_and_room(View(room.view.image, layout=exact))
    assert seen.segments is not None
    assert seen.layout is exact
    assert seen.segments.names == ("ceiling", "floor", "wall")
    planes = seen_planes(exact).ids
    for name, where in (("floor", planes == FLOOR), ("ceiling", planes == CEILING), ("wall", planes >= WALLS)):
        assert float(where[seen.segments.mask(name)].float().mean()) > 0.97, "a region lies on its own plane"
    unsure = Perception(session, "layout").regions_and_room(View(room.view.image, layout=replace(exact, floor=0.4)))
    assert unsure.segments is not None
    assert "floor" not in unsure.segments.names


def test_regions_of_a_network_come_before_the_layout(room: Photographed, session: Session) -> None:
    seen = Perception(session, "whole").regions_and_room(View(room.view.image), "none")
    assert seen.segments is not None
    assert (seen.segments.names, seen.layout) == (("whole picture",), None)


def test_what_stands_before_a_plane_is_cut_out_of_it(session: Session) -> None:
    room = photographed("rooms", 0, 7, 512)
    truth, layout = room.view.segments, room.layout
    assert truth is not None
    assert layout is not None
    seen = Perception(session, "layout").regions_and_room(View(room.view.image, layout=replace(layout, floor=0.8)))
    assert seen.segments is not None
    planes = seen_planes(layout).ids
    for name, plane, least in (("floor", planes == FLOOR, 0.98), ("wall", planes >= WALLS, 0.8)):
        right, mask = truth.mask(name), seen.segments.mask(name)
        assert float(right[mask].float().mean()) > least > float(right[plane].float().mean()) + 0.05
        assert float(mask[right].float().mean()) > 0.9, f"most of the {name} stays"
    sure = {one.name: one.confidence for one in seen.segments.regions.values()}
    assert 0.5 < sure["floor"] <= 0.8 < sure["ceiling"], "as sure as the plane"


def test_floor_and_ceiling_end_where_the_wall_is_unknown(room: Photographed, exact: Layout, session: Session) -> None:
    unsure = replace(exact, walls=tuple(replace(one, confidence=0.1) for one in exact.walls))
    seen = Perception(session, "layout").regions_and_room(View(room.view.image, layout=unsure))
    assert seen.segments is not None
    assert seen.segments.names == ()


def test_ceilings_lie_above_the_eye_and_floors_below(exact: Layout) -> None:
    planes, above = seen_planes(exact).ids, above_eye(exact)
    assert above[planes == CEILING].all()
    assert not above[planes == FLOOR].any()
    assert 0.1 < float(above[planes >= WALLS].float().mean()) < 0.9


def test_what_is_lighter_than_a_wall_below_the_eye_is_not_the_wall() -> None:
    """A square a little lighter than the wall is the wall in light above the eye, and may be a sofa below; a darker one is the wall in shade."""
    lab, patches, high = np.full((96, 96, 3), (80.0, 0.0, 0.0)), np.zeros((96, 96), int), np.zeros((96, 96), bool)
    high[:48] = True
    for id, (rows, columns, light) in enumerate(((10, 38, 89.0), (66, 20, 89.0), (66, 60, 71.0)), start=1):
        place = slice(rows, rows + 20), slice(columns, columns + 20)
        lab[place], patches[place] = (light, 0.0, 0.0), id
    seen = _surface(lab, np.ones((96, 96), bool), high, patches, np.ones((96, 96)))
    assert [bool(seen[patches == id].all()) for id in range(4)] == [True, True, False, True]
    assert not seen[patches == 2].any()


def test_a_floor_is_wood_rather_than_linen_or_black() -> None:
    oak, linen, black, carpet = (65.0, 10.0, 25.0), (86.0, 0.0, 6.0), (8.0, 0.0, 0.0), (55.0, 0.0, 4.0)
    floor = np.repeat([oak, linen, black], (200, 900, 900), axis=0)
    assert _main(floor, _floor_like(floor)).tolist() == list(oak)
    assert _main(floor, np.ones(len(floor)))[0] != oak[0]
    weights = _floor_like(np.array([oak, linen, black, carpet]))
    assert weights[0] > weights[3] == 1 > max(weights[1:3])
