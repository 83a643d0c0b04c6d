"""Cameras without pictures: transforms.json, nerfstudio's camera path, records, captures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from relook.captures import CameraPath, as_transforms, camera_for, read_path
from relook.errors import GeometryError, InputError
from relook.ops.geometry import project
from relook.ops.poses import looking
from strolls import plain, stroll, write_capture, write_film, write_frames

SIZE = (48, 64)


def path_of(count: int = 2) -> CameraPath:
    K, up = camera_for(SIZE, 60.0).K, torch.tensor([0.0, 0.0, 1.0])
    eyes = [torch.tensor([0.3 * k, 1.0, 1.2]) for k in range(count)]
    return CameraPath(tuple(looking(K, eye, torch.tensor([1.0, 0.5, -0.2]), up) for eye in eyes), SIZE)


def nerfstudio(path: CameraPath, **changes: Any) -> dict[str, Any]:
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    rows = [(torch.linalg.inv(one.world_to_camera) @ flip).flatten().tolist() for one in path.cameras]
    entries = [{"camera_to_world": row, "fov": 60, "aspect": 4 / 3} for row in rows]
    return {"render_height": 48, "render_width": 64, "fps": 30, "seconds": 1, "camera_path": entries} | changes


def same(found: CameraPath, wanted: CameraPath) -> None:
    assert found.size == wanted.size
    for one, two in zip(found.cameras, wanted.cameras, strict=True):
        assert torch.allclose(one.K, two.K, atol=1e-4)
        assert torch.allclose(one.world_to_camera, two.world_to_camera, atol=1e-4)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    for name, data in {"a": as_transforms(path_of()), "b": {"psnr": 1, "cameras": as_transforms(path_of())}}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(data))
        same(read_path(tmp_path / f"{name}.json"), path_of())


def test_a_nerfstudio_path_is_read_with_its_rate(tmp_path: Path) -> None:
    (tmp_path / "path.json").write_text(json.dumps(nerfstudio(path_of())))
    found = read_path(tmp_path / "path.json")
    same(found, path_of())
    assert found.fps == 30


def test_a_capture_gives_its_cameras(tmp_path: Path) -> None:
    found = read_path(write_capture(tmp_path, stroll(2)))
    same(found, CameraPath(tuple(view.camera for view in stroll(2) if view.camera is not None), SIZE))


@pytest.mark.parametrize(
    "data",
    [
        nerfstudio(path_of(), camera_path=[]),
        nerfstudio(path_of(), camera_path=[{"camera_to_world": [1, 2]}]),
        nerfstudio(path_of(), camera_path=[{"camera_to_world": [1.0] * 16}]),
        nerfstudio(path_of(), camera_path=[nerfstudio(path_of())["camera_path"][0] | {"fov": 190}]),
        nerfstudio(path_of(), camera_type="equirectangular"),
        nerfstudio(path_of(), render_height="tall"),
        as_transforms(path_of()) | {"frames": [{"transform_matrix": [[1, 0, 0, 0]], "fl_x": 50}]},
        as_transforms(path_of()) | {"frames": [as_transforms(path_of())["frames"][0] | {"fl_x": "long"}]},
        as_transforms(path_of()) | {"frames": [*as_transforms(path_of())["frames"], as_transforms(path_of())["frames"][0] | {"w": 32}]},
    ],
)  # fmt: skip
def test_cameras_that_are_none_are_refused_in_one_sentence(data: Any, tmp_path: Path) -> None:
    (tmp_path / "path.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"Expected .*path\.json.*, got .*; \w+.*\.$"):
        read_path(tmp_path / "path.json")


def test_pictures_and_videos_have_no_cameras(tmp_path: Path) -> None:
    frames, film = write_frames(tmp_path / "walk", plain(stroll(2))), write_film(tmp_path / "walk.mp4", stroll(2))
    for path in (frames, film):
        with pytest.raises(GeometryError, match="Expected a capture with cameras"):
            read_path(path)


def test_another_shape_cuts_two_sides() -> None:
    path = path_of(1)
    wide = path.fitted((96, 256))
    points = torch.tensor([[3.0, 2.0, 1.0], [4.0, 2.5, 0.9]])
    before, after = (project(points, one.cameras[0])[0] for one in (path, wide))
    assert torch.allclose(after - torch.tensor([128.0, 48.0]), 4 * (before - torch.tensor([32.0, 24.0])), atol=1e-3)
