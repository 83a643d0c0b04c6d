"""Captures: order, cameras, readings with holes, and what is said about broken ones."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from relook.captures import natural_order, read_capture, read_sensor_depth
from relook.errors import GeometryError, InputError, PictureError
from relook.io import write_image

POSE = [[0.0, -1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 2.0], [0.0, 0.0, 1.0, 3.0], [0.0, 0.0, 0.0, 1.0]]


def write_capture(folder: Path, names: list[str], **changes: Any) -> Path:
    """A capture of 16 x 10 pictures; picture n is grey n / 10, its depth 1000 + n mm with a hole at the top left."""
    (folder / "images").mkdir(parents=True)
    frames = []
    for number, name in enumerate(names):
        write_image(folder / "images" / f"{name}.png", torch.full((3, 10, 16), number / 10))
        millimetres = np.full((10, 16), 1000 + number, np.uint16)
        millimetres[0, 0] = 0
        Image.fromarray(millimetres).save(folder / f"{name}-depth.png")
        frames.append({"image": f"images/{name}.png", "depth": f"{name}-depth.png", "camera_to_world": POSE})
    data = {
        "width": 16, "height": 10, "intrinsics": [[20.0, 0, 8], [0, 21.0, 5], [0, 0, 1]], "depth": "uint16 PNG, millimetres",
        "convention": "camera_to_world, OpenCV axes", "licence": "CC0", "frames": frames,
    }  # fmt: skip
    (folder / "capture.json").write_text(json.dumps(data | changes))
    return folder


def test_frames_come_in_natural_order_and_are_read_late(tmp_path: Path) -> None:
    capture = read_capture(write_capture(tmp_path, ["frame10", "frame9", "frame100"]))
    assert [frame.image.stem for frame in capture] == ["frame9", "frame10", "frame100"]
    assert capture.notes["licence"] == "CC0"
    assert len(capture[1:]) == 2
    views = capture.views()
    (tmp_path / "images" / "frame100.png").unlink()
    assert float(next(views).image[0, 0, 0]) == pytest.approx(0.1, abs=0.01)
    assert float(next(views).image[0, 0, 0]) == 0
    with pytest.raises(PictureError, match="frame100"):
        next(views)


def test_cameras_are_turned_from_camera_to_world(tmp_path: Path) -> None:
    (view,) = read_capture(write_capture(tmp_path, ["a"]) / "capture.json").views()
    assert view.camera is not None
    inverse = np.linalg.inv(np.array(POSE))
    assert np.allclose(view.camera.world_to_camera.numpy(), inverse, atol=1e-6)
    assert view.camera.K[1, 1] == 21


def test_no_reading_stays_no_reading(tmp_path: Path) -> None:
    (view,) = read_capture(write_capture(tmp_path, ["a"])).views()
    assert view.depth is not None
    assert view.depth.kind == "metric"
    assert view.depth.values[3, 3] == pytest.approx(1.0)
    assert view.depth.valid is not None
    assert view.depth.valid.sum() == 10 * 16 - 1
    assert math.isnan(float(view.depth.masked()[0, 0]))
    assert view.metric_depth is not None
    assert torch.equal(view.metric_depth.isnan(), ~view.depth.valid)


def test_a_capture_without_depth(tmp_path: Path) -> None:
    folder = write_capture(tmp_path, ["a"])
    data = json.loads((folder / "capture.json").read_text())
    del data["frames"][0]["depth"]
    (folder / "capture.json").write_text(json.dumps(data))
    capture = read_capture(folder)
    assert not capture.measured
    assert capture[0].view().depth is None


def broken(matrix: Any) -> dict[str, Any]:
    return {"frames": [{"image": "images/a.png", "camera_to_world": matrix}]}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (broken([[2.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 0, 2.0, 0], [0, 0, 0, 1.0]]), "a rotation and a shift"),
        (broken([[-1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]]), "a rotation and a shift"),
        (broken([[math.nan] * 4] * 4), "finite numbers in capture.json, frame images/a.png"),
        (broken([[1.0, 0], [0, 1.0]]), "4 x 4"),
        (broken(None), "4 x 4"),
        (broken([[1.0, 0], [0]]), "4 x 4"),
        ({"frames": [{"image": "images/b.png", "camera_to_world": POSE}]}, "b.png"),
        ({"frames": [{"image": "images/a.png", "depth": "c.png", "camera_to_world": POSE}]}, "c.png"),
        ({"intrinsics": [[0.0, 0, 8], [0, 21.0, 5], [0, 0, 1]]}, "fx, fy > 0"),
        ({"intrinsics": None}, "3 x 3"),
    ],
)  # fmt: skip
def test_cameras_and_files_that_do_not_fit(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(GeometryError, match=says):
        read_capture(write_capture(tmp_path, ["a"], **changes))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"frames": []}, "at least one frame"),
        ({"frames": [{}]}, "an image each"),
        ({"width": "wide"}, "width, height and frames"),
        ({"convention": "world_to_camera"}, "camera_to_world"),
    ],
)
def test_files_that_are_no_captures(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_capture(write_capture(tmp_path, ["a"], **changes))


def test_no_capture_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"capture\.json"):
        read_capture(tmp_path)


def test_pictures_and_readings_of_another_size(tmp_path: Path) -> None:
    capture = read_capture(write_capture(tmp_path, ["a"], width=17))
    with pytest.raises(GeometryError, match="17 x 10 pixels"):
        capture[0].view()
    with pytest.raises(GeometryError, match="8 x 8"):
        read_sensor_depth(tmp_path / "a-depth.png", (8, 8))


def test_readings_that_are_none(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "empty.png")
    with pytest.raises(GeometryError, match="only 0"):
        read_sensor_depth(tmp_path / "empty.png")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "grey.png")
    with pytest.raises(GeometryError, match="16-bit"):
        read_sensor_depth(tmp_path / "grey.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(GeometryError, match="none that can be read"):
        read_sensor_depth(tmp_path / "text.png")


def test_numbers_in_names_are_numbers() -> None:
    names = ["b2", "a10", "a9", "a9b", "A1"]
    assert sorted(names, key=natural_order) == ["A1", "a9", "a9b", "a10", "b2"]


@pytest.mark.weights
def test_the_offices_sensor_and_poses_agree(shared: Path) -> None:
    from relook.ops.geometry import inside, project
    from relook.perceive.geometry import exact

    first, second = read_capture(shared / "captures" / "office")[4:9:4].views()
    points = exact([first, second]).points[0]
    assert second.camera is not None
    assert second.metric_depth is not None
    pixels, depth = project(points, second.camera)
    lands = torch.isfinite(depth) & (depth > 0) & inside(pixels, second.size)
    x, y = pixels[lands].long().unbind(-1)
    measured = second.metric_depth[y, x]
    errors = (depth[lands] / measured - 1).abs()[torch.isfinite(measured)]
    assert len(errors) > 1000
    assert float(errors.median()) < 0.01
