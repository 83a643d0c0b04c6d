"""Walks, styles, folders and options that cannot be used are said in one sentence; odd ones that can be used work."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from relook import files
from relook.captures import read_capture
from relook.config import ViewsConfig
from relook.errors import GeometryError, InputError
from relook.io import read_image, write_image
from relook.lift import propagation, restyle_views
from relook.lift.source import SLOW, Views, read_walk
from relook.present.cli import main
from relook.types import Camera, Depth, View
from strolls import SIZE, contents, options, stroll, style, write_film, write_frames

QUICK = [
    "--method",
    "palette",
    "--segmenter",
    "whole",
    "--depth-estimator",
    "none",
    "--fill",
    "recolour",
    "--geometry",
    "dis",
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a walk of two frames in frames/ and a style.png."""
    write_frames(tmp_path / "frames", stroll(2))
    write_image(tmp_path / "style.png", style().image)
    return tmp_path


def command(place: Path, *more: str, walk: str = "frames", look: str = "style.png", out: str = "out") -> int:
    quick = QUICK[:-2] if "--geometry" in more else QUICK
    return main(["views", str(place / walk), "--style", str(place / look), "--out", str(place / out), *quick, *more])


def test_the_command(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(place, "--first", "1") == 0
    said = capsys.readouterr().out
    assert "report.html: 2 frames in" in said
    assert "geometry flow (dis)" in said
    assert (place / "out" / "walk.mp4").is_file()


def broken_film(place: Path) -> dict[str, str]:
    (place / "film.mp4").write_bytes(b"no film at all")
    return {"walk": "film.mp4"}


def mixed(place: Path) -> dict[str, str]:
    write_image(place / "frames" / "frame10.png", torch.zeros(3, 48, 65))
    return {}


def broken_style(place: Path) -> dict[str, str]:
    (place / "style.png").write_bytes(b"no picture")
    return {}


def empty(place: Path) -> dict[str, str]:
    (place / "empty").mkdir()
    return {"walk": "empty"}


def a_file(place: Path) -> dict[str, str]:
    (place / "out").write_text("a file")
    return {}


def own_result(place: Path) -> dict[str, str]:
    return {"walk": "frames", "out": "."}


@pytest.mark.parametrize(
    ("prepare", "words", "says"),
    [
        (None, ["--first", "2"], "Expected a first frame below 2, got 2"),
        (None, ["--first", "-1"], "first of at least 0"),
        (
            None,
            ["--segments", "{place}/style.png"],
            "Expected a folder with a label map for every frame of a walk, got the file",
        ),
        (None, ["--depth", "{place}/style.png"], "Expected no option of one picture for a walk, got depth"),
        (None, ["--geometry", "teleport"], "got 'teleport'; choose one of them"),
        (None, ["--geometry", "sensor"], "Expected depth and a camera in every frame for geometry sensor"),
        (None, ["--every", "0"], "every of at least 1"),
        (None, ["--history", "0"], "history of at least 1"),
        (None, ["--fps", "0"], "fps of more than 0 and at most 240"),
        (lambda place: {"walk": "nowhere"}, [], "Expected a file or a folder at"),
        (lambda place: {"look": "nowhere.png"}, [], "nowhere.png"),
        (broken_style, [], "style.png"),
        (broken_film, [], "Expected a readable video"),
        (mixed, [], "Expected pictures of one size"),
        (empty, [], "Expected a capture at"),
        (a_file, [], "is no writable folder"),
        (own_result, [], "a folder to write to that holds no input"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    place: Path,
    capsys: pytest.CaptureFixture[str],
    prepare: Callable[[Path], dict[str, str]] | None,
    words: list[str],
    says: str,
) -> None:
    changes = prepare(place) if prepare is not None else {}
    before = contents(place)
    assert command(place, *(word.format(place=place) for word in words), **changes) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.startswith("relook: Expected ")
    assert said.count("\n") == 1
    assert contents(place) == before  # nothing was written, nothing written over


def test_words_that_are_no_options(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["views", str(place / "frames")]) == 2
    assert "got no --style, --out" in capsys.readouterr().err
    assert command(place, "--carry", "pigeon") == 2
    assert "carry out of auto, scene, frames, relook, paper, released, got 'pigeon'" in capsys.readouterr().err
    assert not (place / "out").exists()


def test_ctrl_c_is_130_and_the_run_goes_on(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*words: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(propagation, "carried", stopped)
        assert command(place) == 130
    assert "stopped" in capsys.readouterr().err
    assert command(place) == 0


def test_a_place_that_may_not_be_written(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert command(place) == 2
    assert "is no writable folder" in capsys.readouterr().err
    assert not (place / "out").exists()


def test_a_failed_start_does_not_bind_the_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that finished no frame leaves its folder to any other run."""

    def stopped(*words: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(propagation, "carried", stopped)
        with pytest.raises(KeyboardInterrupt):
            restyle_views(stroll(2), style(), options(), out=place / "out")
    assert (place / "out" / "work" / "run.json").is_file()
    assert len(restyle_views(stroll(2), style(), options(history=2), out=place / "out").frames) == 2


def test_a_full_disk_leaves_whole_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restyle_views(stroll(3), style(), options(), out=tmp_path / "whole")
    real, count = os.fsync, [0]

    def full(handle: int) -> None:
        count[0] += 1
        if count[0] > 5:  # run.json, and picture, ages and notes of a frame: within the second
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    with monkeypatch.context() as patched:
        patched.setattr(files.os, "fsync", full)
        with pytest.raises(
            InputError, match=r"^Expected to write .*No space left on device\); choose another place\.$"
        ):
            restyle_views(stroll(3), style(), options(), out=tmp_path / "full")
    left = contents(tmp_path / "full")
    whole = contents(tmp_path / "whole")
    assert sorted(left) == [
        "frames/000000.png",
        "frames/000001.png",
        "work/000000.json",
        "work/000000.png",
        "work/run.json",
    ]
    assert all(left[name] == whole[name] for name in left if name.endswith(".png"))
    restyle_views(stroll(3), style(), options(), out=tmp_path / "full")
    assert contents(tmp_path / "full")["walk.mp4"] == whole["walk.mp4"]


def test_a_walk_of_one_frame(tmp_path: Path) -> None:
    result = restyle_views(
        write_film(tmp_path / "film.mp4", stroll(1)), style(), options(first=None), out=tmp_path / "out"
    )
    assert len(result.frames) == 1
    assert "<p>1 frame; geometry" in result.report.read_text()


def test_frames_without_overlap_are_all_restyled(tmp_path: Path) -> None:
    walk = []
    for number, view in enumerate(stroll(3)):
        pose = view.camera.world_to_camera.clone()
        pose[:3, 3] += 100.0 * number
        walk.append(replace(view, camera=Camera(view.camera.K, pose)))
    result = restyle_views(walk, style(), options(first=None), out=tmp_path)
    assert [(note["key_frame"], note["painted"]) for note in result.record["frames"]] == [(True, 1.0)] * 3
    assert "frames 0, 1, 2 (all of them: none shows enough of another)" in result.report.read_text()


def test_depth_with_holes_and_without_any(tmp_path: Path) -> None:
    first, second, third = stroll(3)
    gone = second.depth.values.clone()
    gone[5:20, 5:30] = float("nan")
    result = restyle_views(
        [first, replace(second, depth=Depth(gone, "metric")), third], style(), options(), out=tmp_path / "holes"
    )
    assert result.record["geometry"] == "exact"
    painted = [note["painted"] for note in result.record["frames"]]
    assert painted[1] > 15 * 25 / (48 * 64) > painted[2]
    alone = replace(first, depth=Depth(torch.full(SIZE, float("nan")), "metric"))
    nothing = restyle_views([alone], style(), options(), out=tmp_path / "nothing")
    assert nothing.points is None
    assert not (tmp_path / "nothing" / "points.ply").exists()
    with pytest.raises(GeometryError, match="Expected depth in the first view, got none"):
        restyle_views([first, replace(alone, camera=second.camera)], style(), options(), out=tmp_path / "none")


def test_what_restyles_a_frame_sees_depth_without_holes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[View] = []
    real = propagation.restyle_photo
    monkeypatch.setattr(
        propagation, "restyle_photo", lambda view, *rest, **more: seen.append(view) or real(view, *rest, **more)
    )
    view = stroll(1)[0]
    valid = torch.ones(SIZE, dtype=torch.bool)
    valid[5:20, 5:30] = False
    sensed = replace(view, depth=Depth(view.depth.values * valid, "metric", valid))
    restyle_views([sensed], style(), options(geometry="sensor"), out=tmp_path)
    (given,) = seen
    assert given.depth is not None
    assert given.depth.valid is None
    assert bool((given.depth.values > 0).all())
    assert torch.equal(given.depth.values[valid], view.depth.values[valid])


def test_views_and_captures_in_memory_are_thinned_and_checked(place: Path) -> None:
    for walk in (stroll(4), Views(stroll(4).__getitem__, range(4))):
        chosen, rate = read_walk(walk, style(), options(every=2), place / "out")
        assert [chosen.view(number) for number in range(len(chosen))] == [stroll(4)[0], stroll(4)[2]]
        assert rate == SLOW
    capture = read_capture(place / "frames")
    for config, count in ((ViewsConfig(limit=1), 1), (ViewsConfig(every=2), 1), (ViewsConfig(), 2)):
        assert len(read_walk(capture, style(), config, place / "out")[0]) == count
    for walk, config, says in (
        ([], ViewsConfig(), "at least one frame, got none"),
        (capture[:0], ViewsConfig(), "at least one frame, got none"),
        ([stroll()[0], View(torch.zeros(3, 48, 66))], ViewsConfig(), r"of one size, got \(48, 64\) and \(48, 66\)"),
        (stroll(), ViewsConfig(every=0), "at least 1"),
        (stroll(), ViewsConfig(limit=0), "at least 1"),
    ):
        with pytest.raises(InputError, match=says):
            read_walk(walk, style(), config, place / "out")


def test_a_result_is_never_its_own_input(place: Path) -> None:
    done = restyle_views(place / "frames", style(), options(geometry="dis"), out=place / "done")
    before = contents(place / "done")
    for walk in (done.frames[0].parent, done.video):
        with pytest.raises(InputError, match="holds no input"):
            restyle_views(walk, style(), options(geometry="dis"), out=place / "done")
    with pytest.raises(InputError, match="holds no input"):
        restyle_views(place / "frames", done.frames[0], options(geometry="dis"), out=place / "done")
    assert contents(place / "done") == before
    again = restyle_views(done.video, style(), options(geometry="dis"), out=place / "again")
    assert read_image(again.frames[1]).shape == (3, *SIZE)
