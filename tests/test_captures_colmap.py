"""COLMAP projects that pycolmap itself writes from the dollhouse's exact cameras and points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from relook.captures import Frame, read_capture
from relook.errors import GeometryError, MissingModelError
from relook.io import read_image, write_image
from relook.ops.geometry import project, sample
from walks import views_of_a_walk

pycolmap = pytest.importorskip("pycolmap")
SIZE = (96, 128)
BENT = {
    "SIMPLE_RADIAL": [-0.1],
    "RADIAL": [-0.1, 0.02],
    "OPENCV": [-0.1, 0.02, 0.004, -0.003],
    "FULL_OPENCV": [0.05, 0.02, 0.004, -0.003, 0.001, 0.01, -0.002, 0.001],
}
NAMES = ["walk/10.png", "walk/9.png", "walk/11.png"]


def camera_of(model: str, K: torch.Tensor) -> Any:
    """One of COLMAP's cameras with the dollhouse's intrinsics."""
    fx, fy, cx, cy = (float(K[place]) for place in ((0, 0), (1, 1), (0, 2), (1, 2)))
    focal = [fx] if model in ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL") else [fx, fy]
    bend = BENT.get(model, [0.0] * 4 if model == "OPENCV_FISHEYE" else [])
    return pycolmap.Camera(model=model, width=SIZE[1], height=SIZE[0], params=[*focal, cx, cy, *bend], camera_id=1)


def write_project(
    folder: Path, model: str = "PINHOLE", *, text: bool = False, place: str = "sparse/0", count: int = 3
) -> Path:
    """A project of `count` pictures; every 7th pixel of the first is a point, seen by all pictures that it falls into."""
    rooms = views_of_a_walk(SIZE)[:count]
    camera, project_ = camera_of(model, rooms[0].camera.K), pycolmap.Reconstruction()
    project_.add_camera_with_trivial_rig(camera)
    points = rooms[0].points[::7, ::7].reshape(-1, 3).double().numpy()
    tracks: list[list[Any]] = [[] for _ in points]
    for number, (name, room) in enumerate(zip(NAMES, rooms, strict=False), start=1):
        write_image(folder / "images" / name, room.image)
        pose = pycolmap.Rigid3d(room.camera.world_to_camera[:3].double().numpy())
        seen = [
            (index, camera.img_from_cam(pose * point)) for index, point in enumerate(points) if (pose * point)[2] > 0
        ]
        seen = [(index, pixel) for index, pixel in seen if (pixel >= 0).all() and (pixel <= SIZE[::-1]).all()]
        image = pycolmap.Image(
            name=name, keypoints=np.array([pixel for _, pixel in seen]), camera_id=1, image_id=number
        )
        project_.add_image_with_trivial_frame(image, pose)
        for place2d, (index, _) in enumerate(seen):
            tracks[index].append(pycolmap.TrackElement(number, place2d))
    for point, track in zip(points, tracks, strict=True):
        project_.add_point3D(point, pycolmap.Track(track))
    (folder / place).mkdir(parents=True)
    (project_.write_text if text else project_.write_binary)(str(folder / place))
    return folder


@pytest.mark.parametrize(
    ("text", "place", "model"), [(False, "sparse/0", "PINHOLE"), (True, "sparse", "SIMPLE_PINHOLE")]
)
def test_cameras_and_points_come_back(tmp_path: Path, text: bool, place: str, model: str) -> None:
    capture = read_capture(write_project(tmp_path, model, text=text, place=place))
    assert (capture.kind, all(frame.camera for frame in capture), capture.measured) == ("colmap", True, False)
    assert [frame.name for frame in capture] == ["9", "10", "11"]
    rooms = views_of_a_walk(SIZE)
    for frame, room in zip(capture, (rooms[1], rooms[0], rooms[2]), strict=True):
        view = frame.view()
        assert frame.lens is None
        assert torch.allclose(view.camera.world_to_camera, room.camera.world_to_camera, atol=1e-5)
        assert torch.allclose(view.camera.K, room.camera.K)
        assert float((view.image - room.image).abs().max()) <= 0.5 / 255 + 1e-6
        pixels, depth = project(view.points.points, view.camera)
        assert len(pixels) > 20
        assert float((pixels - view.points.pixels).norm(dim=-1).max()) < 1e-2
        assert torch.allclose(view.points.depth, depth)
    exact = sample(rooms[0].depth[None], capture[1].points.pixels[None])[0, 0]
    assert torch.allclose(capture[1].points.depth, exact, atol=1e-3)


@pytest.mark.parametrize("model", BENT)
def test_bent_cameras_become_pinholes(tmp_path: Path, model: str) -> None:
    capture = read_capture(write_project(tmp_path, model))
    rooms = views_of_a_walk(SIZE)
    recorded = camera_of(model, rooms[0].camera.K)
    frame: Frame = capture[1]
    assert frame.lens is not None
    assert frame.camera is not None
    assert frame.points is not None
    rays = torch.rand(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) - 0.5
    expected = np.array([recorded.img_from_cam(np.array([*ray, 1.0])) for ray in rays.tolist()])
    assert np.allclose(frame.lens.pixels(rays).numpy(), expected, atol=1e-4)
    pixels, _ = project(frame.points.points, frame.camera)
    assert len(pixels) > 50
    assert float((pixels - frame.points.pixels).norm(dim=-1).max()) < 0.02
    assert bool(((frame.points.pixels >= 0) & (frame.points.pixels <= torch.tensor([128, 96]))).all())


def test_of_several_models_the_largest_is_read(tmp_path: Path) -> None:
    write_project(tmp_path, count=2)
    write_project(tmp_path, place="sparse/1")
    assert len(read_capture(tmp_path)) == 3
    assert len(read_capture(tmp_path, every=2)) == 2


def test_pictures_lie_as_colmap_read_them(tmp_path: Path) -> None:
    folder = write_project(tmp_path)
    path = folder / "images" / NAMES[0]
    held = Image.Exif()
    held[0x0112] = 6  # a phone held upright: COLMAP does not turn it
    with Image.open(path) as picture:
        picture.save(path, exif=held)
    assert read_image(path).shape == (3, 128, 96)
    image = read_capture(folder)[1].view().image
    assert float((image - views_of_a_walk(SIZE)[0].image).abs().max()) <= 0.5 / 255 + 1e-6


def test_projects_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GeometryError, match=r"camera 1, got OPENCV_FISHEYE; .*image_undistorter"):
        read_capture(write_project(tmp_path / "fisheye", "OPENCV_FISHEYE"))
    folder = write_project(tmp_path / "missing")
    (folder / "images" / "walk" / "9.png").unlink()
    with pytest.raises(GeometryError, match=r"walk/9\.png of the COLMAP project missing"):
        read_capture(folder)
    write_image(folder / "images" / "walk" / "9.png", torch.zeros(3, 96, 127))
    with pytest.raises(GeometryError, match="128 x 96 pixels"):
        read_capture(folder)[0].view()
    (folder / "sparse" / "0" / "images.bin").write_bytes((folder / "sparse" / "0" / "images.bin").read_bytes()[:100])
    with pytest.raises(GeometryError, match=r"^Expected a sparse model of COLMAP in .*; export it again\.$"):
        read_capture(folder)
    pycolmap.Reconstruction().write_binary(str(folder / "sparse" / "0"))
    with pytest.raises(GeometryError, match="Expected pictures with a pose"):
        read_capture(folder)
    monkeypatch.setitem(__import__("sys").modules, "pycolmap", None)
    with pytest.raises(MissingModelError, match=r"pip install relook\[views\]"):
        read_capture(folder)
