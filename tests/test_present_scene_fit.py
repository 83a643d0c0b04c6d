"""`relook scene fit` from a capture's files to a PLY that other programs read."""

import json

import numpy as np
import pytest
from plyfile import PlyData

from relook.config import SceneConfig
from relook.lift.scene import fit
from relook.lift.scene.saving import write_scene
from relook.present.cli import main
from strolls import stroll


def test_a_fitted_scene_is_read_by_other_programs(tmp_path):
    found = fit(stroll(), SceneConfig(refine=0, held_out=2))
    write_scene(tmp_path / "room.ply", found)
    vertex = PlyData.read(tmp_path / "room.ply")["vertex"]
    scales = np.stack([vertex[f"scale_{k}"] for k in range(3)], 1)
    assert len(vertex["x"]) == len(found.gaussians)
    assert np.allclose(np.exp(scales), found.gaussians.scales, rtol=1e-4)
    assert np.allclose(1 / (1 + np.exp(-vertex["opacity"])), found.gaussians.opacities, atol=1e-4)
    assert np.allclose(vertex["f_dc_1"], found.gaussians.sh[:, 0, 1], atol=1e-5)
    assert json.loads((tmp_path / "room.json").read_text())["psnr"] == pytest.approx(found.psnr)


def test_another_ending_is_refused(tmp_path, capsys):
    (tmp_path / "walk").mkdir()
    assert main(["scene", "fit", str(tmp_path / "walk"), "--out", str(tmp_path / "room.obj")]) == 2
    assert "ends in .ply" in capsys.readouterr().err


def test_what_is_no_capture_is_refused(tmp_path, capsys):
    (tmp_path / "walk").mkdir()
    assert main(["scene", "fit", str(tmp_path / "walk"), "--out", str(tmp_path / "room.ply")]) == 2
    assert "Expected a capture" in capsys.readouterr().err
    assert not (tmp_path / "room.ply").exists()


def test_the_group_says_what_it_has(capsys):
    assert main(["scene"]) == 0
    assert "relook scene fit" in capsys.readouterr().out
