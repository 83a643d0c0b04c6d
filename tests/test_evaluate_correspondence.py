"""The suite for dense correspondence: its numbers by hand, its truth by brute force, its files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import normalize, one_hot

import tiny
from relook.correspond.dense import match_dense
from relook.dollhouse.classes import CLASS_ID, CLASSES, FURNITURE
from relook.engine import Engine
from relook.errors import InputError, MissingModelError
from relook.evaluate.metrics import METRICS
from relook.evaluate.metrics.matching import class_accuracy, end_point_error, pck
from relook.evaluate.perception import correspondence, counterparts, descriptor_rows
from relook.evaluate.perception.correspondence import Config, suite
from relook.evaluate.perception.counterparts import TOLERANCE, class_at, draw_rooms, errors
from relook.evaluate.perception.descriptor_rows import ON_FURNITURE, ROWS, measure
from relook.evaluate.records import WHOLE, read_records
from relook.evaluate.run import run
from relook.evaluate.sources.dollhouse import SHOWN, draw_pair
from relook.models.perceiver import Perceiver
from relook.session import Session
from relook.types import View

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
    assert {name: metric.better for name, metric in METRICS.items() if metric.group == "matching"} == {
        "right_class": "higher", "pck_05": "higher", "pck_10": "higher", "end_point_error": "lower", "coverage": "higher",
    }  # fmt: skip


def test_the_numbers_of_one_row_on_one_pair(unchecked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five scored pixels, of which the last has no match that matches back."""
    sofa, wall = CLASS_ID["sofa"], CLASS_ID["wall"]
    found, distances = torch.tensor([sofa, wall, wall, wall, wall]), torch.tensor([0.0, 0.3, 0.07, 0.07, 0.9])
    monkeypatch.setattr(descriptor_rows, "class_at", lambda *_: found)
    monkeypatch.setattr(descriptor_rows, "errors", lambda *_: distances)
    size = torch.zeros(3, 1, 5)
    pixels = torch.stack([torch.zeros(5, dtype=torch.int64), torch.arange(5)], 1)
    rooms = SimpleNamespace(structure=View(size), pixels=pixels, classes=torch.tensor([sofa, sofa, wall, wall, wall]))
    mutual = torch.tensor([[True, True, True, True, False]])
    cells = torch.zeros(1, dtype=torch.int64), torch.arange(5)
    dense = SimpleNamespace(cells=lambda size: cells, mutual=mutual, positions=torch.zeros(1, 5, 2))
    got = {(metric, region): value for metric, region, value in measure(ROWS["embedded, mutual"], rooms, dense)}
    assert got == pytest.approx(
        {
            ("right_class", WHOLE): 0.75, ("right_class", ON_FURNITURE): 0.5, ("pck_05", WHOLE): 0.25, ("pck_05", ON_FURNITURE): 0.5,
            ("pck_10", WHOLE): 0.75, ("pck_10", ON_FURNITURE): 0.5, ("end_point_error", WHOLE): 0.11,
            ("end_point_error", ON_FURNITURE): 0.15, ("coverage", WHOLE): 0.8,
        }
    )  # fmt: skip
    rooms.classes = torch.full((5,), wall)
    bare = {key[:2]: key[2] for key in measure(ROWS["embedded, mutual"], rooms, dense)}
    assert bare["right_class", ON_FURNITURE] is bare["pck_05", ON_FURNITURE] is None
    assert bare["right_class", WHOLE] == 0.75
    assert set(FURNITURE) < set(CLASSES)
    assert {metric for metric, _ in got} == {name for name, metric in METRICS.items() if metric.group == "matching"}


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
    got = torch.stack([errors(rooms, one) for one in found])
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
    structure = exact_features(rooms, parts, (segments.labels - 1) // 64)[:, 1::2, 1::2]  # the scored pixels
    found = match_dense(structure, exact_features(rooms, rooms.style_parts, rooms.style_classes))
    rows, columns = found.cells((128, 128))
    places = found.positions[rows[rooms.pixels[:, 0]], columns[rooms.pixels[:, 1]]]
    right = class_accuracy(class_at(rooms, places), rooms.classes)
    close = pck(errors(rooms, places), 0.05)
    assert right is not None
    assert right == 1
    assert close is not None
    assert close > 0.99
    elsewhere = pck(errors(rooms, places.flip(0)), 0.05)
    assert elsewhere is not None
    assert elsewhere < 0.5


SMALL = Config(pairs=2, size=64, seed=3, rows=("colour", "random", "position in segments"), engine=Engine(workers=1))


def values(folder: Path, metric: str, region: str = WHOLE) -> dict[tuple[str, str], float | None]:
    return {(r.row, r.case): r.value for r in read_records(folder) if (r.metric, r.region) == (metric, region)}


def test_a_run_writes_its_files(tmp_path: Path) -> None:
    run(suite(replace(SMALL, out=tmp_path)))
    right, close = values(tmp_path, "right_class"), values(tmp_path, "pck_10")
    assert list(right) == [(row, case) for case in ("000", "001") for row in SMALL.rows]
    for case in ("000", "001"):
        assert right["position in segments", case] > 0.8 > right["random", case]  # type: ignore[operator]
        assert close["position in segments", case] > close["random", case]  # type: ignore[operator]
    assert set(values(tmp_path, "coverage").values()) == {1.0}
    assert len(values(tmp_path, "end_point_error", ON_FURNITURE)) == 6
    about = json.loads((tmp_path / "run.json").read_text())
    assert about["seed"] == 3
    assert about["settings"]["size"] == 64
    assert "| random |" in (tmp_path / "table.md").read_text()
    for name in ("report.html", "grid.png", "summary.json", "cases/001/position-in-segments.png"):
        assert (tmp_path / name).stat().st_size > 500


def test_a_run_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(SMALL, out=tmp_path)
    run(suite(config))
    first = read_records(tmp_path)
    done: list[tuple[int, str]] = []
    true = correspondence.matched
    monkeypatch.setattr(
        correspondence, "matched", lambda row, rooms, index, session: done.append((index, row.name)) or true(row, rooms, index, session)
    )  # fmt: skip
    run(suite(config))
    assert not done
    assert read_records(tmp_path) == first
    (tmp_path / "cases/001/random.png").unlink()
    (tmp_path / "work/000/colour/result.json").write_text("half a fi")
    run(suite(config))
    assert done == [(0, "colour"), (1, "random")]
    again = read_records(tmp_path)
    assert [r for r in again if r.metric != "seconds"] == [r for r in first if r.metric != "seconds"]
    done.clear()
    run(suite(replace(config, pairs=3, rows=("colour",))))
    assert done == [(2, "colour")]
    done.clear()
    run(suite(replace(config, seed=4)))
    assert {index for index, _ in done} == {0, 1}


def test_other_networks_and_families_can_be_named(tmp_path: Path) -> None:
    torch.manual_seed(0)
    Perceiver.fresh(CLASSES).save(tmp_path / "network")
    family = tiny.write_family(tmp_path / "family")
    config = replace(
        SMALL, out=tmp_path / "out", pairs=1, rows=("embedded", "embedded, mutual", "denoiser"),
        embedded=str(tmp_path / "network"), denoiser=f"{family}@100/0",
    )  # fmt: skip
    run(suite(config))
    kept = values(tmp_path / "out", "coverage")
    assert kept["embedded, mutual", "000"] < kept["embedded", "000"] == 1  # type: ignore[operator]
    weights = json.loads((tmp_path / "out/run.json").read_text())["weights"]
    assert len({weights[config.embedded], weights[f"denoiser:{config.denoiser}"]}) == 2
    rows, session = suite(config).rows, Session("cpu")
    Perceiver.fresh(CLASSES).save(tmp_path / "network")  # other weights, the same name
    assert correspondence._revision(rows["embedded"].name, session) != weights[config.embedded]
    assert correspondence._revision(rows["denoiser"].name, session) == weights[f"denoiser:{config.denoiser}"]


def test_what_a_result_depends_on() -> None:
    made = replace(suite(Config(seed=3, size=64)), weights={"embedded": "one", "denoiser:dollhouse": "two"})
    trials = {trial.row: trial for trial in made.trials() if trial.case == "000"}
    found = made.depends(trials["embedded"])
    assert found == replace(made, weights={"embedded": "one"}).depends(trials["embedded"])
    others = [
        made.depends(trials["embedded, mutual"]), replace(made, weights={"embedded": "two"}).depends(trials["embedded"]),
        suite(Config(seed=4, size=64)).depends(trials["embedded"]), suite(Config(seed=3, size=65)).depends(trials["embedded"]),
    ]  # fmt: skip
    assert len({found, *others}) == 5
    assert len({made.where(trial) for trial in made.trials()}) == len(made.trials())


def test_rows_without_weights_are_left_out_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relook.models.perceiver.FOLDER", tmp_path / "nothing")
    config = replace(SMALL, out=tmp_path, pairs=1, denoiser=str(tiny.write_family(tmp_path / "family")))
    with pytest.raises(MissingModelError, match="perception network"):
        run(suite(replace(config, rows=("embedded",))))
    with pytest.raises(InputError, match="magic"):
        suite(replace(config, rows=("magic",)))
    with pytest.raises(InputError, match="at least 1 pair"):
        suite(replace(config, pairs=0))
    run(suite(replace(config, rows=())))
    left = set(ROWS) - {record.row for record in read_records(tmp_path)}
    assert left == {"embedded", "embedded, mutual", "embedded in segments"}
    assert "Left out embedded, embedded, mutual, embedded in segments: " in (tmp_path / "report.html").read_text()
