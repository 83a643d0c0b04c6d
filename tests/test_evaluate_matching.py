"""The suite of matchers: its own truth checked on rooms that are exactly known, its numbers by hand, and a whole run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from relook.captures import read_capture
from relook.dollhouse import Rendering, exact_flow, render, sample_layout, sample_style, walk
from relook.engine import Engine
from relook.errors import InputError, MissingModelError
from relook.evaluate.perception import matching
from relook.evaluate.perception.matching import Config, pooled, score, suite
from relook.evaluate.perception.measured import Case, in_common, measured_case
from relook.evaluate.records import EVERY, read_records
from relook.evaluate.run import run
from relook.files import read_json, write_json
from relook.io import write_image
from relook.perceive.backends import BackEnd
from relook.types import Depth, Matches, View


def walked(frames: int = 2, size: tuple[int, int] = (48, 64)) -> list[Rendering]:
    layout, style = sample_layout(1_000_003), sample_style(1_000_003)
    return [render(layout, style, size, pose) for pose in walk(layout, frames, stride=0.3, turn=0.15)]


def sensed(rendering: Rendering) -> View:
    """A rendering as a sensor would read it: whole millimetres."""
    metres = (rendering.depth * 1000).round() / 1000
    return View(rendering.image, camera=rendering.camera, depth=Depth(metres, "metric", metres > 0))


def write_capture(folder: Path, pictures: list[Rendering]) -> Path:
    """Renderings as a capture on disk."""
    height, width = pictures[0].depth.shape
    frames = []
    for number, picture in enumerate(pictures):
        write_image(folder / f"{number}.png", picture.image)
        Image.fromarray((picture.depth * 1000).round().numpy().astype(np.uint16)).save(folder / f"{number}-depth.png")
        pose = torch.linalg.inv(picture.camera.world_to_camera.double()).tolist()
        frames.append({"image": f"{number}.png", "depth": f"{number}-depth.png", "camera_to_world": pose})
    K = pictures[0].camera.K.tolist()
    write_json(
        folder / "capture.json",
        {"width": width, "height": height, "intrinsics": K, "depth": "millimetres", "frames": frames},
    )
    return folder


def test_the_truth_of_a_sensor_is_the_exact_truth_where_it_is_scored() -> None:
    first, second = walked()
    case = measured_case(sensed(first), sensed(second))
    flow, visible = exact_flow(first, second)
    assert case.scored.float().mean() > 0.2
    assert visible[case.scored].float().mean() > 0.995
    assert (case.flow - flow).norm(dim=0)[case.scored].max() < 0.1
    assert case.hidden.sum() > 20
    assert (~visible)[case.hidden].float().mean() > 0.99
    assert not (case.hidden & case.scored).any()


def test_nothing_is_scored_without_a_reading_or_beside_an_edge() -> None:
    first, second = walked()
    a, b = sensed(first), sensed(second)
    assert a.depth is not None
    assert a.depth.valid is not None
    hole = torch.zeros_like(a.depth.valid)
    hole[20:30, 20:30] = True
    holed = replace(a, depth=Depth(a.depth.values * ~hole, "metric", a.depth.valid & ~hole))
    case = measured_case(holed, b)
    assert not case.scored[hole].any()
    assert not case.hidden[hole].any()
    assert measured_case(a, b).scored[hole].any()
    step = torch.full((48, 64), 2.0)
    step[:, 32:] = 3.0
    flat = replace(a, depth=Depth(step, "metric", step > 0))
    same = measured_case(flat, flat)
    assert not same.scored[:, 29:35].any()
    assert same.scored[4:-4, 4:26].all()


def test_frames_that_show_other_places_have_nothing_in_common(tmp_path: Path) -> None:
    capture = read_capture(write_capture(tmp_path, walked(3)))
    assert in_common(capture[0], capture[0], 1) > 0.99
    assert 0.3 < in_common(capture[0], capture[2], 1) < in_common(capture[0], capture[1], 1) < 0.99
    assert abs(in_common(capture[0], capture[2], 4) - in_common(capture[0], capture[2], 1)) < 0.1


def test_numbers_by_hand() -> None:
    """Ten pixels: seven scored with errors 0 to 6, two hidden ones of which one is called hidden, and one call that is wrong."""
    flow = torch.zeros(2, 1, 10)
    scored, hidden = torch.zeros(1, 10, dtype=torch.bool), torch.zeros(1, 10, dtype=torch.bool)
    scored[0, :7], hidden[0, 7:9] = True, True
    view = View(torch.zeros(3, 1, 10))
    found = torch.zeros(2, 1, 10)
    found[1, 0] = torch.arange(10.0)
    calls = torch.zeros(1, 10, dtype=torch.bool)
    calls[0, [0, 7, 9]] = True  # the last pixel is neither hidden nor scored: it does not count
    sure = (torch.arange(10) < 2).float()[None]
    one = score(lambda first, second: Matches(found, sure, calls), Case(view, view, flow, scored, hidden))
    numbers = {number.metric: number.value for number in pooled([one.arrays])}
    assert numbers["median"] == 3
    assert numbers["near"] == pytest.approx(3 / 7, abs=1e-4)
    assert numbers["near_where_sure"] == 1
    assert numbers["sure"] == pytest.approx(2 / 7, abs=1e-4)
    assert numbers["hidden_f1"] == pytest.approx(0.5)  # precision 1/2, recall 1/2


def test_pairs_of_one_kind_are_pooled() -> None:
    def made(error: float, count: int) -> dict[str, np.ndarray]:
        errors = np.full(count, error, dtype=np.float32)
        return {"errors": errors, "sure": np.ones_like(errors), "counts": np.array([1, 2, 3])}

    numbers = {number.metric: number.value for number in pooled([made(1.0, 5), made(9.0, 4)])}
    assert numbers["median"] == 1
    assert numbers["near"] == pytest.approx(5 / 9, abs=1e-4)
    assert numbers["hidden_f1"] == pytest.approx(4 / 10)


def test_matchers_see_pictures_only() -> None:
    first, second = walked()
    flow, visible = exact_flow(first, second)
    case = Case(first.view(), second.view(), flow, visible, ~visible)

    def curious(one: View, other: View) -> Matches:
        assert (one.depth, one.camera, one.segments, other.depth, other.camera) == (None,) * 5
        return Matches(torch.zeros(2, *one.size), torch.zeros(one.size), torch.zeros(one.size, dtype=torch.bool))

    assert len(score(curious, case).arrays["errors"]) == int(visible.sum())


def test_a_whole_run_orders_a_good_matcher_before_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def still(first: View, second: View) -> Matches:
        return Matches(torch.zeros(2, *first.size), torch.zeros(first.size), torch.zeros(first.size, dtype=torch.bool))

    def absent(first: View, second: View) -> Matches:
        raise MissingModelError("Expected weights, got none; get them.")

    table = matching.MATCHERS
    more = BackEnd("still", lambda session: still, ""), BackEnd("absent", lambda session: absent, "")
    monkeypatch.setattr(matching, "MATCHERS", replace(table, entries=(*table.entries, *more)))
    config = Config(
        out=tmp_path / "out", capture=write_capture(tmp_path, walked(3, (72, 96))), gaps=(1, 2), pairs=2, rooms=1, frames=2, size=96,
        rows=("dis", "still", "absent"), engine=Engine(workers=1),
    )  # fmt: skip
    run(suite(config))
    kinds = ("capture, gap 1", "capture, gap 2", "walks")
    pairs = {(r.part, r.case) for r in read_records(config.out) if r.case != EVERY}
    assert sorted(part for part, _ in pairs) == list(kinds)
    found = {(r.part, r.row, r.metric): r.value for r in read_records(config.out) if r.case == EVERY}
    assert {row for _, row, _ in found} == {"dis", "still"}
    assert "Left out absent" in (config.out / "report.html").read_text()
    for kind in kinds[::2]:
        assert found[kind, "dis", "near"] > found[kind, "still", "near"]
        lead = read_json(config.out / "tables.json")[kind]["lead"]
        assert f"move by {found[kind, 'still', 'median']:.2f} pixels" in lead  # who stays is off by the motion


def test_what_cannot_be_scored_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one pair"):
        suite(Config(out=tmp_path, rooms=0))
    with pytest.raises(InputError, match="matcher"):
        suite(Config(out=tmp_path, rows=("sharp",)))
    with pytest.raises(InputError, match="a camera and depth"):
        measured_case(View(torch.zeros(3, 8, 8)), View(torch.zeros(3, 8, 8)))
