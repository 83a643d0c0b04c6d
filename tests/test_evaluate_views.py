"""The suite of views: its numbers against independent ones, its rows against what they say they are, and the files that it leaves."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import strolls
import tiny
from relook.config import PhotoConfig
from relook.dollhouse import exact_flow
from relook.engine import Engine
from relook.errors import InputError, MissingModelError, ShapeError
from relook.evaluate import dollhouse_views
from relook.evaluate.metrics import METRICS
from relook.evaluate.metrics.truth import psnr
from relook.evaluate.metrics.views import (
    area_under_curve,
    camera_errors,
    detail,
    drift,
    warp_lpips,
    warp_rmse,
)
from relook.evaluate.records import EVERY, WHOLE, read_records
from relook.evaluate.run import run
from relook.evaluate.sections import CEILING
from relook.evaluate.views import capture as capture_views
from relook.evaluate.views import poses as view_poses
from relook.evaluate.views import two_views
from relook.evaluate.views import walks as view_walks
from relook.evaluate.views.rooms import draw_two_views, draw_walk
from relook.evaluate.views.rows import ROWS, step_rows, warped
from relook.evaluate.views.setting import Setting
from relook.evaluate.views.walks import WAYS, Restyled
from relook.io import write_image
from relook.models.view_refiner import CONDITIONS, widened
from relook.ops.align import Similarity
from relook.session import Session
from relook.transfer import photo as transfer_photo
from relook.types import Camera, Matches, View

WALK = draw_walk(0, 0, 4, 32)
CASE = draw_two_views(0, 0, "far", 48)


STILL = Matches(torch.zeros(2, 32, 32), torch.ones(32, 32), torch.zeros(32, 32, dtype=torch.bool))


def coloured_by_place(walk: view_walks.Walk) -> list[torch.Tensor]:
    """Frames whose colour is a smooth function of the world point: perfectly consistent."""
    return [(0.5 + 0.1 * room.points.sin()).permute(2, 0, 1) for room in walk.old]


def test_every_number_says_its_direction_range_and_source() -> None:
    views = {name: metric for name, metric in METRICS.items() if metric.group == "views"}
    assert set(views) == {"warp_rmse", "warp_lpips", "drift", "detail", "rotation_auc", "translation_auc", "pose_auc"}
    assert {name for name, metric in views.items() if metric.better == "higher"} == {
        "detail",
        "rotation_auc",
        "translation_auc",
        "pose_auc",
    }
    for metric in views.values():
        assert metric.range[0] < metric.range[1]
        assert len(metric.source) > 10


def test_a_walk_coloured_by_place_agrees_and_an_offset_is_its_error() -> None:
    first, second = coloured_by_place(WALK)[1], coloured_by_place(WALK)[2]
    flow, visible = exact_flow(WALK.old[2], WALK.old[1])
    error = warp_rmse(second, first, flow, visible)
    assert error is not None
    assert (
        error < 0.005
    )  # what bilinear fetching across edges of the rooms costs; between black and white it would be 1
    moved = warp_rmse(second + 0.25, first, flow, visible)
    assert moved == pytest.approx(0.25, abs=0.005)


def test_rmse_is_numpys_where_the_flow_is_whole(unchecked: None) -> None:
    generator = torch.Generator().manual_seed(0)
    frame, other = torch.rand(2, 3, 12, 16, generator=generator)
    flow = torch.zeros(2, 12, 16)
    flow[0], flow[1] = 3, -2  # pixel (y, x) is seen at (y - 2, x + 3)
    visible = torch.rand(12, 16, generator=generator) > 0.3
    a, b, shown = frame.numpy(), other.numpy(), visible.numpy()
    squares = [
        (a[:, y, x] - b[:, y - 2, x + 3]) ** 2 for y in range(2, 12) for x in range(13) if shown[y, x]
    ]  # fmt: skip
    assert warp_rmse(frame, other, flow, visible) == pytest.approx(float(np.sqrt(np.mean(squares))), rel=1e-5)
    assert warp_rmse(frame, other, flow, torch.zeros(12, 16, dtype=torch.bool)) is None
    with pytest.raises(ShapeError):
        warp_rmse(frame, other, flow[:, :4], visible)


@pytest.mark.weights
def test_lpips_sees_only_what_both_show(shared: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    frame = torch.rand(3, 64, 64, generator=generator)
    other, visible, still = frame.clone(), torch.zeros(64, 64, dtype=torch.bool), torch.zeros(2, 64, 64)
    visible[:, :32] = True
    other[:, :, 32:] = 1 - other[:, :, 32:]
    assert warp_lpips(frame, other, still, visible) == pytest.approx(0, abs=1e-6)
    flipped = warp_lpips(frame, 1 - frame, still, visible)
    assert flipped is not None
    assert flipped > 0.05


def test_drift_is_the_second_minus_the_last() -> None:
    assert drift([40.0, 24.0, 30.0, 22.5]) == 1.5
    assert drift([40.0, 24.0]) is None
    assert drift([40.0, 24.0, None]) is None


def test_detail_is_the_part_of_the_gradient_that_is_left() -> None:
    image = WALK.new[0].image
    assert detail(image, image) == pytest.approx(1)
    assert detail(0.5 * image + 0.2, image) == pytest.approx(0.5, rel=1e-4)
    blurred = torch.nn.functional.avg_pool2d(image, 3, 1, 1)
    rows, columns = np.diff(blurred.numpy(), axis=1)[:, :, :-1], np.diff(blurred.numpy(), axis=2)[:, :-1]
    wanted, had = (np.diff(image.numpy(), axis=axis) for axis in (1, 2))
    part = np.sqrt(rows**2 + columns**2).mean() / np.sqrt(wanted[:, :, :-1] ** 2 + had[:, :-1] ** 2).mean()
    assert detail(blurred, image) == pytest.approx(float(part), rel=1e-4)
    assert detail(image, torch.full_like(image, 0.5)) is None


def turned(degrees: float, shift: float = 0.0) -> Camera:
    """A camera at (shift, 0, 0) turned about y."""
    angle, pose = math.radians(degrees), torch.eye(4)
    pose[0, 0] = pose[2, 2] = math.cos(angle)
    pose[0, 2], pose[2, 0] = math.sin(angle), -math.sin(angle)
    pose[:3, 3] = -pose[:3, :3] @ torch.tensor([shift, 0.0, 0.0])
    return Camera(torch.eye(3), pose)


def test_cameras_in_another_world_are_right_and_missing_ones_are_wrong() -> None:
    wanted = {i: room.camera for i, room in enumerate(WALK.old)}
    change = Similarity(2.5, turned(40).world_to_camera[:3, :3], torch.tensor([1.0, -2, 3]))
    found = {i: change.camera(camera) for i, camera in wanted.items()}
    turns, shifts = camera_errors(found, wanted, 2.0)
    assert max(turns) < 0.1
    assert max(shifts) < 1e-4
    turns, shifts = camera_errors({i: found[i] for i in (0, 1, 2)}, wanted, 2.0)
    assert turns[3] == shifts[3] == math.inf
    assert max(turns[:3]) < 0.1
    assert camera_errors({0: found[0], 1: found[1]}, wanted, 1.0) == ([math.inf] * 4, [math.inf] * 4)


def test_areas_under_the_curve_are_the_integral() -> None:
    errors = [1.0, 4.0, 12.0, math.inf]
    limits = np.linspace(0, 10, 100_001)
    shares = [np.mean([error <= limit for error in errors]) for limit in limits[::100]]
    assert area_under_curve(errors, 10.0) == pytest.approx(float(np.mean(shares)), abs=2e-3)
    assert area_under_curve([0.0, 0.01], 0.02) == pytest.approx(0.75)
    assert area_under_curve([], 5.0) is None


def test_two_views_are_of_one_room_and_the_nearer_the_fewer_holes() -> None:
    near, far = draw_two_views(0, 0, "near", 48), CASE
    assert torch.equal(near.first.image, far.first.image)
    assert torch.equal(near.styled.image, far.styled.image)
    assert not torch.equal(near.second.image, far.second.image)
    assert 0 < near.holes.float().mean() < far.holes.float().mean() < 0.7
    assert far.styled.depth is not None
    assert far.first.depth is not None
    assert torch.equal(far.styled.depth.values, far.first.depth.values)
    assert not torch.equal(draw_two_views(1, 0, "near", 48).first.image, near.first.image)


def test_warps_show_the_answer_outside_the_holes() -> None:
    look, holes = warped(CASE, "relook")
    assert (holes | ~CASE.holes).all()
    assert (holes & ~CASE.holes).float().mean() < 0.03  # doubtful pixels that lift drops besides
    assert not look[:, holes].any()
    known, copied = psnr(look, CASE.exact, ~holes), psnr(CASE.second.image, CASE.exact, ~holes)
    assert known is not None
    assert copied is not None
    assert known > copied + 5
    assert known > 20


def test_rows_without_weights_fill_every_hole_and_keep_what_is_known() -> None:
    look, holes = warped(CASE, "relook")
    scores = {}
    for name in ("nearest", "warp + inpainting", "warp + inpainting (Navier-Stokes)", "recolour", "warp only"):
        image = ROWS[name].paint(CASE, Setting(), Session("cpu"))
        assert (image - look).abs()[:, ~holes].max() < 1 / 255
        scores[name] = two_views.score_of(image, CASE)
    lowest = min(scores, key=lambda name: scores[name]["hole_psnr"] or 0)
    assert lowest == "warp only"
    assert {name for name, row in ROWS.items() if row.learned} >= {"refiner", "per-frame restyling", CEILING}


def test_the_exact_answer_has_perfect_numbers() -> None:
    best = two_views.score_of(CASE.exact, CASE)
    assert best["psnr"] == best["hole_psnr"] == 100
    assert best["ssim"] == pytest.approx(1)
    scores = view_walks.score_of(Restyled([room.image for room in WALK.new]), WALK)
    assert scores["psnr"] == 100
    assert scores["drift"] == 0
    flicker = [(room.image + 0.2 * (i % 2)).clamp(0, 1) for i, room in enumerate(WALK.new)]
    assert view_walks.score_of(Restyled(flicker), WALK)["near_rmse"] > 2 * scores["near_rmse"]  # type: ignore[operator]


def test_what_the_style_does_not_show_counts_only_for_the_whole_picture() -> None:
    known = view_walks.shown_by_style(WALK)
    assert any(0 < float(one.float().mean()) < 1 for one in known)
    wrong = [torch.where(one, room.image, 1 - room.image) for one, room in zip(known, WALK.new, strict=True)]
    scores = view_walks.score_of(Restyled(wrong), WALK)
    assert scores["psnr_known"] == 100
    assert scores["psnr"] < 50  # type: ignore[operator]
    right = [torch.where(one, 1 - room.image, room.image) for one, room in zip(known, WALK.new, strict=True)]
    assert view_walks.score_of(Restyled(right), WALK)["psnr_known"] < 20  # type: ignore[operator]


def test_a_scene_of_exact_key_frames_shows_the_answer(tmp_path: Path) -> None:
    family, _ = family_of_this_test(tmp_path)
    walk = draw_walk(0, 1, 4, 48)
    base, session = Setting(family=str(family), steps=1).views(), Session()
    found = view_walks.restyled(tmp_path / "walk", WAYS["scene/exact key frames"], walk, base, session)
    before = [psnr(room.image, new.image) for room, new in zip(walk.old, walk.new, strict=True)]
    after = [psnr(image, new.image) for image, new in zip(found.images, walk.new, strict=True)]
    assert min(after) > max(before) + 8  # type: ignore[type-var, operator]


def test_drift_follows_the_order_of_painting() -> None:
    images = [(room.image + 0.04 * i).clamp(0, 1) for i, room in enumerate(WALK.new)]
    forwards = view_walks.score_of(Restyled(images, first=0), WALK)
    assert forwards["drift"] == pytest.approx(psnr(images[1], WALK.new[1].image) - psnr(images[3], WALK.new[3].image))  # type: ignore[operator]
    middle = view_walks.score_of(Restyled(images, first=2), WALK)  # painted 2, 3, 1, 0
    assert middle["drift"] == pytest.approx(psnr(images[3], WALK.new[3].image) - 100)  # type: ignore[operator]


def family_of_this_test(tmp_path: Path) -> tuple[Path, Path]:
    """A tiny random family, and a view refiner for it in another folder."""
    folder = tiny.write_family(tmp_path / "family")
    widened(tiny.unet(), len(CONDITIONS)).save_pretrained(tmp_path / "refiner")
    return folder, tmp_path / "refiner"


def test_the_suite_leaves_complete_files_and_goes_on_where_it_was(tmp_path: Path) -> None:
    family, refiner = family_of_this_test(tmp_path)
    config = dollhouse_views.Config(
        out=tmp_path / "out", parts=("two-view", "steps", "walks"), rooms=1, size=32, rows=("warp only", "recolour", "refiner"),
        steps=1, refiner=refiner, refiner_steps=1, steps_sweep=(1, 2), walks=1, frames=3, ways=("relook/exact first frame", "paper"),
        family=str(family), engine=Engine(workers=1),
    )  # fmt: skip
    run(dollhouse_views.suite(config))
    summary = json.loads((config.out / "tables.json").read_text())
    assert {part: one["title"] for part, one in summary.items()} == {
        "two-view": "Two-view synthesis",
        "two-view, by distance": "Two-view synthesis, by distance",
        "steps": "Steps of the view refiner",
        "walks": "Restyled walks",
    }
    assert set(summary["two-view"]["rows"]) == {"warp only", "recolour", "refiner"}
    assert summary["two-view"]["differences"]["warp only"]["psnr/holes"]["cases"] == 3
    walks = json.loads((config.out / "summary.json").read_text())["dollhouse-views/walks"]
    assert walks["relook/exact first frame"]["psnr"]["mean"] > walks["paper"]["psnr"]["mean"]
    assert walks["exact"]["drift"]["mean"] == 0
    page = (config.out / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 1 + 3 * (3 + 3 + 1) + (3 + 2 + 1)
    assert 'src="' not in page.replace('src="data:', "")
    assert "| row | PSNR dB ↑ | SSIM ↑ |" in (config.out / "table.md").read_text()
    made_with = json.loads((config.out / "run.json").read_text())
    assert len(made_with["weights"]["view refiner"]) == 64
    assert made_with["settings"]["steps_sweep"] == [1, 2]

    made = {path: path.stat().st_mtime_ns for path in config.out.rglob("*.png") if path.name != "grid.png"}
    assert len(made) > 3 * 3 + 2 + 2 * 3
    run(dollhouse_views.suite(config))
    assert json.loads((config.out / "tables.json").read_text()) == summary
    records = read_records(config.out)
    assert {r.part for r in records} == {"two-view", "two-view, by distance", "steps", "walks"}
    assert {r.case for r in records if r.part == "two-view"} == {"000/near", "000/middle", "000/far"}
    apart = {(r.part, r.case, r.region): r.value for r in records if (r.row, r.metric) == ("recolour", "psnr")}
    assert apart["two-view, by distance", "000", "holes, far"] == apart["two-view", "000/far", "holes"]
    assert {r.metric for r in records if r.case == EVERY} == {"warp_rmse_part", "warp_lpips_part"}
    assert {path: path.stat().st_mtime_ns for path in made} == made  # nothing was painted again


def test_without_a_refiner_its_rows_are_left_out_unless_it_was_named(tmp_path: Path) -> None:
    family, _ = family_of_this_test(tmp_path)
    config = dollhouse_views.Config(
        out=tmp_path / "out", parts=("two-view",), rooms=1, size=32, family=str(family), steps=1, engine=Engine(workers=1)
    )  # fmt: skip
    run(dollhouse_views.suite(config))
    left = set(ROWS) - {record.row for record in read_records(config.out)}
    assert left == {
        "splat + refiner",
        "paper",
        "released",
        "refiner/whole picture",
        "refiner/paper conditions",
        "refiner",
    }
    assert "Expected a view refiner" in (config.out / "report.html").read_text()
    with pytest.raises(InputError, match="view refiner"):
        run(dollhouse_views.suite(replace(config, refiner=tmp_path / "nothing")))
    with pytest.raises(MissingModelError, match="view refiner"):
        run(dollhouse_views.suite(replace(config, rows=("refiner",))))


def test_what_cannot_be_is_one_sentence() -> None:
    for wrong in (
        {"parts": ("all",)}, {"rows": ("magic",)}, {"ways": ("magic",)}, {"capture": Path("x")}, {"parts": ("capture",)}, {"rooms": 0},
        {"frames": 2}, {"seed": -1},
    ):  # fmt: skip
        with pytest.raises(InputError, match=r"^Expected .*; "):
            dollhouse_views.suite(replace(dollhouse_views.Config(), **wrong))
    parts = dict.fromkeys(trial.part for trial in dollhouse_views.suite(dollhouse_views.Config()).trials())
    assert list(parts) == ["two-view", "steps", "walks", "poses"]


def test_poses_of_restyled_frames_are_scored_against_those_of_the_originals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = Similarity(0.5, turned(20).world_to_camera[:3, :3], torch.tensor([0.0, 1, 0]))
    calls: list[int] = []

    walk = draw_walk(0, 0, 4, 32)

    def found(images: list[torch.Tensor], known: list[Camera]) -> view_poses.Cameras:
        calls.append(1)
        cameras = {i: change.camera(camera) for i, camera in enumerate(known)}
        if torch.equal(images[0], walk.new[0].image):  # the answer's frames: one camera is lost
            del cameras[3]
        return cameras

    monkeypatch.setattr(view_poses, "found_in", found)
    config = dollhouse_views.Config(
        out=tmp_path, parts=("poses",), walks=1, pose_frames=4, pose_size=32, ways=("relook/key frame",), engine=Engine(workers=1)
    )  # fmt: skip
    run(dollhouse_views.suite(config))
    records = read_records(tmp_path)
    values = {(r.row, r.metric, r.region): r.value for r in records}
    assert values["original", "placed", WHOLE] == 100
    assert values["original", "rotation_auc", "5°"] == pytest.approx(1, abs=0.02)
    assert values["exact", "placed", WHOLE] == 75
    assert values["exact", "translation_auc", "5%"] == pytest.approx(0.75, abs=0.01)
    assert {r.case for r in records} == {"walk 0 of 4 frames"}
    assert {r.row for r in records} == {"exact", "original"}
    run(dollhouse_views.suite(config))
    assert len(calls) == 2  # kept on disk


def test_a_capture_is_restyled_as_the_options_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Family, steps and device of the command, and what they come to stands in the records of both rows."""
    family = tiny.write_family(tmp_path / "family")
    folder = strolls.write_capture(tmp_path / "capture", [room.view() for room in WALK.old])
    write_image(tmp_path / "style.png", WALK.style.image)
    asked: list[PhotoConfig] = []
    true = transfer_photo.restyle_photo

    def spied(structure: View, style: View, config: PhotoConfig, **more: object) -> object:
        asked.append(config)
        return true(structure, style, config, **more)

    monkeypatch.setattr(transfer_photo, "restyle_photo", spied)
    monkeypatch.setattr("relook.lift.propagation.restyle_photo", spied)
    monkeypatch.setattr(capture_views, "matcher", lambda name, session: lambda first, second: STILL)
    config = dollhouse_views.Config(
        out=tmp_path / "out", parts=("capture",), capture=folder, style=tmp_path / "style.png", capture_pairs=2, steps=1,
        family=str(family), engine=Engine(workers=1),
    )  # fmt: skip
    run(dollhouse_views.suite(config))
    assert {(one.family, one.steps, one.device) for one in asked} == {(str(family), 1, "cpu")}
    found = {(r.row, r.case, r.metric, r.region): r.value for r in read_records(config.out)}
    assert {row for row, *_ in found} == {"original", "relook", "carried", "per-frame"}
    assert found["original", "frames 0 and 1 of 4", "warp_rmse", "near, flow"] is not None
    assert not [key for key in found if "far" in key[3]]  # four frames have no far pair


def test_a_capture_is_compared_along_both_flows() -> None:
    views = [room.view() for room in WALK.old]

    frames = strolls.source(views)
    rows = {
        "steady": [torch.full((3, 32, 32), 0.5)] * 4,
        "flicker": [torch.full((3, 32, 32), 0.3 + 0.1 * i) for i in range(4)],
    }
    scores = capture_views.pair_scores(frames, rows, ("near", 1, 2), lambda first, second: STILL)
    for how in ("flow", "sensor"):
        assert scores["steady"][f"{how} near rmse"] == pytest.approx(0, abs=1e-6)
        assert scores["flicker"][f"{how} near rmse"] == pytest.approx(0.1, abs=1e-5)
    plain = strolls.source([View(view.image) for view in views])
    scores = capture_views.pair_scores(plain, rows, ("near", 1, 2), lambda first, second: STILL)
    assert scores["flicker"]["sensor near rmse"] is None


def test_steps_and_ways_are_what_their_names_say() -> None:
    assert list(step_rows((1, 4))) == ["1 steps", "4 steps"]
    assert WAYS["per-frame"].carry is None
    assert WAYS["paper"].carry == "paper"
    assert [name for name, way in WAYS.items() if way.from_exact] == [
        "paper/exact first frame",
        "relook/exact first frame",
        "scene/exact key frames",
    ]
