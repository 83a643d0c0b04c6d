"""The suite of restyled scenes: every method of the product has a row, and the ceiling is above, the copy below."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relook.engine import Engine
from relook.errors import InputError
from relook.evaluate import ablation, dollhouse_restyle3d
from relook.evaluate.run import run
from relook.evaluate.scene.product import ADDED, WAYS, ProductSuite
from relook.lift.losses.schedule import LOSSES
from relook.lift.restyled import METHODS


def test_the_suite_measures_the_product_between_the_copy_and_the_ceiling(tmp_path: Path) -> None:
    config = dollhouse_restyle3d.Config(
        out=tmp_path / "out", rooms=1, size=32, frames=3, held=1, rows=("copy", "semantic", "distill", "exact"), engine=Engine(workers=1),
    )  # fmt: skip
    run(dollhouse_restyle3d.suite(config))
    found = json.loads((config.out / "summary.json").read_text())["dollhouse-restyle3d/restyle"]
    assert set(found) == set(config.rows)
    psnr = {name: one["psnr"]["mean"] for name, one in found.items()}
    assert psnr["copy"] < min(psnr["semantic"], psnr["distill"])
    assert max(psnr["semantic"], psnr["distill"]) + 2 < psnr["exact"], (
        "at 32 pixels the exact look has little detail to win by"
    )
    assert (config.out / "cases" / "restyle" / "walk-0-of-3-frames" / "semantic.png").exists()


def test_every_method_of_the_product_has_a_row_and_wrong_options_are_refused() -> None:
    assert {way.method for way in WAYS.values()} - {None} == set(METHODS)
    for wrong in ({"rows": ("nothing",)}, {"rooms": 0}, {"frames": 2}, {"seed": -1}):
        with pytest.raises(InputError):
            dollhouse_restyle3d.suite(dollhouse_restyle3d.Config(**wrong))


def test_the_losses_in_turn_are_compared_with_the_row_that_lacks_the_last_of_them() -> None:
    made = ablation.suite(ablation.Config(of="losses"))
    assert isinstance(made, ProductSuite)
    assert made.rows == tuple(ADDED)
    assert (made.config.rooms, made.config.frames, made.config.descent) == (12, 6, 0.5)
    for row, other in made.references.items():
        last = set(WAYS[row].losses or LOSSES) - set(WAYS[other].losses)
        if row.startswith(("gram ", "styleme3d")) and other.startswith("gram"):
            assert len(last) == 1, row
            assert WAYS[row].preset == WAYS[other].preset
    assert made.step_count(WAYS["gram paper"]) == made.step_count(WAYS["styleme3d paper"]) == 140
    assert made.step_count(WAYS["styleme3d paper whole"]) == 1400
    assert made.step_count(WAYS["nearest"]) == 40
    assert made.step_count(WAYS["distill restyle3d"]) == 20
    for wrong in (0.0, 1.5):
        with pytest.raises(InputError, match="share"):
            dollhouse_restyle3d.suite(dollhouse_restyle3d.Config(descent=wrong))
