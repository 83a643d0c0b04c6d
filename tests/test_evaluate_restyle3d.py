"""The suite of restyled scenes: every method of the product has a row, and the ceiling is above, the copy below."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relook.engine import Engine
from relook.errors import InputError
from relook.evaluate import dollhouse_restyle3d
from relook.evaluate.run import run
from relook.evaluate.scene.product import WAYS
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
