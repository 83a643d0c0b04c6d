"""A folder of label maps (`--segments lifted`): every picture, frame and scene's view takes its own, or one sentence says which has none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from relook.config import PhotoConfig, RestyleConfig, SceneConfig, ViewsConfig
from relook.dollhouse import render, sample_layout, sample_style, walk
from relook.engine import Engine
from relook.errors import InputError
from relook.gaussians import Gaussians
from relook.io import read_image, write_image, write_segments
from relook.lift.restyled.views import views_of
from relook.lift.scene.sources import scene_views
from relook.lift.views import restyle_views
from relook.progress import SILENT
from relook.session import Session
from relook.transfer.batch import jobs_of, restyle_photos
from relook.transfer.photo import restyle_photo
from relook.types import Segments, View

LAYOUT, STYLE = sample_layout(31, "living"), sample_style(31)
ROOM = [render(LAYOUT, STYLE, (64, 64), pose).view() for pose in walk(LAYOUT, 3, stride=0.5)]
VIEWS = [replace(view, segments=None) for view in ROOM]
LOOK = render(sample_layout(32, "living"), sample_style(32), (64, 64)).view()


def renamed(view: View) -> Segments:
    """Its exact segments, but the wall is called a sofa: nobody who sees says that."""
    assert view.segments is not None
    regions = {
        id: replace(one, name="sofa" if one.name == "wall" else one.name) for id, one in view.segments.regions.items()
    }
    return Segments(view.segments.labels, regions)


SOFAS = [renamed(view).mask("sofa") for view in ROOM]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Maps of three frames."""
    (tmp_path / "lifted" / "segments").mkdir(parents=True)
    for number, view in enumerate(ROOM):
        write_segments(tmp_path / "lifted" / "segments" / f"{number:04d}.png", renamed(view))
    return tmp_path / "lifted"


def test_a_photograph_takes_the_map_of_its_name(folder: Path, tmp_path: Path) -> None:
    config = PhotoConfig(segments=folder, keep=("sofa",))
    for name in ("0001.png", "other.png"):
        write_image(tmp_path / name, VIEWS[1].image)
    made = restyle_photo(tmp_path / "0001.png", LOOK, config, out=tmp_path / "new.png")
    changed = (made.image - read_image(tmp_path / "0001.png")).abs().amax(0)
    assert float(changed[SOFAS[1]].max()) == 0.0
    assert float(changed[~SOFAS[1]].mean()) > 0.02
    assert made.record["configuration"]["segments"].endswith("0001.png")
    for picture, words in ((tmp_path / "other.png", "a label map of other"), (VIEWS[1], "picture in memory")):
        with pytest.raises(InputError, match=words):
            restyle_photo(picture, LOOK, config)
    with pytest.raises(InputError, match="relook lift CAPTURE"):
        restyle_photo(tmp_path / "0001.png", LOOK, replace(config, segments=tmp_path / "empty"))


def test_many_photographs_take_each_its_own_and_are_made_once(folder: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "look.png", LOOK.image)
    for number in range(2):
        write_image(tmp_path / f"{number:04d}.png", VIEWS[number].image)
    jobs = jobs_of([tmp_path / "0000.png", tmp_path / "0001.png"], [tmp_path / "look.png"], tmp_path / "new")
    config = PhotoConfig(segments=folder, keep=("sofa",), style_segments=folder / "segments" / "0000.png")
    restyle_photos(jobs, config, engine=Engine(workers=1))
    before = [job.out.stat().st_mtime_ns for job in jobs]
    restyle_photos(jobs, config, engine=Engine(workers=1))
    assert before == [job.out.stat().st_mtime_ns for job in jobs]


@pytest.mark.parametrize("carry", ["scene", "relook"])
def test_a_walk_takes_the_maps_of_its_frames(folder: Path, tmp_path: Path, carry: str) -> None:
    photo = PhotoConfig(segments=folder, keep=("sofa",), materials=False)
    made = restyle_views(VIEWS, LOOK, ViewsConfig(photo=photo, carry=carry, points=False), out=tmp_path / "walk")
    for number, frame in enumerate(made.frames[:1] if carry == "relook" else made.frames):
        changed = (read_image(frame) - VIEWS[number].image).abs().mean(0)
        assert float(changed[SOFAS[number]].mean()) < 0.01
        assert float(changed[~SOFAS[number]].mean()) > 0.02
    assert made.record["configuration"]["photo"]["segments"].endswith("lifted")
    (folder / "segments" / "0002.png").unlink()
    with pytest.raises(InputError, match="a label map of 0002"):
        restyle_views(VIEWS, LOOK, ViewsConfig(photo=photo), out=tmp_path / "other")
    with pytest.raises(InputError, match="every frame of a walk"):
        ViewsConfig(photo=replace(photo, segments=folder / "segments" / "0000.png")).check()


def test_a_scene_takes_the_maps_of_its_views(folder: Path) -> None:
    with Session("cpu") as session:
        found = scene_views(VIEWS, SceneConfig(size=32), session, SILENT, folder)
    assert all(view.segments is not None and "sofa" in view.segments.names for view in found.views)
    assert found.views[0].segments is not None
    assert found.views[0].segments.labels.shape == (32, 32)
    config = RestyleConfig(photo=PhotoConfig(segments=folder))
    none = Gaussians(torch.zeros(1, 3), torch.ones(1, 4), torch.ones(1, 3), torch.ones(1), torch.zeros(1, 1, 3))
    with pytest.raises(InputError, match="--cameras"):
        views_of(Path("room.ply"), none, config, 2)
