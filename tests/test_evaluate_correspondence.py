"""The suite for dense correspondence: its numbers by hand, its truth by brute force, its files."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize, one_hot

import tiny
from relook.correspond.dense import match_dense
from relook.dollhouse.classes import CLASS_ID, CLASSES, FURNITURE
from relook.errors import InputError, MissingModelError
from relook.evaluate.engine import Engine
from relook.evaluate.metrics import class_accuracy, end_point_error, of_group, pck
from relook.evaluate.perception import correspondence, counterparts
from relook.evaluate.perception.correspondence import Config, Plan, match_pair, run
from relook.evaluate.perception.counterparts import TOLERANCE, class_at, draw_rooms, errors
from relook.evaluate.perception.descriptor_rows import ON_FURNITURE, ROWS, Answers, measure
from relook.evaluate.records import WHOLE, read_records
from relook.evaluate.sources.dollhouse import SHOWN, draw_pair
from relook.io import read_image
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
    assert {name: metric.better for name, metric in of_group("matching").items()} == {
        "right_class": "higher", "pck_05": "higher", "pck_10": "higher", "end_point_error": "lower", "coverage": "higher",
    }  # fmt: skip


def test_the_numbers_of_one_row_on_one_pair() -> None:
    sofa, wall = CLASS_ID["sofa"], CLASS_ID["wall"]
    answers = Answers(
        torch.tensor([sofa, wall, wall, wall, wall]),
        torch.tensor([0.0, 0.3, 0.07, 0.07, 0.9]),
        torch.tensor([sofa, sofa, wall, wall, wall]),
        torch.tensor([True, True, True, True, False]),
        3.0,
    )
    got = {(metric, region): value for metric, region, value in measure(answers)}
    assert got == pytest.approx(
        {
            ("right_class", WHOLE): 0.75, ("right_class", ON_FURNITURE): 0.5, ("pck_05", WHOLE): 0.25, ("pck_05", ON_FURNITURE): 0.5,
            ("pck_10", WHOLE): 0.75, ("pck_10", ON_FURNITURE): 0.5, ("end_point_error", WHOLE): 0.11,
            ("end_point_error", ON_FURNITURE): 0.15, ("coverage", WHOLE): 0.8, ("seconds", WHOLE): 3.0,
        }
    )  # fmt: skip
    bare = {key[:2]: key[2] for key in measure(replace(answers, true=torch.full((5,), wall)))}
    assert bare["right_class", ON_FURNITURE] is bare["pck_05", ON_FURNITURE] is None
    assert bare["right_class", WHOLE] == 0.75
    assert set(FURNITURE) < set(CLASSES)
    assert {metric for metric, _ in got} - {"seconds"} == set(of_group("matching"))


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


SMALL = Config(pairs=2, size=64, seed=3, rows=("colour", "random", "position in segments"), engine=Engine(workers=1))


def values(folder: Path, metric: str, region: str = WHOLE) -> dict[tuple[str, str], float | None]:
    return {(r.row, r.case): r.value for r in read_records(folder) if (r.metric, r.region) == (metric, region)}


def test_a_run_writes_its_files(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    run(replace(SMALL, out=tmp_path), lambda *step: steps.append(step))
    assert steps == [(1, 2), (2, 2)]
    right, close = values(tmp_path, "right_class"), values(tmp_path, "pck_10")
    assert list(right) == [(row, case) for case in ("000", "001") for row in SMALL.rows]
    for case in ("000", "001"):
        assert right["position in segments", case] > 0.8 > right["random", case]  # type: ignore[operator]
        assert close["position in segments", case] > close["random", case]  # type: ignore[operator]
    assert set(values(tmp_path, "coverage").values()) == {1.0}
    assert len(values(tmp_path, "end_point_error", ON_FURNITURE)) == 6
    told = json.loads((tmp_path / "run.json").read_text())
    assert told["seed"] == 3
    assert told["settings"]["size"] == 64
    assert "| random |" in (tmp_path / "table.md").read_text()
    for name in ("report.html", "grid.png", "summary.json", "pairs/001/position-in-segments.png"):
        assert (tmp_path / name).stat().st_size > 500


def test_a_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(SMALL, out=tmp_path)
    run(config, lambda *_: None)
    first = read_records(tmp_path)
    matched: list[tuple[int, list[str]]] = []
    true = correspondence.matched_by

    def spied(rows: Any, rooms: Any, index: int) -> Any:
        matched.append((index, list(rows)))
        return true(rows, rooms, index)

    monkeypatch.setattr(correspondence, "matched_by", spied)
    run(config, lambda *_: None)
    assert not matched
    assert read_records(tmp_path) == first
    (tmp_path / "pairs/001/random.png").unlink()
    (tmp_path / "pairs/000/colour.json").write_text("half a fi")
    run(config, lambda *_: None)
    assert matched == [(0, ["colour"]), (1, ["random"])]
    again = read_records(tmp_path)
    assert [r for r in again if r.metric != "seconds"] == [r for r in first if r.metric != "seconds"]
    matched.clear()
    run(replace(config, pairs=3, rows=("colour",)), lambda *_: None)
    assert matched == [(2, ["colour"])]
    matched.clear()
    run(replace(config, seed=4), lambda *_: None)
    assert [index for index, _ in matched] == [0, 1]


def test_a_pair_is_worked_on_in_another_process(tmp_path: Path) -> None:
    plan = Plan(tmp_path / "here", 3, 64, {name: ROWS[name] for name in ("colour", "random")}, {})
    there = pickle.loads(pickle.dumps(partial(match_pair, replace(plan, out=tmp_path / "there"))))
    ours, theirs = ([r for r in records if r.metric != "seconds"] for records in (match_pair(plan, 1), there(1)))
    assert ours == theirs
    assert {r.case for r in ours} == {"001"}
    pictures = [read_image(tmp_path / place / "pairs/001/colour.png") for place in ("here", "there")]
    assert torch.equal(*pictures)


def test_other_networks_and_families_can_be_named(tmp_path: Path) -> None:
    torch.manual_seed(0)
    Perceiver.fresh(CLASSES).save(tmp_path / "network")
    family = tiny.write_family(tmp_path / "family")
    config = replace(
        SMALL, out=tmp_path / "out", pairs=1, rows=("embedded", "embedded, mutual", "denoiser"),
        embedded=str(tmp_path / "network"), denoiser=f"{family}@100/0",
    )  # fmt: skip
    run(config, lambda *_: None)
    kept = values(tmp_path / "out", "coverage")
    assert kept["embedded, mutual", "000"] < kept["embedded", "000"] == 1  # type: ignore[operator]
    weights = json.loads((tmp_path / "out/run.json").read_text())["weights"]
    assert len({weights[config.embedded], weights[f"denoiser:{config.denoiser}"]}) == 2
    rows, _ = correspondence._possible(config)
    Perceiver.fresh(CLASSES).save(tmp_path / "network")  # other weights, the same name
    assert correspondence._revision(rows["embedded"].name) != weights[config.embedded]
    assert correspondence._revision(rows["denoiser"].name) == weights[f"denoiser:{config.denoiser}"]


def test_what_a_result_is_kept_under() -> None:
    plan = Plan(Path("out"), 3, 64, ROWS, {"embedded": "one"})
    key = plan.key(0, "embedded")
    assert key == replace(plan, out=Path("elsewhere"), revisions={"embedded": "one", "denoiser": "two"}).key(
        0, "embedded"
    )
    others = [
        plan.key(1, "embedded"), plan.key(0, "embedded, mutual"), replace(plan, seed=4).key(0, "embedded"),
        replace(plan, size=65).key(0, "embedded"), replace(plan, revisions={"embedded": "two"}).key(0, "embedded"),
    ]  # fmt: skip
    assert len({key, *others}) == 6
    assert len({plan.place(0, row) for row in ROWS}) == len(ROWS)


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
