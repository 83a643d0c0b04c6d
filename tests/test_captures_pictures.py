"""Folders of plain pictures: order, names, sizes, and what every kind of capture has in common."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from relook.captures import natural_order, read_capture
from relook.captures.frames import distinct_names
from relook.errors import GeometryError, InputError, PictureError
from relook.io import read_image, read_size, write_image


def save(path: Path, value: float = 0.5, size: tuple[int, int] = (10, 16)) -> Path:
    write_image(path, torch.full((3, *size), value))
    return path


def folder_of(folder: Path, names: list[str]) -> Path:
    """Picture n is grey n / 20."""
    for number, name in enumerate(names):
        save(folder / name, number / 20)
    return folder


def test_pictures_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    capture = read_capture(folder_of(tmp_path, ["frame10.png", "frame9.jpg", "Frame1.PNG", "frame100.webp"]))
    assert [frame.name for frame in capture] == ["Frame1", "frame9", "frame10", "frame100"]
    assert [float(view.image.mean()) for view in capture.views()] == pytest.approx([0.1, 0.05, 0, 0.15], abs=0.01)
    assert (capture.kind, capture.fps, capture.measured, all(frame.camera for frame in capture)) == (
        "pictures",
        None,
        False,
        False,
    )
    view = capture[0].view()
    assert (view.camera, view.depth, view.points) == (None, None, None)


def test_what_is_no_picture_is_left_out(tmp_path: Path) -> None:
    folder_of(tmp_path, ["b.png"])
    (tmp_path / "notes.txt").write_text("a walk")
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "._b.png").write_bytes(b"x")
    (tmp_path / ".hidden.png").write_bytes(b"x")
    (tmp_path / "more.png").mkdir()
    save(tmp_path / "deeper" / "c.png")
    (frame,) = read_capture(tmp_path)
    assert frame.image == tmp_path / "b.png"


def test_every_and_limit_thin_a_capture(tmp_path: Path) -> None:
    folder_of(tmp_path, [f"{number}.png" for number in range(12)])
    assert [frame.name for frame in read_capture(tmp_path, every=5)] == ["0", "5", "10"]
    assert [frame.name for frame in read_capture(tmp_path, every=3, limit=2)] == ["0", "3"]
    assert len(read_capture(tmp_path, limit=99)) == 12
    for every, limit in ((0, None), (-1, None), (1, 0)):
        with pytest.raises(InputError, match="at least 1"):
            read_capture(tmp_path, every=every, limit=limit)


def test_pictures_held_upright_have_the_size_that_they_are_shown_with(tmp_path: Path) -> None:
    values = (np.arange(10 * 16 * 3).reshape(10, 16, 3) % 256).astype(np.uint8)
    for held in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = held
        path = tmp_path / f"{held}.jpg"
        Image.fromarray(values).save(path, exif=exif)
        assert read_size(path) == tuple(read_image(path).shape[1:]) == ((16, 10) if held > 4 else (10, 16))
    (tmp_path / "upright").mkdir()
    for held in (6, 8):
        (tmp_path / f"{held}.jpg").rename(tmp_path / "upright" / f"{held}.jpg")
    assert [view.size for view in read_capture(tmp_path / "upright").views()] == [(16, 10)] * 2


def test_the_odd_size_is_named_and_not_the_usual_one(tmp_path: Path) -> None:
    folder_of(tmp_path, ["2.png", "3.png", "4.png"])
    save(tmp_path / "1.png", size=(12, 9))
    says = r"got 3 of 16 x 10 pixels and 1 of another, first .*1\.png with 9 x 12; scale or leave those out\.$"
    with pytest.raises(GeometryError, match=says):
        read_capture(tmp_path)
    assert len(read_capture(tmp_path, limit=1)) == 1


def test_folders_without_a_picture(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a walk")
    with pytest.raises(InputError, match=r"^Expected a capture at .*, got none; name another folder or file\.$"):
        read_capture(tmp_path)
    (tmp_path / "walk.MP4").write_bytes(b"x")
    with pytest.raises(InputError, match=r"name the video itself, .*walk\.MP4\.$"):
        read_capture(tmp_path)
    with pytest.raises(InputError, match="nowhere"):
        read_capture(tmp_path / "nowhere")
    with pytest.raises(InputError, match="got none"):
        read_capture(tmp_path / "notes.txt")


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    folder_of(tmp_path, ["1.png"])
    (tmp_path / "2.png").write_bytes((tmp_path / "1.png").read_bytes()[:20])
    with pytest.raises(PictureError, match=r"2\.png"):
        read_capture(tmp_path)


def test_a_picture_that_breaks_later_is_named(tmp_path: Path) -> None:
    capture = read_capture(folder_of(tmp_path, ["1.png", "2.png"]))
    (tmp_path / "2.png").write_bytes((tmp_path / "2.png").read_bytes()[:45])
    with pytest.raises(PictureError, match=r"2\.png"):
        capture[1].view()
    save(tmp_path / "1.png", size=(12, 9))
    with pytest.raises(GeometryError, match="16 x 10 pixels"):
        capture[0].view()


def test_names_say_as_little_as_sets_frames_apart() -> None:
    assert distinct_names(["a/1.png", "a/2.png"]) == ["1", "2"]
    assert distinct_names(["./a/1.png", "b\\1.png"]) == ["a_1", "b_1"]
    assert distinct_names(["../a/1.png", "../a/1.jpg"]) == ["a_1.png", "a_1.jpg"]
    assert distinct_names(["1.png", "1.png"]) == ["000000", "000001"]


def test_signs_that_look_like_digits_are_no_numbers() -> None:
    assert sorted(["b²", "a10", "a9"], key=natural_order) == ["a9", "a10", "b²"]
