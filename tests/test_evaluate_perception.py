"""Perception against exact truth: metrics beside independent ones, and the suite from the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_jaccard_index
from torchmetrics.functional.detection import panoptic_quality

from relook.dollhouse import CLASSES
from relook.engine import Engine
from relook.errors import InputError, ShapeError
from relook.evaluate.metrics.depth import abs_rel, delta1, median_scaled
from relook.evaluate.metrics.segments import (
    IGNORED,
    Panoptic,
    class_ious,
    confusion,
    mean_iou,
    panoptic_counts,
    pixel_accuracy,
)
from relook.evaluate.perception.segments_depth import (
    Config,
    class_map,
    counted,
    depth_numbers,
    segment_numbers,
    suite,
)
from relook.evaluate.records import EVERY, WHOLE, Number, read_records
from relook.evaluate.run import run
from relook.evaluate.sources.dollhouse import HELD_OUT, unseen_room
from relook.io import read_image, write_image
from relook.perceive.segment import exact
from relook.training.data import HELD_OUT as TRAINING_ENDS
from relook.types import Depth, Region, Segments, View

DRAW = torch.Generator().manual_seed(0)


def test_iou_and_accuracy_are_those_of_torchmetrics() -> None:
    found, truth = torch.randint(0, 5, (2, 40, 30), generator=DRAW)
    found = torch.where(torch.rand(40, 30, generator=DRAW) < 0.6, truth, found)
    counts = confusion(found, truth, 5)
    expected = multiclass_jaccard_index(found[None], truth[None], 5, average="none")
    assert torch.allclose(torch.tensor(class_ious(counts), dtype=torch.float32), expected)
    assert mean_iou(counts) == pytest.approx(float(expected.mean()), abs=1e-6)
    right = multiclass_accuracy(found[None], truth[None], 5, average="micro")
    assert pixel_accuracy(counts) == pytest.approx(float(right), abs=1e-6)


def test_unknown_truth_does_not_count_and_unknown_answers_are_wrong(unchecked: None) -> None:
    truth = torch.tensor([[0, 0, 1, IGNORED]])
    counts = confusion(torch.tensor([[0, IGNORED, 1, 1]]), truth, 3)
    assert counts.sum() == 3
    assert class_ious(counts) == [0.5, 1.0, None]
    assert pixel_accuracy(counts) == pytest.approx(2 / 3)
    with pytest.raises(ShapeError, match="one size"):
        confusion(truth, truth[:, :2], 3)


def test_panoptic_quality_is_that_of_torchmetrics() -> None:
    truth = torch.zeros(24, 24, dtype=torch.int64)
    truth[2:10, 2:10], truth[2:10, 12:20], truth[14:22, 2:20] = 1, 2, 3
    found = torch.zeros(24, 24, dtype=torch.int64)
    found[3:10, 2:10], found[2:10, 12:16], found[2:10, 16:20], found[14:22, 3:21] = 5, 6, 7, 2
    counts = panoptic_counts(found, truth)
    assert (counts.matched, counts.invented, counts.missed) == (2, 2, 1)
    one, other = (torch.stack([(ids > 0).long(), ids], -1)[None] for ids in (found, truth))
    quality = panoptic_quality(one, other, things={1}, stuffs={0}, return_per_class=True)
    assert counts.quality == pytest.approx(float(quality.flatten()[0]), abs=1e-6)
    twice = Panoptic(*np.sum([counts, counts], axis=0))
    assert twice.quality == pytest.approx(counts.quality)
    assert Panoptic().quality is None


def test_depth_metrics_on_a_worked_example(unchecked: None) -> None:
    truth = torch.tensor([[1.0, 2.0, 4.0]])
    found = torch.tensor([[1.1, 3.0, 4.0]])
    assert abs_rel(found, truth) == pytest.approx((0.1 + 0.5 + 0.0) / 3)
    assert delta1(found, truth) == pytest.approx(2 / 3)
    assert torch.allclose(median_scaled(found, truth), found * 2 / 3)
    with pytest.raises(ShapeError, match="one size"):
        abs_rel(found, truth[:, :2])


def test_the_rooms_are_unseen_and_repeatable() -> None:
    assert HELD_OUT >= TRAINING_ENDS
    first, second, again, other = (unseen_room(*key, 32) for key in ((1, 0), (1, 1), (1, 0), (2, 0)))
    assert torch.equal(first.image, again.image)
    assert not torch.equal(first.image, second.image)
    assert not torch.equal(first.image, other.image)


def test_synonyms_count_and_other_classes_do_not() -> None:
    labels = torch.tensor([[1, 2, 3, 0]])
    found = class_map(Segments(labels, {1: Region("couch"), 2: Region("sofa", 1), 3: Region("road")}))
    assert found.tolist() == [[CLASSES.index("sofa"), CLASSES.index("sofa"), IGNORED, IGNORED]]


def whole(numbers: list[Number]) -> dict[str, float | None]:
    return {one.metric: one.value for one in numbers if one.region == WHOLE}


def test_the_truth_itself_is_perfect_and_a_wrong_answer_is_scored_as_such() -> None:
    room = unseen_room(5, 0, 48)
    truth = room.view()
    assert truth.depth is not None
    counts, objects = counted(exact(truth), room)
    best = whole(segment_numbers(counts, objects)) | whole(depth_numbers(truth.depth, room))
    assert best["miou"] == best["pq"] == best["delta1"] == pixel_accuracy(counts) == 1
    assert best["abs_rel"] == best["abs_rel_scaled"] == 0
    counts, objects = counted(Segments(torch.ones(48, 48, dtype=torch.int64), {1: Region("wall")}), room)
    worst = whole(segment_numbers(counts, objects)) | whole(depth_numbers(Depth(room.depth * 1.5, "metric"), room))
    assert worst["pq"] == 0
    assert pixel_accuracy(counts) == pytest.approx(float((room.classes == 0).float().mean()))
    assert worst["abs_rel"] == pytest.approx(0.5, abs=1e-4)
    assert worst["abs_rel_scaled"] == pytest.approx(0, abs=1e-4)
    assert worst["delta1"] == 0


def test_relative_depth_has_no_metres() -> None:
    room = unseen_room(5, 0, 32)
    found = whole(depth_numbers(Depth(room.depth / 7, "relative"), room))
    assert found["abs_rel"] is None
    assert found["abs_rel_scaled"] == pytest.approx(0, abs=1e-4)


def test_the_suite_writes_numbers_and_sheets_without_any_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELOOK_MODELS", raising=False)
    write_image(tmp_path / "photos" / "deep" / "red.png", torch.full((3, 40, 61), 0.4))
    config = Config(
        out=tmp_path / "out", rooms=2, sizes=(48, 32), segmenters=("whole", "ade20k"), depth_estimators=(),
        photos=tmp_path / "photos", engine=Engine(workers=1),
    )  # fmt: skip
    run(suite(config))
    assert "Left out segments ade20k" in (config.out / "report.html").read_text()
    found = {(r.part, r.row, r.case, r.metric): r.value for r in read_records(config.out) if r.region == WHOLE}
    assert {key[:2] for key in found} == {("48 pixels", "segments whole"), ("32 pixels", "segments whole")}
    assert found["48 pixels", "segments whole", EVERY, "miou"] == 0
    assert "| segments whole | 0.000 |" in (config.out / "table.md").read_text()
    assert read_image(config.out / "cases" / "photographs" / "red" / "segments-whole.png").shape == (3, 40, 61)
    assert (config.out / "grid.png").is_file()


@pytest.mark.parametrize(
    ("change", "part"),
    [({"rooms": 0}, "rooms or photographs"), ({"sizes": (16,)}, "32 pixels"), ({"photos": Path("nowhere")}, "nowhere")],
)
def test_impossible_runs_are_refused(change: dict[str, object], part: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=part):
        suite(replace(Config(out=tmp_path, segmenters=("whole",), depth_estimators=()), **change))


def test_a_view_knows_its_classes() -> None:
    room = unseen_room(0, 0, 32)
    view = View(room.image, room.view().segments)
    assert torch.equal(class_map(exact(view)), room.classes)
