"""Runs over a walk that stop and go on with the same bytes, and folders that belong to another run."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relook.config import PhotoConfig, ViewsConfig
from relook.errors import InputError
from relook.io import read_image, write_image
from relook.lift import propagation, restyle_views
from relook.lift import store as stores
from strolls import contents, frames_done, options, plain, stroll, style, timeless, write_film, write_frames


def same_but_for_the_clock(folder: Path, expected: Path) -> None:
    first, second = contents(folder), contents(expected)
    assert set(first) == set(second)
    for name in first:
        texts = [place / name for place in (folder, expected)]
        if name.endswith(".json") and name != "work/run.json":
            found = [timeless(json.loads(path.read_text())) for path in texts]
            assert found[0] == found[1], name
        elif name == "report.html":
            found = [re.sub(r"<td>[\d.]+</td></tr>", "", path.read_text()) for path in texts]
            assert found[0] == found[1]
        else:
            assert first[name] == second[name], name


def test_a_run_stopped_at_any_frame_ends_with_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = options(first=1)
    restyle_views(stroll(3), style(), config, out=tmp_path / "whole")

    def stopped(done: int) -> None:
        if done == at:
            raise KeyboardInterrupt

    for at in (1, 2, 3):
        folder = tmp_path / f"after-{at}"
        with pytest.raises(KeyboardInterrupt):
            restyle_views(stroll(3), style(), config, out=folder, progress=frames_done(stopped))
        assert len(list((folder / "frames").iterdir())) == at
        assert not (folder / "walk.mp4").exists()
        restyle_views(stroll(3), style(), config, out=folder)
        same_but_for_the_clock(folder, tmp_path / "whole")

    for at in (0, 1):  # killed while a frame is written: its picture is there, its notes are not
        folder, written = tmp_path / f"within-{at}", []

        def dying(path: Any, data: Any, written: list = written, at: int = at) -> None:
            written.append(path)
            if len(written) == at + 1:
                raise MemoryError
            Path(path).write_text(json.dumps(data))

        with monkeypatch.context() as patched:
            patched.setattr(stores, "write_json", dying)
            with pytest.raises(MemoryError):
                restyle_views(stroll(3), style(), config, out=folder)
        assert len(list((folder / "frames").iterdir())) == at + 1
        restyle_views(stroll(3), style(), config, out=folder)
        same_but_for_the_clock(folder, tmp_path / "whole")


def test_the_papers_way_goes_on_with_the_same_bytes_too(tmp_path: Path) -> None:
    config = options(carry="paper", histogram=True)
    restyle_views(stroll(5), style(), config, out=tmp_path / "whole")

    def stopped(done: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restyle_views(stroll(5), style(), config, out=tmp_path / "stopped", progress=frames_done(stopped))
    restyle_views(stroll(5), style(), config, out=tmp_path / "stopped")
    same_but_for_the_clock(tmp_path / "stopped", tmp_path / "whole")


def test_a_finished_run_paints_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restyle_views(stroll(2), style(), options(), out=tmp_path)
    before = contents(tmp_path)
    monkeypatch.setattr(propagation._Painter, "paint", lambda *words: pytest.fail("painted again"))
    restyle_views(stroll(2), style(), options(), out=tmp_path)
    after = contents(tmp_path)
    assert {name for name in before if before[name] != after[name]} <= {"views.json"}


def test_the_folder_of_another_run_is_left_alone(tmp_path: Path) -> None:
    walk, out = write_frames(tmp_path / "in", stroll(3)), tmp_path / "out"
    look = tmp_path / "style.png"
    write_image(look, style().image)
    config = options(geometry="dis")
    restyle_views(walk, look, config, out=out)
    before = contents(out)
    frame = walk / "frame9.png"
    original = frame.read_bytes()

    def refused(walk: Any = walk, look: Any = look, config: ViewsConfig = config) -> None:
        with pytest.raises(InputError, match=r"^Expected .* to hold nothing or the same run, got [^.]*; [^.]*\.$"):
            restyle_views(walk, look, config, out=out)
        assert contents(out) == before

    refused(config=replace(config, history=2))
    refused(config=replace(config, photo=replace(config.photo, seed=1)))
    refused(config=replace(config, limit=2))
    refused(look=style())
    refused(walk=stroll(3))
    refused(walk=write_film(tmp_path / "film.mp4", stroll(3)))  # nor is the film unpacked into it
    image = read_image(frame)
    image[:, 5, 5] = 1 - image[:, 5, 5]
    write_image(frame, image)
    refused()
    frame.write_bytes(original)
    restyle_views(walk, look, config, out=out)


def test_other_depth_or_another_camera_is_another_run(tmp_path: Path) -> None:
    first, second = stroll(2)
    restyle_views([first, second], style(), options(), out=tmp_path)
    assert second.depth is not None
    assert second.camera is not None
    moved = second.camera.world_to_camera.clone()
    moved[0, 3] += 0.01
    for other in (
        replace(second, depth=replace(second.depth, values=second.depth.values * 1.01)),
        replace(second, camera=replace(second.camera, world_to_camera=moved)),
        replace(second, segments=None),
    ):
        with pytest.raises(InputError, match="the same run"):
            restyle_views([first, other], style(), options(), out=tmp_path)


def test_weights_are_on_record_also_after_a_stop(tmp_path: Path) -> None:
    def stopped(done: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    config = ViewsConfig(
        PhotoConfig(method="palette", segmenter="embedded"), first=0, leave=(), fill="recolour", geometry="dis"
    )
    walk, revisions = plain(stroll(2)), []
    for name in ("whole", "stopped"):
        if name == "stopped":
            with pytest.raises(KeyboardInterrupt):
                restyle_views(walk, style(), config, out=tmp_path / name, progress=frames_done(stopped))
        revisions.append(restyle_views(walk, style(), config, out=tmp_path / name).record["weights"])
    assert revisions[0] == revisions[1]
    assert [len(revision) for revision in revisions[0].values()] == [64]
