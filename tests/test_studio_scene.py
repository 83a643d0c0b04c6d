"""The studio's part for scenes of Gaussians: what its handlers do with a dropped file."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from boxes import box_room

pytest.importorskip("gradio", reason="needs the studio's parts (relook[studio])")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the server's libraries

from relook.errors import InputError, SceneError  # noqa: E402
from relook.io import read_gaussians, write_gaussians  # noqa: E402
from relook.io.video import read_frames  # noqa: E402
from relook.present.studio import scenes  # noqa: E402
from relook.present.studio.page import Page  # noqa: E402
from relook.present.studio.scenes import Scenes  # noqa: E402
from relook.present.studio.work import Studio  # noqa: E402


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scenes, str]]:
    """The part of a page, and a project's name."""
    page = Page(Studio(tmp_path_factory.mktemp("projects"), "cpu"))
    yield page.scenes, page.studio.projects.new().name
    page.scenes._viewer.close()
    del page
    gc.collect()  # Python 3.11 stumbles (AST constructor recursion depth) where a page is cleared away while another test parses


def test_nothing_is_done_without_a_scene(part: tuple[Scenes, str], tmp_path: Path) -> None:
    held, name = part
    for act in (held.begin, held.look_around, lambda name: held.write(name, ".spz")):
        with pytest.raises(InputError, match="drop a"):
            act(name)
    (tmp_path / "none.ply").write_text("no scene")
    with pytest.raises(SceneError):
        held.take(name, str(tmp_path / "none.ply"))


def test_a_scene_is_kept_filmed_and_written(
    part: tuple[Scenes, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, name = part
    monkeypatch.setattr(scenes, "COUNT", 3)
    monkeypatch.setattr(scenes, "SIZE", (36, 64))
    monkeypatch.setattr(scenes, "orbit", partial(scenes.orbit, around=True))  # quick
    write_gaussians(tmp_path / "my scan.compressed.ply", box_room())
    assert held.take(name, str(tmp_path / "my scan.compressed.ply")) == ["", None]
    assert len(read_gaussians(held.write(name, ".splat"))) == len(box_room())
    with pytest.raises(InputError, match="format"):
        held.write(name, "../../x.ply")
    held.begin(name)
    job = held.studio.jobs.of(name)
    while not job.over:
        time.sleep(0.05)
    assert job.state == "done", job.error
    said, path = held.show(name)
    assert "Done" in said
    assert len(list(read_frames(path))) == 3


def test_looking_around_opens_one_viewer_on_this_machine(part: tuple[Scenes, str], tmp_path: Path) -> None:
    pytest.importorskip("viser", reason="needs the scene viewer (relook[scenes])")
    held, name = part
    write_gaussians(tmp_path / "room.ply", box_room())
    held.take(name, str(tmp_path / "room.ply"))
    assert 'href="http://127.0.0.1:' in held.look_around(name)
