"""Videos as captures: unpacked once, the same bytes after a stop, and never into another video's frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from films import read_video, turned
from relook.captures import read_capture
from relook.captures import video as unpacking
from relook.errors import GeometryError, InputError, PictureError
from relook.io import open_video

av = pytest.importorskip("av")


def film(path: Path, count: int = 10, fps: int = 24) -> Path:
    """A film of greys that get lighter."""
    with open_video(path, fps) as video:
        for number in range(count):
            video.add(torch.full((3, 48, 64), number / 10))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def stop_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Kill the unpacking when so many frames are written, in the midst of the next."""
    real, written = unpacking.replacing, []

    def replacing(path: Path) -> Any:
        written.append(path)
        if len(written) > count:
            (path.parent / f".{path.name}.abc.png").write_bytes(b"half")
            raise KeyboardInterrupt
        return real(path)

    monkeypatch.setattr(unpacking, "replacing", replacing)


def test_frames_are_unpacked_and_read_at_random(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    capture = read_capture(path, workspace=tmp_path / "frames")
    assert (capture.kind, capture.fps, all(frame.camera for frame in capture), len(capture)) == ("video", 24, False, 10)
    assert [frame.name for frame in capture][:2] == ["frame_000000", "frame_000001"]
    straight = list(read_video(path))
    for number in (7, 2, 7):
        assert torch.equal(capture[number].view().image, straight[number])
    assert capture[::2].fps == 12
    assert sorted(contents(tmp_path / "frames")) == [*(f"frame_{n:06d}.png" for n in range(10)), "video.json"]


def test_thinned_frames_keep_the_videos_count(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    capture = read_capture(path, workspace=tmp_path / "frames", every=3, limit=3)
    assert [frame.name for frame in capture] == ["frame_000000", "frame_000003", "frame_000006"]
    assert [float(view.image.mean()) for view in capture.views()] == pytest.approx([0, 0.3, 0.6], abs=0.01)
    assert capture.fps == 8
    assert len(contents(tmp_path / "frames")) == 4


def test_a_stopped_unpacking_goes_on_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(tmp_path / "a.mp4")
    read_capture(path, workspace=tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_after(patch, 4)
        with pytest.raises(KeyboardInterrupt):
            read_capture(path, workspace=tmp_path / "stopped")
    before = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "stopped").glob("frame_*.png")}
    assert sorted(before) == [f"frame_{n:06d}.png" for n in range(4)]
    assert len(read_capture(path, workspace=tmp_path / "stopped")) == 10
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    assert all((tmp_path / "stopped" / name).stat().st_mtime_ns == time for name, time in before.items())


def test_unpacked_frames_are_not_unpacked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(tmp_path / "a.mp4")
    first = read_capture(path, workspace=tmp_path / "frames")
    whole = contents(tmp_path / "frames")
    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "read_frames", None)
        assert read_capture(path, workspace=tmp_path / "frames") == first
    (tmp_path / "frames" / "frame_000005.png").unlink()
    assert read_capture(path, workspace=tmp_path / "frames") == first
    assert contents(tmp_path / "frames") == whole


def test_other_frames_are_never_mixed_in(tmp_path: Path) -> None:
    path, folder = film(tmp_path / "a.mp4"), tmp_path / "frames"
    read_capture(path, workspace=folder, limit=2)
    before = contents(folder)
    with pytest.raises(InputError, match=r"frames of b\.mp4 in .*, got another video; choose another folder\.$"):
        read_capture(film(tmp_path / "b.mp4", 3), workspace=folder, limit=2)
    with pytest.raises(InputError, match="got it with every 1 and limit 2"):
        read_capture(path, workspace=folder)
    assert contents(folder) == before
    (folder / "video.json").unlink()
    with pytest.raises(InputError, match="Expected an empty workspace"):
        read_capture(path, workspace=folder, limit=2)
    (folder / "video.json").write_text(json.dumps([1]))
    with pytest.raises(InputError, match="choose another folder"):
        read_capture(path, workspace=folder, limit=2)
    with pytest.raises(InputError, match="Expected a workspace"):
        read_capture(path)


def test_turned_phones_give_upright_frames(tmp_path: Path) -> None:
    capture = read_capture(turned(tmp_path / "a.MOV", -90), workspace=tmp_path / "frames")
    assert [view.size for view in capture.views()] == [(64, 48)] * 2
    corner = capture[0].view().image[:, 8, 40]
    assert corner.tolist() == pytest.approx([0.9, 0.1, 0.1], abs=0.04)


def test_one_frame_is_a_capture(tmp_path: Path) -> None:
    (frame,) = read_capture(film(tmp_path / "a.mp4", 1), workspace=tmp_path / "frames")
    assert frame.view().size == (48, 64)


def test_broken_videos_leave_no_frames(tmp_path: Path) -> None:
    for content in (b"", b"text"):
        (tmp_path / "a.mp4").write_bytes(content)
        with pytest.raises(PictureError, match=r"a\.mp4, got none"):
            read_capture(tmp_path / "a.mp4", workspace=tmp_path / "frames")
        assert not (tmp_path / "frames").exists()


def test_frames_that_change_their_size_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(tmp_path / "a.mp4")
    real = unpacking.read_frames

    def growing(*words: Any, **options: Any) -> Any:
        for number, pixels in real(*words, **options):
            yield number, pixels.repeat(2, 0) if number > 3 else pixels

    monkeypatch.setattr(unpacking, "read_frames", growing)
    with pytest.raises(GeometryError, match="got 64 x 96"):
        read_capture(path, workspace=tmp_path / "frames")
