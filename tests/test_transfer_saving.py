"""The files beside a restyled picture: none but the record, unless they are asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from psd_tools import PSDImage

from pictures import Room, write_room
from relook import PhotoConfig, View, ViewsConfig, restyle_photo
from relook.errors import InputError, PictureError
from relook.io import layered, read_depth, read_image, read_segments
from relook.transfer.photo import repeat_photo


@pytest.fixture
def rooms(tmp_path: Path) -> tuple[Room, Room]:
    return write_room(tmp_path, "structure"), write_room(tmp_path, "style", (44, 40), seed=1)


def restyled(rooms: tuple[Room, Room], out: Path, **options: object) -> Path:
    structure, style = rooms
    files = {
        "segments": structure.segments,
        "style_segments": style.segments,
        "depth": structure.depth,
        "style_depth": style.depth,
    }
    restyle_photo(structure.image, style.image, PhotoConfig(**{**files, **options}), out=out)
    return out


def test_maps_are_kept_in_a_folder_only_where_asked_for(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    out = restyled(rooms, tmp_path / "out/new.png", keep_maps=True)
    assert sorted(path.name for path in out.parent.iterdir()) == ["new.json", "new.maps", "new.png"]
    maps = tmp_path / "out/new.maps"
    assert {"structure.png", "structure.json", "style.png", "style.json", "structure.depth.npz"} <= {
        path.name for path in maps.iterdir()
    }
    for name, room in zip(("structure", "style"), rooms, strict=True):
        assert (maps / f"{name}.png").read_bytes() == room.segments.read_bytes()
        assert np.array_equal(read_depth(maps / f"{name}.depth.npz").values, read_depth(room.depth).values)
    restyled(rooms, out, keep_maps=True)  # a second time: they are replaced


def test_layers_give_the_output_and_with_one_hidden_the_old_look(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    out = restyled(rooms, tmp_path / "new.png", layers=True)
    document = PSDImage.open(tmp_path / "new.psd")
    assert [layer.name for layer in document] == ["structure", "wall 1", "floor 1", "sofa 1", "window 1"]
    new, old = (np.asarray(Image.open(path).convert("RGB"), int) for path in (out, rooms[0].image))
    assert np.array_equal(np.asarray(document.composite(force=True).convert("RGB"), int), new)
    next(layer for layer in document if layer.name == "sofa 1").visible = False
    sofa = read_segments(rooms[0].segments).mask("sofa").numpy()[..., None]
    assert np.array_equal(np.asarray(document.composite(force=True).convert("RGB"), int), np.where(sofa, old, new))


def test_layers_without_their_library_are_refused_before_any_work(
    rooms: tuple[Room, Room], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layered, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"Expected psd-tools to write layers"):
        restyled(rooms, tmp_path / "out/new.png", layers=True)
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_over_an_input(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    (tmp_path / "new.maps").mkdir()
    kept = rooms[0].segments.rename(tmp_path / "new.maps/structure.png")
    rooms[0].segments.with_suffix(".json").rename(kept.with_suffix(".json"))
    mended = (Room(rooms[0].image, kept, rooms[0].depth), rooms[1])
    with pytest.raises(InputError, match="Expected an output that is no input"):
        restyled(mended, tmp_path / "new.png", keep_maps=True)
    assert restyled(mended, tmp_path / "new.png").is_file()


def test_a_quality_is_recorded_and_repeats_to_the_same_file(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    fine, coarse = (restyled(rooms, tmp_path / f"{quality}.jpg", quality=quality) for quality in (95, 30))
    assert coarse.stat().st_size < fine.stat().st_size
    repeat_photo(tmp_path / "30.json", out=tmp_path / "again.jpg")
    assert (tmp_path / "again.jpg").read_bytes() == coarse.read_bytes()
    with pytest.raises(PictureError, match="for a stated quality"):
        restyled(rooms, tmp_path / "new.png", quality=50)


def test_a_walk_takes_no_option_of_one_file() -> None:
    with pytest.raises(InputError, match="no option of one picture for a walk, got quality and layers"):
        ViewsConfig(photo=PhotoConfig(quality=50, layers=True)).check()


def test_a_view_in_memory_needs_no_segments_for_layers(rooms: tuple[Room, Room], tmp_path: Path) -> None:
    view = View(read_image(rooms[0].image))
    layered.write_layers(tmp_path / "a.psd", view, 1 - view.image)
    assert [layer.name for layer in PSDImage.open(tmp_path / "a.psd")] == ["structure", "output"]
