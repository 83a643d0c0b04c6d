"""The suite of lifting: rows of both parts on a small room, and names that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from relook.engine import Engine
from relook.errors import InputError
from relook.evaluate import dollhouse_lift
from relook.evaluate.records import read_records
from relook.evaluate.run import run
from relook.models.store import is_here


def test_rows_are_measured_and_wrong_names_are_refused(tmp_path: Path) -> None:
    rows = ("alone", "rendered", "nearest", "scene probabilities", "scene change")
    parts = ("labels", "sharpness", *(("looks",) if is_here("microast") else ()))
    config = dollhouse_lift.Config(tmp_path, parts, rows, rooms=1, frames=9, held=1, size=64, engine=Engine(workers=1))
    run(dollhouse_lift.suite(config))
    found = {(one.part, one.row, one.metric, one.region): one.value for one in read_records(tmp_path / "records.csv")}
    psnr = found["labels", "scene probabilities", "psnr", "all"]
    assert psnr is not None
    assert psnr > 20
    assert psnr == found["labels", "rendered", "psnr", "all"] != found["labels", "nearest", "psnr", "all"]
    assert found["sharpness", "alone", "psnr", "all"] > 20
    for part in parts[1:]:
        assert found[part, "alone", "detail", "all"] == pytest.approx(1.0)
        assert found[part, "scene change", "warp_rmse", "near"] < found[part, "alone", "warp_rmse", "near"]
    with pytest.raises(InputError, match="parts"):
        dollhouse_lift.suite(dollhouse_lift.Config(parts=("label",)))
    with pytest.raises(InputError, match="at least 1 room"):
        dollhouse_lift.suite(dollhouse_lift.Config(frames=4))
