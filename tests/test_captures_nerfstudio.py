"""nerfstudio's transforms.json: the dollhouse's exact cameras written in its conventions and read back."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from relook.captures import read_capture
from relook.errors import GeometryError, InputError
from relook.io import write_image
from relook.ops.geometry import pixel_centres, sample, unproject
from walks import views_of_a_walk

SIZE = (48, 64)


def write_transforms(folder: Path, name: str = "transforms.json", **changes: Any) -> Path:
    """The walk of tests/walks.py as nerfstudio keeps it: OpenGL cameras, pictures and depth in millimetres."""
    frames = []
    for number, room in enumerate(views_of_a_walk(SIZE)):
        write_image(folder / "images" / f"frame_{number}.png", room.image)
        Image.fromarray((room.depth * 1000).round().numpy().astype(np.uint16)).save(folder / f"depth_{number}.png")
        pose = torch.linalg.inv(room.camera.world_to_camera.double()) @ torch.diag(
            torch.tensor([1.0, -1, -1, 1]).double()
        )
        frames.append({"file_path": f"images/frame_{number}.png", "depth_file_path": f"depth_{number}.png", "transform_matrix": pose.tolist()})  # fmt: skip
    K = views_of_a_walk(SIZE)[0].camera.K
    data = {
        "camera_model": "OPENCV", "fl_x": float(K[0, 0]), "fl_y": float(K[1, 1]), "cx": float(K[0, 2]), "cy": float(K[1, 2]),
        "w": 64, "h": 48, "k1": 0, "k2": 0.0, "p1": 0.0, "p2": 0.0, "frames": frames[::-1],
        "applied_transform": [[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0]],
    }  # fmt: skip
    data = {key: value for key, value in (data | changes).items() if value is not None}
    (folder / name).write_text(json.dumps(data))
    return folder


def test_the_dollhouses_cameras_and_depth_come_back(tmp_path: Path) -> None:
    capture = read_capture(write_transforms(tmp_path))
    assert (capture.kind, capture.measured, all(frame.camera for frame in capture)) == ("nerfstudio", True, True)
    assert [frame.name for frame in capture] == ["frame_0", "frame_1", "frame_2"]
    for view, room in zip(capture.views(), views_of_a_walk(SIZE), strict=True):
        assert view.camera is not None
        assert view.metric_depth is not None
        assert torch.allclose(view.camera.world_to_camera, room.camera.world_to_camera, atol=1e-5)
        assert torch.allclose(view.camera.K, room.camera.K)
        points = unproject(view.metric_depth, view.camera)
        assert float((points - room.points).norm(dim=-1).max()) < 0.002
        assert float((view.image - room.image).abs().max()) <= 0.5 / 255 + 1e-6


def test_blender_sets_name_an_angle_and_no_endings(tmp_path: Path) -> None:
    room = views_of_a_walk(SIZE)[0]
    folder = write_transforms(tmp_path, "transforms_train.json", **dict.fromkeys(("fl_x", "fl_y", "cx", "cy", "w", "h", "camera_model")))  # fmt: skip
    data = json.loads((folder / "transforms_train.json").read_text())
    for entry in data["frames"]:
        entry["file_path"] = "./" + entry["file_path"].removesuffix(".png")
    held = Image.Exif()
    held[0x0112] = 8  # nerfstudio does not turn pictures
    with Image.open(folder / "images" / "frame_0.png") as picture:
        picture.save(folder / "images" / "frame_0.png", exif=held)
    data["camera_angle_x"] = 2 * math.atan(64 / 2 / float(room.camera.K[0, 0]))
    (folder / "transforms_train.json").write_text(json.dumps(data))
    capture = read_capture(folder)
    assert [frame.image.name for frame in capture] == ["frame_0.png", "frame_1.png", "frame_2.png"]
    assert capture[0].camera is not None
    expected = [[room.camera.K[0, 0], 0, 32], [0, room.camera.K[0, 0], 24], [0, 0, 1]]
    assert torch.allclose(capture[0].camera.K, torch.tensor(expected))
    assert capture[0].view().size == capture[0].size == (48, 64)


def test_a_frame_may_have_its_own_camera_and_three_rows(tmp_path: Path) -> None:
    folder = write_transforms(tmp_path)
    data = json.loads((folder / "transforms.json").read_text())
    data["frames"][0] |= {"fl_x": 99.0, "fl_y": 98.0, "cx": 30.0, "cy": 20.0}
    data["frames"][0]["transform_matrix"] = data["frames"][0]["transform_matrix"][:3]
    data["depth_unit_scale_factor"] = 0.002
    (folder / "named.json").write_text(json.dumps(data))
    *_, last = read_capture(folder / "named.json")
    assert last.camera.K.tolist() == [[99, 0, 30], [0, 98, 20], [0, 0, 1]]
    assert torch.allclose(last.camera.world_to_camera, views_of_a_walk(SIZE)[2].camera.world_to_camera, atol=1e-5)
    assert torch.allclose(last.sensor_depth().values, 2 * views_of_a_walk(SIZE)[2].depth, atol=0.002)


def test_bent_pictures_become_straight_and_depth_with_them(tmp_path: Path) -> None:
    bend = {"k1": -0.12, "k2": 0.03, "p1": 0.004, "p2": -0.003}
    (frame, *_) = read_capture(write_transforms(tmp_path, **bend))
    room, view = views_of_a_walk(SIZE)[0], frame.view()
    assert frame.lens is not None
    K = frame.camera.K
    places = frame.lens.pixels((pixel_centres(SIZE) - K[:2, 2]) / K[[0, 1], [0, 1]])
    assert float((places - pixel_centres(SIZE)).norm(dim=-1).max()) > 0.5
    assert float((view.image - sample(room.image, places)).abs().max()) < 0.01
    x, y = places.long().unbind(-1)
    assert view.depth is not None
    assert torch.allclose(view.depth.values, room.depth[y.clamp(0, 47), x.clamp(0, 63)], atol=0.001)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"camera_model": "OPENCV_FISHEYE"}, "OPENCV_FISHEYE; undistort"),
        ({"is_fisheye": True}, "perspective camera"),
        ({"k4": 0.01}, "perspective camera"),
        ({"k1": 50.0}, "undistort the pictures first"),
        ({"fl_x": None, "fl_y": None}, "neither; add the focal length"),
        ({"fl_x": -3.0}, "fx, fy > 0"),
        ({"w": 63}, "63 x 48"),
    ],
)
def test_cameras_that_cannot_be_used(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(GeometryError, match=says):
        read_capture(write_transforms(tmp_path, **changes))[0].view()


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"transform_matrix": np.diag([2.0, 2, 2, 1]).tolist()}, GeometryError, "a rotation and a shift"),
        ({"transform_matrix": np.diag([1.0, 1, -1, 1]).tolist()}, GeometryError, "a rotation and a shift"),
        ({"transform_matrix": [[1.0, 0], [0, 1.0]]}, GeometryError, "4 x 4"),
        ({"transform_matrix": 3}, InputError, "a transform_matrix"),
        ({"file_path": "images/none"}, GeometryError, r"images/none of transforms\.json"),
        ({"depth_file_path": "none.png"}, GeometryError, r"none\.png"),
        ({"w": "wide"}, InputError, "numbers for the camera"),
    ],
)
def test_frames_that_cannot_be_used(tmp_path: Path, changes: dict[str, Any], error: Any, says: str) -> None:
    folder = write_transforms(tmp_path)
    data = json.loads((folder / "transforms.json").read_text())
    data["frames"][1] |= changes
    (folder / "transforms.json").write_text(json.dumps(data))
    with pytest.raises(error, match=says):
        read_capture(folder)


def test_frames_without_a_name_or_a_matrix(tmp_path: Path) -> None:
    folder = write_transforms(tmp_path)
    data = json.loads((folder / "transforms.json").read_text())
    for key in ("file_path", "transform_matrix"):
        kept = [{other: value for other, value in entry.items() if other != key} for entry in data["frames"][:1]]
        (folder / "transforms.json").write_text(json.dumps(data | {"frames": kept + data["frames"][1:]}))
        with pytest.raises((InputError, GeometryError), match=rf"{key}|4 x 4"):
            read_capture(folder)
    (folder / "transforms.json").write_text(json.dumps({"frames": []}))
    with pytest.raises(InputError, match="transform_matrix each"):
        read_capture(folder)
