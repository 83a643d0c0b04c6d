"""The suite for dense correspondence: its numbers by hand, its truth by brute force, its files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize, one_hot

import tiny
from relook.correspond.dense import match_dense
from relook.dollhouse.classes import CLASS_ID, CLASSES, FURNITURE
from relook.errors import InputError, MissingModelError
from relook.evaluate import correspondence, counterparts
from relook.evaluate.correspondence import ROWS, Answers, Config, run, summarise
from relook.evaluate.counterparts import TOLERANCE, class_at, draw_rooms, errors
from relook.evaluate.metrics import MATCHING, METRICS, class_accuracy, end_point_error, pck
from relook.evaluate.pairs import SHOWN, draw_pair
from relook.models.perceiver import Perceiver

SIZE = (64, 64)


def exact_features(rooms: counterparts.Rooms, parts: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Class and part coordinates as unit vectors: places of one class are the more alike the nearer their parts are."""
    near = torch.cat([parts, torch.ones_like(parts[..., :1])], -1)
    squares = (near**2).sum(-1, keepdim=True)
    lifted = (
        torch.cat([near, (8 - squares).clamp_min(0).sqrt()], -1) / 8**0.5
    )  # on a sphere: cosine = 1 - distance² / 2
    return normalize(torch.cat([lifted, 3 * one_hot(classes, len(CLASSES))], -1), dim=-1).permute(2, 0, 1)


def test_numbers_of_a_worked_example() -> None:
    distances = torch.tensor([0.0, 0.04, 0.05, 0.2])
    mask = torch.tensor([False, True, True, True])
    assert pck(distances, 0.05) == 0.75
    assert pck(distances, 0.05, mask) == pytest.approx(2 / 3)
    assert end_point_error(distances, mask) == pytest.approx(0.29 / 3)
    assert class_accuracy(torch.tensor([1, 2, -1]), torch.tensor([1, 1, 1])) == pytest.approx(1 / 3)
    nothing = torch.zeros(4, dtype=torch.bool)
    assert pck(distances, 0.1, nothing) is end_point_error(distances, nothing) is None
    assert {name: metric.better for name, metric in MATCHING.items()} == {
        "right_class": "higher", "pck": "higher", "end_point_error": "lower",
    }  # fmt: skip
    assert not set(MATCHING) & set(METRICS)


def test_answers_of_all_pairs_count_together() -> None:
    sofa, wall = CLASS_ID["sofa"], CLASS_ID["wall"]
    one = Answers(
        torch.tensor([sofa, wall]),
        torch.tensor([0.0, 0.3]),
        torch.tensor([sofa, sofa]),
        torch.tensor([True, True]),
        1.0,
    )
    two = Answers(
        torch.tensor([wall] * 3),
        torch.tensor([0.07] * 3),
        torch.tensor([wall] * 3),
        torch.tensor([True, True, False]),
        3.0,
    )
    assert summarise([one, two]) == pytest.approx(
        {"right": 0.75, "furniture": 0.5, "pck05": 0.25, "pck10": 0.75, "error": 0.11, "kept": 0.8, "seconds": 2.0}
    )
    assert summarise([two])["furniture"] is None
    assert set(FURNITURE) < set(CLASSES)


def test_rooms_are_those_of_the_photo_suite() -> None:
    for index in (0, 2):
        rooms, pair = draw_rooms(3, index, SIZE), draw_pair(3, index, SIZE)
        assert (rooms.structure.image - pair.structure.image).abs().mean() < 1e-4
        assert (rooms.style.image - pair.style.image).abs().mean() < 1e-4
        shown = {name for name in pair.style.segments.names if pair.style.segments.mask(name).float().mean() >= SHOWN}
        assert {CLASSES[id] for id in rooms.classes.tolist()} == shown & set(pair.structure.segments.names)
        labels = rooms.structure.segments.labels[rooms.pixels[:, 0], rooms.pixels[:, 1]]
        assert torch.equal((labels - 1) // 64, rooms.classes)


def test_the_true_counterpart_by_brute_force() -> None:
    rooms = draw_rooms(3, 1, SIZE)
    draw = torch.Generator().manual_seed(0)
    found = torch.rand(2, len(rooms.classes), 2, generator=draw)
    found[1, 5] = torch.nan
    got = errors(rooms, found)
    ys, xs = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    for n in range(0, len(rooms.classes), 97):
        same = rooms.style_classes == rooms.classes[n]
        apart = (rooms.style_parts - rooms.parts[n]).norm(dim=-1).masked_fill(~same, torch.inf)
        true = apart <= apart.min() + TOLERANCE
        for row in range(2):
            x, y = found[row, n] * 64
            wanted = torch.hypot(xs - x, ys - y)[true].min() / 64
            assert got[row, n] == pytest.approx(float(wanted), abs=1e-4)
    assert got[1, 5] == pytest.approx(2**0.5)
    assert class_at(rooms, found[1])[5] == -1
    x, y = (found[0, 7] * 64).long().tolist()
    assert class_at(rooms, found[0])[7] == rooms.style_classes[y, x]


@pytest.mark.parametrize("index", [0, 2])
def test_exact_parts_as_features_find_everything(index: int) -> None:
    rooms = draw_rooms(5, index, (128, 128))
    segments = rooms.structure.segments
    assert segments is not None
    parts = torch.zeros(128, 128, 6)
    parts[rooms.pixels[:, 0], rooms.pixels[:, 1]] = rooms.parts
    ours = exact_features(rooms, parts, (segments.labels - 1) // 64)[:, 1::2, 1::2]  # the scored pixels
    theirs = exact_features(rooms, rooms.style_parts, rooms.style_classes)
    found = match_dense(ours, theirs)
    rows, columns = found.cells((128, 128))
    places = found.positions[rows[rooms.pixels[:, 0]], columns[rooms.pixels[:, 1]]]
    right = class_accuracy(class_at(rooms, places), rooms.classes)
    close = pck(errors(rooms, places[None])[0], 0.05)
    assert right is not None
    assert right == 1
    assert close is not None
    assert close > 0.99
    elsewhere = pck(errors(rooms, places.flip(0)[None])[0], 0.05)
    assert elsewhere is not None
    assert elsewhere < 0.5


SMALL = Config(pairs=2, size=64, seed=3, rows=("colour", "random", "position in segments"))


def test_a_run_writes_its_files(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    table = run(replace(SMALL, out=tmp_path), lambda *step: steps.append(step))
    assert steps == [(1, 2), (2, 2)]
    assert table.row_count == 3
    rows = json.loads((tmp_path / "summary.json").read_text())["rows"]
    assert list(rows) == list(SMALL.rows)
    assert rows["position in segments"]["right"] > 0.85 > rows["random"]["right"]
    assert rows["position in segments"]["pck10"] > rows["random"]["pck10"]
    assert rows["random"]["kept"] == 1
    assert "| random |" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "grid.png").stat().st_size > 1000


def test_other_networks_and_families_can_be_named(tmp_path: Path) -> None:
    torch.manual_seed(0)
    Perceiver.fresh(CLASSES).save(tmp_path / "network")
    family = tiny.write_family(tmp_path / "family")
    config = replace(
        SMALL, out=tmp_path / "out", pairs=1, rows=("embedded", "embedded, mutual", "denoiser"),
        embedded=str(tmp_path / "network"), denoiser=f"{family}@100/0",
    )  # fmt: skip
    run(config, lambda *_: None)
    rows = json.loads((tmp_path / "out" / "summary.json").read_text())["rows"]
    assert rows["embedded, mutual"]["kept"] < rows["embedded"]["kept"] == 1


def test_rows_without_weights_are_left_out_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.models.perceiver.FOLDER", tmp_path / "nothing")
    config = replace(SMALL, out=tmp_path, denoiser=str(tiny.write_family(tmp_path / "family")))
    with pytest.raises(MissingModelError, match="perception network"):
        run(replace(config, rows=("embedded",)), lambda *_: None)
    with pytest.raises(InputError, match="magic"):
        run(replace(config, rows=("magic",)), lambda *_: None)
    with pytest.raises(InputError, match="at least 1 pair"):
        run(replace(config, pairs=0), lambda *_: None)
    possible, missing = correspondence._possible(replace(config, rows=()))
    assert set(ROWS) - set(possible) == {"embedded", "embedded, mutual", "embedded in segments"}
    assert len(missing) == 1
    assert "Left out embedded, " in missing[0]
