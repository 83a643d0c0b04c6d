"""`relook scene`: what users type, and what comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from relook.gaussians import Gaussians
from relook.io import read_gaussians, write_gaussians
from relook.present.cli import main


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    draw = torch.Generator().manual_seed(0)
    quats = torch.nn.functional.normalize(torch.randn(50, 4, generator=draw), dim=1)
    shape = (torch.rand(50, 3, generator=draw) * 2, quats, torch.full((50, 3), 0.1), torch.full((50,), 0.9))
    write_gaussians(tmp_path / "room.ply", Gaussians(*shape, torch.rand(50, 4, 3, generator=draw)))
    return tmp_path / "room.ply"


def test_info_says_what_a_scene_holds(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scene", "info", str(scene)]) == 0
    said = capsys.readouterr().out
    assert "50 Gaussians" in said
    assert "smaller than 0.1, spherical harmonics of degree 1" in said


def test_convert_bakes_one_colour_per_gaussian(scene: Path) -> None:
    out = scene.with_name("room.spz")
    assert main(["scene", "convert", str(scene), "--out", str(out), "--bake"]) == 0
    baked = read_gaussians(out)
    assert baked.degree == 0
    assert torch.allclose(baked.colours, read_gaussians(scene).colours, atol=0.02)


def test_mistakes_are_answered_in_one_sentence(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["convert", str(scene), "--out", "room.obj"], ["inform"], ["info", "nowhere.ply"]):
        assert main(["scene", *words]) == 2
        said = capsys.readouterr().err
        assert said.startswith("relook: Expected")
        assert said.count("\n") == 1
