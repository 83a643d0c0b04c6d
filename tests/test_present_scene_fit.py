"""`relook scene fit` from a capture's files to a PLY that other programs read."""

import json

import numpy as np
import pytest
from plyfile import PlyData

from relook.config import SceneConfig
from relook.errors import InputError
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


def test_frames_of_a_capture_are_taken_by_their_numbers():
    walk = stroll(6)
    some = fit(walk, SceneConfig(refine=0, held_out=0, frames="1:4"))
    same = fit(walk[1:4], SceneConfig(refine=0, held_out=0))
    assert some.record["views"] == 3
    assert [c.world_to_camera.tolist() for c in some.cameras] == [c.world_to_camera.tolist() for c in same.cameras]
    assert SceneConfig(frames="4:").numbers(6) == range(4, 6)
    assert SceneConfig(frames=":2").numbers(6) == range(2)


@pytest.mark.parametrize("frames", ["16", "16-64", "4:2", "3:3", "-1:4", "a:b", ""])
def test_frames_that_are_no_range_are_refused_before_anything_is_read(tmp_path, capsys, frames):
    (tmp_path / "walk").mkdir()
    assert (
        main(["scene", "fit", str(tmp_path / "walk"), f"--frames={frames}", "--out", str(tmp_path / "room.ply")]) == 2
    )
    said = capsys.readouterr().err
    assert "Expected frames from one number up to a larger one" in said
    assert repr(frames) in said


@pytest.mark.parametrize("frames", ["4:9", "6:", "7:8"])
def test_frames_that_a_capture_does_not_have_are_refused(frames):
    with pytest.raises(InputError, match=f"Expected frames among the 6 of the capture, got {frames}; choose from 0:6."):
        fit(stroll(6), SceneConfig(frames=frames))
