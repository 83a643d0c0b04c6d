"""Files that belong together: all of them or none, also on a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from pictures import write_room
from relook import PhotoConfig, files, restyle_photo
from relook.errors import InputError
from relook.io import read_depth, read_image, read_segments
from relook.perceive.perceive import FILES, write_perceived
from relook.types import View


def full_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """From now on the disk takes so many files more."""
    plain, left = os.fsync, [count]

    def fsync(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(handle)

    monkeypatch.setattr(os, "fsync", fsync)


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_stopped_group_leaves_the_folder_as_it_was(tmp_path: Path, failure: BaseException) -> None:
    files.write_json(tmp_path / "a.json", "old")
    before = content(tmp_path)
    for folder in (tmp_path, tmp_path / "new" / "deep"):
        seen = InputError if isinstance(failure, OSError) else KeyboardInterrupt
        with pytest.raises(seen), files.together(folder) as place:  # noqa: PT012
            files.write_json(place / "a.json", "new")
            raise failure
    assert content(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_group_moves_in_the_order_of_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved, plain = [], os.replace
    with files.together(tmp_path / "new") as place:
        for number, name in enumerate("cab"):
            files.write_json(place / name, name)
            os.utime(place / name, ns=(number, number))
        monkeypatch.setattr(os, "replace", lambda old, new: (moved.append(Path(new).name), plain(old, new)))
    assert moved == list("cab")
    assert [files.read_json(tmp_path / "new" / name) for name in "cab"] == list("cab")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == list("abc")


def test_a_group_is_not_half_moved_where_a_folder_has_a_name(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match="b is a folder"), files.together(tmp_path) as place:  # noqa: PT012
        files.write_json(place / "a", 1)
        files.write_json(place / "b", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize("room", range(6))
def test_a_full_disk_leaves_nothing_of_a_restyled_picture(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    structure, style = write_room(tmp_path, "structure"), write_room(tmp_path, "style", seed=1)
    config = PhotoConfig(method="palette", segments=structure.segments, style_segments=style.segments, keep_maps=True)
    before = content(tmp_path)
    full_after(monkeypatch, room)
    with pytest.raises(InputError, match="No space left"):
        restyle_photo(structure.image, style.image, config, out=tmp_path / "out" / "new.png")
    assert content(tmp_path) == before
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_nothing_of_what_was_perceived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = write_room(tmp_path, "room")
    view = View(read_image(room.image), read_segments(room.segments), read_depth(room.depth))
    write_perceived(tmp_path / "whole", view)
    written = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert written == sorted(set(FILES) - {"layout.json", "layout.png", "plan.png"}), "the view has no layout"
    before = content(tmp_path)
    changed = View(1 - view.image, view.segments, view.depth)
    for room_left in range(len(written)):
        for folder in ("whole", "other"):
            with monkeypatch.context() as patch:
                full_after(patch, room_left)
                with pytest.raises(InputError, match="No space left"):
                    write_perceived(tmp_path / folder, changed)
    assert content(tmp_path) == before
    assert not torch.equal(changed.image, view.image)


def test_what_cannot_be_written_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("a file")
    for place, folder in (
        (file, False),
        (tmp_path, True),
        (tmp_path / "new" / "out", True),
        (tmp_path / "new.png", False),
    ):
        files.check_writable(place, folder=folder)
    for place, folder in ((file, True), (tmp_path, False), (file / "out.png", False)):
        with pytest.raises(InputError, match="is no writable folder"):
            files.check_writable(place, folder=folder)
    monkeypatch.setattr(files.os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match="is no writable folder"):
        files.check_writable(tmp_path / "new.png")
