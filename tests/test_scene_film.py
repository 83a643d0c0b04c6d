"""Rendering a scene along a path: the way that is found for it, and what is written."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
import torch
from scipy.spatial.transform import Rotation

from alone import group, room, turned
from boxes import SIDES, box_room
from relook.captures import CameraPath, as_transforms, camera_for
from relook.errors import CancelledError, SceneError
from relook.io import read_image, write_gaussians
from relook.io.video import read_frames, video_rate
from relook.lift.scene.film import film
from relook.lift.scene.orbit import ground_of, inside_spots, orbit
from relook.lift.scene.upright import up_of
from relook.ops.align import centre
from relook.ops.poses import looking
from relook.ops.splats import render, shown
from relook.present.cli import main
from relook.progress import Progress

SIZE = (36, 64)
UP, ALONG = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.0, 1.0, 0.0])


@cache
def closed() -> CameraPath:
    """The way that is found in a closed room."""
    return orbit(box_room(), 8, SIZE)


@pytest.mark.parametrize("seed", range(4))
def test_up_is_found_whatever_way_the_world_is_turned(seed: int) -> None:
    turn = Rotation.random(random_state=seed)
    up = up_of(turned(box_room(ceiling=seed % 2 == 0), turn))
    assert float(up @ torch.tensor(turn.apply([0, 0, 1])).float()) > 0.999
    assert float(up_of(box_room(ceiling=seed % 2 == 0)) @ UP) > 0.999


def test_cameras_say_which_way_is_up_and_surfaces_correct_them() -> None:
    tilted = torch.tensor([0.15, 0.0, 1.0])
    cameras = [looking(torch.eye(3), torch.zeros(3), torch.tensor([1.0, float(k), 0.0]), tilted) for k in range(3)]
    up = up_of(box_room(), cameras)
    assert float(up @ UP) > 0.9999
    assert float(up_of(box_room(), [one for one in cameras for _ in range(2)]) @ UP) > 0.9999


def test_an_orbit_stays_inside_a_room_and_sees_all_of_it() -> None:
    scene = box_room()
    path = closed()
    for camera in path.cameras:
        eye = centre(camera)
        assert (eye[:2].abs() < torch.tensor(SIDES[:2]) / 2 - 0.2).all()
        assert 0.3 * SIDES[2] < eye[2] < 0.8 * SIDES[2]
        assert float(shown(scene, camera, SIZE)[1].mean()) > 0.97
        assert float(camera.world_to_camera[0, :3] @ UP) == pytest.approx(0, abs=1e-3)
    angles = torch.stack([torch.atan2(*camera.world_to_camera[2, :2]) for camera in path.cameras]).sort().values
    gaps = torch.diff(angles, append=angles[:1] + 2 * torch.pi)
    assert torch.allclose(gaps, torch.full_like(gaps, torch.pi / 4), atol=1e-3)  # it looks every way


def test_a_corner_is_swept_to_and_fro() -> None:
    scene = box_room(walls=2)
    path = orbit(scene, 12, SIZE)
    heads = torch.stack([camera.world_to_camera[2, :2] for camera in path.cameras])
    assert float(shown(scene, path.cameras[3], SIZE)[1].mean()) > 0.5
    assert (heads.sum(1) > 0).all()  # towards the walls at x > 0 and y > 0
    assert all(float(shown(scene, camera, SIZE)[1].mean()) > 0.4 for camera in path.cameras)


def test_a_thing_is_seen_from_outside_whole() -> None:
    table = box_room()
    thing = table[(table.means.abs() < 0.8).all(1)]
    path = orbit(thing, 4, SIZE, around=True)
    for camera in path.cameras:
        covered = shown(thing, camera, SIZE)[1] > 0.5
        assert int(covered.sum()) > 20
        assert not bool(covered[0].any() | covered[-1].any() | covered[:, 0].any() | covered[:, -1].any())
    assert not inside_spots(ground_of(thing, UP))
    assert all(
        torch.allclose(one.world_to_camera, two.world_to_camera)
        for one, two in zip(orbit(thing, 4, SIZE).cameras, path.cameras, strict=True)
    )


def test_cameras_around_a_thing_are_no_places_to_stand_in() -> None:
    """A capture that went round a thing is filmed from around it; one that looked at it from one side, as a room's corner, is not."""
    thing = box_room()[(box_room().means.abs() < 0.8).all(1)]
    ring = orbit(thing, 6, SIZE, around=True).cameras
    for found, exact in zip(orbit(thing, 6, SIZE, cameras=ring).cameras, ring, strict=True):
        assert torch.allclose(centre(found), centre(exact), atol=1e-3)
    places = [centre(one) for one in orbit(thing, 4, SIZE, cameras=ring[:2]).cameras]
    assert all(min(float((place - centre(eye)).norm()) for eye in ring[:2]) < 1e-3 for place in places)


def test_things_in_a_ring_are_looked_at_from_outside_and_rooms_from_within() -> None:
    for seed in (0, 3):
        assert not inside_spots(ground_of(group(seed), ALONG))
    assert inside_spots(ground_of(room(31, ceiling=False), ALONG))
    assert inside_spots(ground_of(room(30), ALONG))


def test_a_video_holds_what_its_cameras_see(tmp_path: Path) -> None:
    scene, path = box_room(), CameraPath(closed().cameras[:3], SIZE, 12.5)
    covered = film(scene, path, tmp_path / "a.mp4")
    assert covered > 0.97
    assert video_rate(tmp_path / "a.mp4") == 12.5
    for (_, pixels), camera in zip(read_frames(tmp_path / "a.mp4"), path.cameras, strict=True):
        exact = render(scene, camera, SIZE).clamp(0, 1)
        assert float((torch.from_numpy(pixels).permute(2, 0, 1) / 255 - exact).abs().mean()) < 0.03


def test_pictures_are_numbered_and_the_background_shows(tmp_path: Path) -> None:
    scene, path = box_room(walls=2), orbit(box_room(walls=2), 2, SIZE, around=True)
    film(scene, path, tmp_path / "out", background=torch.tensor([1.0, 0.0, 1.0]))
    assert [file.name for file in sorted((tmp_path / "out").iterdir())] == ["00000.png", "00001.png"]
    assert torch.equal(read_image(tmp_path / "out" / "00000.png")[:, 0, 0], torch.tensor([1.0, 0.0, 1.0]))


@pytest.mark.parametrize("name", ["a.mp4", "out", "a.png"])
def test_a_stopped_film_leaves_nothing(name: str, tmp_path: Path) -> None:
    progress = Progress(lambda step: progress.cancel() if step.done == 1 else None)
    with pytest.raises(CancelledError):
        film(box_room(), CameraPath(closed().cameras[:3], SIZE), tmp_path / name, progress=_at_once(name, progress))
    away = looking(camera_for(SIZE, 50.0).K, torch.tensor([9.0, 0.0, 1.0]), torch.tensor([1.0, 0.0, 0.0]), UP)
    with pytest.raises(SceneError, match="none of it"):
        film(box_room(), CameraPath((away,), SIZE), tmp_path / name)
    assert not list(tmp_path.iterdir())


def _at_once(name: str, progress: Progress) -> Progress:
    """A single picture has one step, at whose end it would be written: stopped before."""
    if name.endswith(".png"):
        progress.cancel()
    return progress


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scene")
    write_gaussians(folder / "room.ply", box_room())
    path = CameraPath(closed().cameras[:4], SIZE)
    (folder / "cameras.json").write_text(json.dumps(as_transforms(path)))
    one = CameraPath(path.cameras[:1] * 2, SIZE)
    (folder / "same.json").write_text(json.dumps(as_transforms(one)))
    return folder


def test_the_command_renders_every_kind_of_path(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room, cameras = str(files / "room.ply"), str(files / "cameras.json")
    for words, number, size in (
        (["--size", "64", "--seconds", "0.5", "--fps", "4"], 2, "64 x 36"),
        (["--path", "walk", "--cameras", cameras, "--size", "40x40", "--seconds", "1", "--fps", "3"], 3, "40 x 40"),
        (["--path", cameras, "--background", "#ffffff"], 4, "64 x 36"),
    ):
        out = tmp_path / f"{number}"
        assert main(["scene", "render", room, "--out", str(out), *words]) == 0
        assert f"{number} pictures of {size}" in capsys.readouterr().out
        assert len(list(out.iterdir())) == number


def test_a_record_beside_a_scene_gives_its_cameras(files: Path, tmp_path: Path) -> None:
    room = tmp_path / "room.ply"
    room.write_bytes((files / "room.ply").read_bytes())
    record = {"psnr": 30.0, "cameras": json.loads((files / "cameras.json").read_text())}
    room.with_suffix(".json").write_text(json.dumps(record))
    words = ["--path", "walk", "--size", "32", "--seconds", "0.5", "--fps", "4", "--out", str(tmp_path / "walk")]
    assert main(["scene", "render", str(room), *words]) == 0


def test_mistakes_are_answered_in_one_sentence(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("")
    for words in (
        ["--out", "a.gif"], ["--out", "a.avi"], ["--out", str(tmp_path / "full")], ["--size", "wide"], ["--size", "9"], ["--size", "9000x9000"],
        ["--background", "blurple"], ["--path", "orbitt"], ["--path", "walk"], ["--path", "walk", "--cameras", str(files / "same.json")],
        ["--path", str(files / "cameras.json"), "--seconds", "3"], ["--path", str(files / "room.ply")], ["--seconds", "0"],
    ):  # fmt: skip
        out = [] if "--out" in words else ["--out", str(tmp_path / "a.mp4")]
        assert main(["scene", "render", str(files / "room.ply"), *out, *words]) == 2, words
        said = capsys.readouterr().err
        assert said.startswith("relook: Expected"), words
        assert said.count("\n") == 1, words
    assert [file.name for file in tmp_path.iterdir()] == ["full"]
