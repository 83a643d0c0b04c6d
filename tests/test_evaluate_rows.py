"""Rows of the photo suites are the product: what the table says of a row is what `relook photo` paints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from relook.evaluate.methods.rows import ALONE, PRODUCTS, ROWS, Setting, pictures_alone
from relook.evaluate.sources.dollhouse import draw_pair
from relook.evaluate.sources.pair import Pair
from relook.io import read_depth, read_image, read_segments, write_depth, write_image, write_segments
from relook.present.cli import main
from relook.session import Session
from relook.types import View

SETTING, HERE = Setting(steps=8, seed=3), Session("cpu", "fp32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair of rooms as files, with their maps."""
    folder, pair = tmp_path_factory.mktemp("pair"), draw_pair(1, 0, (64, 64))
    for name, view in (("structure", pair.structure), ("style", pair.style)):
        assert view.segments is not None
        assert view.depth is not None
        write_image(folder / f"{name}.png", view.image)
        write_segments(folder / f"{name}-segments.png", view.segments)
        write_depth(folder / f"{name}-depth.npz", view.depth)
    return folder


@pytest.fixture(scope="module")
def pair(folder: Path) -> Pair:
    structure, style = (
        View(
            read_image(folder / f"{name}.png"), read_segments(folder / f"{name}-segments.png"),
            read_depth(folder / f"{name}-depth.npz"),
        )
        for name in ("structure", "style")
    )  # fmt: skip
    return Pair("files", structure, style, "a photo of a room")


@pytest.mark.parametrize("row", ["palette", "relook", "restyle3d/released", "eye-for-an-eye/released"])
def test_a_row_and_the_command_give_the_same_pixels(row: str, folder: Path, pair: Pair, tmp_path: Path) -> None:
    method, _, preset = (
        row.partition("/") if "/" in row else ("palette" if row == "palette" else "restyle3d", "", "relook")
    )
    own = ["--restyle", "all"] if method == "palette" else ["--family", "dollhouse", "--steps", "8"]
    code = main([
        "photo", str(folder / "structure.png"), "--style", str(folder / "style.png"), "--out", str(tmp_path / "command.png"),
        "--segments", str(folder / "structure-segments.png"), "--style-segments", str(folder / "style-segments.png"),
        "--depth", str(folder / "structure-depth.npz"), "--style-depth", str(folder / "style-depth.npz"),
        "--method", method, "--preset", preset, "--prompt", pair.prompt, "--seed", "3", "--device", "cpu", *own,
    ])  # fmt: skip
    assert code == 0
    write_image(tmp_path / "row.png", ROWS[row].paint(pair, SETTING, HERE))
    assert torch.equal(read_image(tmp_path / "row.png"), read_image(tmp_path / "command.png"))


def test_released_restyle3d_drops_small_classes_in_the_suite_too() -> None:
    assert PRODUCTS["restyle3d/released"].numbers.minimum_area == 0.01
    assert PRODUCTS["restyle3d/paper"].numbers.minimum_area == 0.0


def test_pictures_alone_see_no_map_of_the_pair(pair: Pair) -> None:
    rows = pictures_alone()
    assert set(rows) == {
        f"{name}, {ALONE}" for name in ROWS if name in ("statistics", "palette", "relook") or name.endswith("/released")
    }
    row = rows[f"palette, {ALONE}"]
    bare = replace(pair, structure=View(pair.structure.image), style=View(pair.style.image))
    image = row.paint(pair, SETTING, HERE)
    assert torch.equal(image, row.paint(bare, SETTING, HERE))
    assert not torch.equal(image, ROWS["palette"].paint(pair, SETTING, HERE))
