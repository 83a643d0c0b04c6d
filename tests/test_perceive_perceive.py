"""The task: one picture to regions, depth and edges, and the folder that it leaves."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pictures import Room, write_room
from relook.config import PerceiveConfig
from relook.errors import CancelledError, InputError, MissingModelError
from relook.io import read_depth, read_image, read_segments
from relook.perceive.edges import borders, colour_edges, edges
from relook.perceive.layout.files import read_layout, write_layout
from relook.perceive.perceive import FILES, perceive_photo
from relook.progress import Progress
from relook.session import Session
from relook.types import Camera, Depth, Layout, View, Wall


@pytest.fixture
def room(tmp_path: Path) -> Room:
    (tmp_path / "room").mkdir()
    return write_room(tmp_path / "room", "room")


def maps(room: Room) -> PerceiveConfig:
    place = room.image.with_name("room-layout.json")
    pose = torch.eye(4)
    pose[1, 3] = 1.3
    K = torch.tensor([[40.0, 0, 26], [0, 40, 18], [0, 0, 1]])
    write_layout(place, Layout((36, 52), Camera(K, pose), 2.6, (Wall((-3.0, 2.5), (3.0, 2.5), 0.75),)))
    return PerceiveConfig(segmenter=str(room.segments), depth_estimator=str(room.depth), layout=str(place))


def test_everything_is_written_and_read_back_exactly(room: Room, tmp_path: Path) -> None:
    folder = tmp_path / "seen"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    view = perceive_photo(room.image, maps(room), out=folder)
    assert {path.name for path in folder.iterdir()} == {*FILES, "notes.txt"}
    assert (folder / "notes.txt").read_text() == "mine"
    assert view.segments is not None
    assert view.depth is not None
    segments, depth = read_segments(folder / "segments.png", view.size), read_depth(folder / "depth.npz", view.size)
    assert torch.equal(segments.labels, view.segments.labels)
    assert segments.regions == view.segments.regions
    assert torch.equal(depth.values, view.depth.values)
    assert depth.kind == view.depth.kind
    assert view.layout is not None
    layout = read_layout(folder / "layout.json", view.size)
    assert layout.walls == view.layout.walls
    assert torch.allclose(layout.camera.K, view.layout.camera.K)
    painted = read_depth(folder / "depth.png", view.size)
    assert (painted.values - view.depth.values).abs().max() <= 0.00051
    drawn = read_image(folder / "edges.png")
    assert (drawn[0] - edges(view)).abs().max() < 1 / 255
    again = perceive_photo(room.image, maps(room), out=folder)
    assert torch.equal(again.segments.labels, view.segments.labels)  # type: ignore[union-attr]


def test_without_a_folder_nothing_is_written(room: Room, tmp_path: Path) -> None:
    config = maps(room)
    before = sorted(tmp_path.rglob("*"))
    view = perceive_photo(read_view(room), config)
    assert view.segments is not None
    assert view.segments.names == ("floor", "sofa", "wall", "window")
    assert sorted(tmp_path.rglob("*")) == before


def read_view(room: Room) -> View:
    return View(read_image(room.image))


def test_no_model_for_depth_is_no_depth_unless_one_was_named(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(name: str, session: Session) -> object:
        def missing(view: View) -> Depth:
            raise MissingModelError(f"Expected {name}, got none; get it.")

        return missing

    monkeypatch.setattr("relook.perceive.perception.estimator", nowhere)
    view = perceive_photo(room.image, PerceiveConfig(segmenter="whole"), out=tmp_path / "seen")
    assert view.depth is None
    assert not (tmp_path / "seen" / "depth.npz").exists()
    with pytest.raises(MissingModelError, match="fastdepth"):
        perceive_photo(room.image, PerceiveConfig(segmenter="whole", depth_estimator="fastdepth"))


def test_stages_are_reported_and_a_cancelled_run_leaves_nothing(room: Room, tmp_path: Path, session: Session) -> None:
    config = PerceiveConfig(segmenter="whole", depth_estimator="none")
    heard: list[tuple[str, int, int]] = []
    progress = Progress(lambda step: heard.append((step.stage, step.done, step.total)))
    perceive_photo(room.image, config, out=tmp_path / "seen", session=session, progress=progress)
    assert [one for one in heard if one[0] == "perceiving"] == [("perceiving", done, 3) for done in range(4)]
    assert [stage for stage, done, total in heard if done == total] == ["perceiving", "writing"]
    stopped = Progress(lambda step: stopped.cancel() if (step.stage, step.done) == ("perceiving", 1) else None)
    with pytest.raises(CancelledError):
        perceive_photo(room.image, config, out=tmp_path / "other", session=session, progress=stopped)
    assert not (tmp_path / "other").exists()


def test_an_input_is_never_written_over(room: Room, tmp_path: Path) -> None:
    picture = tmp_path / "overlay.png"
    picture.write_bytes(room.image.read_bytes())
    with pytest.raises(InputError, match="no input"):
        perceive_photo(picture, maps(room), out=tmp_path)
    assert picture.read_bytes() == room.image.read_bytes()
    copy = tmp_path / "segments.png"
    copy.write_bytes(room.segments.read_bytes())
    copy.with_suffix(".json").write_bytes(room.segments.with_suffix(".json").read_bytes())
    with pytest.raises(InputError, match="no input"):
        perceive_photo(room.image, PerceiveConfig(segmenter=str(copy), depth_estimator="none"), out=tmp_path)


def test_files_of_two_runs_are_never_mixed(room: Room, tmp_path: Path) -> None:
    perceive_photo(room.image, maps(room), out=tmp_path)
    before = (tmp_path / "segments.png").read_bytes()
    with pytest.raises(
        InputError, match=r"depth\.npz, depth\.png, depth_preview\.png, layout\.json, layout\.png, plan\.png"
    ):
        perceive_photo(
            room.image, PerceiveConfig(segmenter="whole", depth_estimator="none", layout="none"), out=tmp_path
        )
    assert (tmp_path / "segments.png").read_bytes() == before


def test_a_file_in_place_of_the_folder_is_refused(room: Room) -> None:
    with pytest.raises(InputError, match="no writable folder"):
        perceive_photo(room.image, maps(room), out=room.image)


def test_a_full_disk_leaves_nothing(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        perceive_photo(room.image, maps(room), out=tmp_path / "seen")
    assert not (tmp_path / "seen").exists()


def test_labels_may_be_separated_by_commas() -> None:
    assert PerceiveConfig(label=("ottoman, lamp", "vase")).label == ("ottoman", "lamp", "vase")


def test_colour_edges_lie_where_colours_change_and_stronger_steps_are_stronger() -> None:
    image = torch.full((3, 60, 90), 0.5)
    image[:, :, 30:] += 0.08
    image[:, :, 60:] += 0.4
    found = colour_edges(image)
    weak, strong = found[10:50, 27:33].amax(1), found[10:50, 57:63].amax(1)
    assert (strong == 1).all()
    assert ((weak > 0) & (weak < 1)).all()
    found[:, 27:33] = found[:, 57:63] = 0
    assert found.max() == 0


def test_edges_of_equal_lightness_are_seen() -> None:
    image = torch.zeros(3, 40, 40)
    image[0, :, :20], image[1, :, 20:] = 0.6, 0.6 * 0.299 / 0.587  # the same grey
    assert (colour_edges(image)[5:35, 17:23].amax(1) > 0).all()


def test_regions_and_depth_add_their_edges(room: Room) -> None:
    flat = View(torch.full((3, 36, 52), 0.5))
    assert edges(flat).max() == 0
    seen = perceive_photo(flat, PerceiveConfig(segmenter=str(room.segments), depth_estimator="none"))
    assert seen.segments is not None
    assert torch.equal(edges(seen), borders(seen.segments.labels))
    steps = torch.ones(36, 52)
    steps[:, 26:] = 3
    found = edges(View(flat.image, depth=Depth(steps, "metric")))
    assert (found[5:30, 23:29].amax(1) > 0.5).all()
    assert found[:, :20].max() == 0


def test_borders_are_one_pixel_wide() -> None:
    labels = torch.zeros(6, 6, dtype=torch.int64)
    labels[2:4, 2:5] = 1
    found = borders(labels)
    assert found.sum() == 9
    assert found[1, 2:5].all()
    assert found[3, 2:5].all()
    assert found[2:4, 1].all()
    assert found[2, 4] == 1


def test_edges_png_is_grey(room: Room, tmp_path: Path) -> None:
    perceive_photo(room.image, maps(room), out=tmp_path)
    with Image.open(tmp_path / "edges.png") as picture:
        pixels = np.asarray(picture)
    assert (pixels == pixels[..., :1]).all()
    assert 0 < (pixels > 0).mean() < 1
