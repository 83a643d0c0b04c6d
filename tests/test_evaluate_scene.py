"""The suite of scenes: its cameras, its rows, what it leaves, and that it goes on where it was stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

import tiny
from relook.engine import Engine
from relook.errors import InputError
from relook.evaluate import dollhouse_scene
from relook.evaluate.records import read_records
from relook.evaluate.run import run
from relook.evaluate.scene import fit, labels, restyle
from relook.evaluate.scene.fit import nearest, warped
from relook.evaluate.scene.looks import distilled, one_view_per_region, statistics
from relook.evaluate.scene.rooms import Room, Scene, cameras_of, draw_room, exact_classes, scene_of
from relook.evaluate.views.rooms import draw_walk
from relook.lift.scene import surfels


@cache
def room() -> Room:
    """A small one."""
    return draw_room(0, 0, 4, 2, 48)


@cache
def scene() -> Scene:
    """Of it, in exact colours of the walk's first frames."""
    return scene_of(surfels(room().views), room())


def test_held_out_cameras_stand_beside_the_same_walk_as_in_the_suite_of_views() -> None:
    walk = draw_walk(0, 0, 4, 48)
    assert torch.equal(walk.old[3].image, room().old[3].image)
    for held in room().held_old:
        away = [(held.camera.world_to_camera - one.world_to_camera).abs().max() for one in cameras_of(room().old)]
        assert 0.05 < min(away) < 0.5
    assert not torch.equal(room().held_old[0].image, room().held_new[0].image)
    assert torch.equal(room().held_old[0].depth, room().held_new[0].depth)


def test_a_view_is_warped_from_the_nearest() -> None:
    cameras = cameras_of(room().old)
    assert [nearest(cameras, one) for one in cameras] == [0, 1, 2, 3]
    images = [view.image for view in room().views]
    same = warped(room().views, images, room().views[2])
    assert torch.allclose(same, images[2], atol=0.02)
    beside = warped(room().views, images, room().held[0])
    assert (beside - room().held[0].image).abs().mean() < 0.1


def test_looks_of_a_scene_come_nearer_to_the_answer_than_its_old_one() -> None:
    keys = {number: one.image for number, one in enumerate(room().new)}
    held = torch.stack([one.image for one in room().held_new])

    def error(colours: torch.Tensor) -> float:
        return float((torch.stack(scene().shown(colours, held=True)) - held).square().mean())

    old = error(scene().gaussians.colours)
    made = {f.__name__: error(f(scene(), room(), keys).colours) for f in (distilled, one_view_per_region)}
    made["statistics"] = error(statistics(scene(), room()).colours)
    assert made["distilled"] < made["one_view_per_region"] < made["statistics"] < old
    assert (exact_classes(scene(), room()).unique() == room().old[0].classes.unique()).all()


def test_the_suite_leaves_complete_files_and_goes_on_where_it_was(tmp_path: Path) -> None:
    config = dollhouse_scene.Config(
        out=tmp_path / "out", rooms=1, size=32, frames=3, held=1, family=str(tiny.write_family(tmp_path / "family")), steps=1,
        rows=("solved", "fit", "nearest view", "network", "chances", "exact", "per frame", "distil 1"), engine=Engine(workers=1),
    )  # fmt: skip
    run(dollhouse_scene.suite(config))
    tables = json.loads((config.out / "tables.json").read_text())
    assert {part: one["title"] for part, one in tables.items()} == {
        "fit": "Fit", "labels": "Labels", "restyle": "Restyled scenes",
    }  # fmt: skip
    assert list(tables["fit"]["rows"]) == ["solved", "fit", "nearest view"]
    assert list(tables["restyle"]["rows"]) == ["per frame", "distil 1", "exact"]
    values = {(r.part, r.row, r.metric, r.region): r.value for r in read_records(config.out)}
    assert values["fit", "fit", "gaussians", "all"] > values["fit", "solved", "gaussians", "all"] > 0  # type: ignore[operator]
    assert values["labels", "exact", "miou", labels.TOGETHER] == values["labels", "exact", "miou", "all"]
    assert values["restyle", "exact", "psnr", "held out"] > values["restyle", "per frame", "psnr", "held out"]  # type: ignore[operator]
    assert "psnr/held out" in tables["restyle"]["differences"]["distil 1"]
    made = {path: path.stat().st_mtime_ns for path in config.out.rglob("*.png") if path.name != "grid.png"}
    assert len(made) == 3 + 4 + 3 + 4  # four frames restyled by themselves; labels are solved, too
    run(dollhouse_scene.suite(config))
    assert json.loads((config.out / "tables.json").read_text()) == tables
    assert {path: path.stat().st_mtime_ns for path in made} == made


def test_what_cannot_be_is_one_sentence() -> None:
    plain = dollhouse_scene.Config()
    for wrong in ({"parts": ("all",)}, {"rows": ("magic",)}, {"rooms": 0}, {"frames": 2}, {"seed": -1}, {"parts": ("fit",), "rows": ("distil 1",)}):  # fmt: skip
        with pytest.raises(InputError, match=r"^Expected .*; "):
            dollhouse_scene.suite(replace(plain, **wrong))  # type: ignore[arg-type]
    every = {trial.part: [] for trial in dollhouse_scene.suite(plain).trials()}
    for trial in dollhouse_scene.suite(plain).trials():
        every[trial.part].append(trial.row)
    assert {part: len(set(rows)) for part, rows in every.items()} == {
        "fit": len(fit.ROWS), "labels": len(labels.ROWS), "restyle": len(restyle.WAYS),
    }  # fmt: skip
    assert len(every["restyle"]) == 3 * len(restyle.WAYS)
