"""The suite of lifting: rows of both parts on a small room, and names that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.engine import Engine
from relook.errors import InputError
from relook.evaluate import dollhouse_lift
from relook.evaluate.lift_steady import CaptureRow, capture_numbers, capture_views
from relook.evaluate.lift_strokes import touched
from relook.evaluate.metrics.segments import IGNORED, label_flicker
from relook.evaluate.metrics.strokes import average_precision
from relook.evaluate.records import read_records
from relook.evaluate.run import run
from relook.evaluate.scene.rooms import draw_room
from relook.lift.lifted import Posed, Way, posed
from relook.lift.operators import Operator
from relook.models.store import is_here
from strolls import write_capture


def test_rows_are_measured_and_wrong_names_are_refused(tmp_path: Path) -> None:
    rows = (
        "alone",
        "pictures",
        "rendered",
        "nearest",
        "regions",
        "scene probabilities",
        "scene features",
        "scene change",
    )
    parts = ("labels", "steady", "strokes", "sharpness", "colours", *(("looks",) if is_here("microast") else ()))
    config = dollhouse_lift.Config(tmp_path, parts, rows, rooms=1, frames=9, held=1, size=64, engine=Engine(workers=1))
    run(dollhouse_lift.suite(config))
    found = {(one.part, one.row, one.metric, one.region): one.value for one in read_records(tmp_path / "records.csv")}
    psnr = found["labels", "scene probabilities", "psnr", "all"]
    assert psnr is not None
    assert psnr > 20
    assert psnr == found["labels", "rendered", "psnr", "all"] != found["labels", "nearest", "psnr", "all"]
    assert found["sharpness", "alone", "psnr", "all"] > 20
    assert found["colours", "alone", "psnr", "all"] != found["colours", "pictures", "psnr", "all"] > 15
    added = {row: found["colours", row, "warp_rmse", "far, added"] for row in ("pictures", "alone", "scene change")}
    assert None not in added.values()
    assert 0.0 == added["pictures"] < added["scene change"] < 0.7 * added["alone"]
    steady = {row: found["steady", row, "label_flicker", "far"] for row in ("alone", "regions", "scene probabilities")}
    assert None not in steady.values()
    assert max(steady["regions"], steady["scene probabilities"]) < steady["alone"]
    assert 0.2 < found["strokes", "scene features", "mask_iou", "all"] < 1
    assert found["strokes", "scene features", "average_precision", "all"] > 0.3
    for part in parts[3:]:
        assert found[part, "alone", "detail", "all"] == pytest.approx(1.0)
    for part in {"sharpness", "looks"} & set(parts):
        assert found[part, "scene change", "warp_rmse", "near"] < found[part, "alone", "warp_rmse", "near"]
    with pytest.raises(InputError, match="parts"):
        dollhouse_lift.suite(dollhouse_lift.Config(parts=("label",)))
    with pytest.raises(InputError, match="at least 1 room"):
        dollhouse_lift.suite(dollhouse_lift.Config(frames=4))


def test_colours_are_those_of_the_lifter_that_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, real = [], dollhouse_lift.way_for

    def noted(name: str, source: Posed, count: int, lifter: Path | None = None) -> tuple[str, Way]:
        asked.append((name, lifter))
        return real("blending", posed(room.views, 64), count)

    room = draw_room(0, 0, 9, 1, 64)
    monkeypatch.setattr(dollhouse_lift, "way_for", noted)
    dollhouse_lift.suite(dollhouse_lift.Config(lifter=Path("mine"), size=64))._colours("lift3d", room)
    assert asked == [("lift3d", Path("mine"))]


def test_a_capture_is_measured_along_its_own_depth(tmp_path: Path) -> None:
    layout, style = sample_layout(31, "living"), sample_style(31)
    views = [render(layout, style, (64, 64), pose).view() for pose in walk(layout, 9, stride=0.2)]
    write_capture(tmp_path / "room", views, holes=False)
    small, colours = capture_views(tmp_path / "room", 9, 64), Halves()
    alone, _ = capture_numbers(CaptureRow("halves", "alone", ""), small, colours, None)
    lifted, frames = capture_numbers(CaptureRow("halves", "picture", ""), small, colours, None)
    before, after = ({(one.metric, one.region): one.value for one in some} for some in (alone, lifted))
    assert len(frames) == 9
    assert after["warp_rmse", "far"] < 0.7 * before["warp_rmse", "far"]
    assert before["detail", "all"] == pytest.approx(1.0)


class Halves(Operator):
    """Brightens the left half of every picture, wherever it looks."""

    kind, stride = "picture", 1

    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        return image

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        left = (torch.arange(size[1]) < size[1] // 2).float()
        return (features * 0.7 + 0.3 * left).clamp(0, 1)


def test_flicker_is_the_share_of_labels_that_change() -> None:
    labels = torch.tensor([[0, 1, 2, IGNORED]] * 2)
    flow = torch.zeros(2, 2, 4)
    flow[0] = 1.0  # one to the right
    other = torch.tensor([[9, 0, 2, 2]] * 2)
    everywhere = torch.ones(2, 4, dtype=torch.bool)
    assert label_flicker(labels, other, flow, everywhere) == pytest.approx(1 / 3)
    assert label_flicker(labels, labels, torch.zeros(2, 2, 4), everywhere) == 0.0
    assert label_flicker(labels, other, flow, ~everywhere) is None


def test_average_precision_is_that_of_its_definition() -> None:
    mark = torch.tensor([[0.9, 0.8, 0.8], [0.4, 0.3, 0.1]])
    truth = torch.tensor([[True, False, True], [False, True, False]])
    # thresholds .9, .8, .4, .3: precisions 1, 2/3, 2/4, 3/5; recall rises by 1/3, 1/3, 0, 1/3
    assert average_precision(mark, truth) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert average_precision(mark, torch.zeros_like(truth)) is None
    inside = torch.zeros(20, 20, dtype=torch.bool)
    inside[4:12, 6:18] = True
    assert all(bool(inside[y, x]) for x, y, _ in touched(inside))
