"""The studio's parts without a browser: what their handlers do, and that the line which they show gives the same bytes."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import shlex
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from zipfile import ZipFile

import pytest
import torch

from boxes import box_room
from certificates import write_certificate
from strolls import contents, plain, stroll, style, write_frames

gr = pytest.importorskip("gradio", reason="needs the studio's parts (relook[studio])")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the server's libraries

from relook.errors import InputError, SceneError  # noqa: E402
from relook.evaluate.records import Record, write_records  # noqa: E402
from relook.io import read_gaussians, read_image, write_gaussians, write_image  # noqa: E402
from relook.io.video import read_frames  # noqa: E402
from relook.lift.scene import orbit  # noqa: E402
from relook.perceive.segment import open_vocabulary  # noqa: E402
from relook.present.cli import main  # noqa: E402
from relook.present.studio import page as pages  # noqa: E402
from relook.present.studio import regions, scenes, seeing, walks  # noqa: E402
from relook.present.studio.export import files_of  # noqa: E402
from relook.present.studio.intake import take_walk  # noqa: E402
from relook.present.studio.jobs import Job  # noqa: E402
from relook.present.studio.look import Look  # noqa: E402
from relook.present.studio.page import Page  # noqa: E402
from relook.present.studio.previews import Previews  # noqa: E402
from relook.present.studio.project import Project  # noqa: E402
from relook.present.studio.signature import keep_signature, signer  # noqa: E402
from relook.present.studio.work import Studio  # noqa: E402
from relook.progress import Progress  # noqa: E402
from relook.session import Session  # noqa: E402
from relook.transfer.credentials import read_credentials  # noqa: E402
from relook.types import Result, View  # noqa: E402

QUICK = {"segmenter": "whole", "depth_estimator": "none", "method": "palette", "layout": "none", "style_layout": "none"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page, and the studio behind it."""
    made = Page(Studio(tmp_path_factory.mktemp("projects"), "cpu"))
    yield made
    made.parts["Scene"]._viewer.close()
    del made
    gc.collect()  # Python 3.11 stumbles (AST constructor recursion depth) where a page is cleared away while another test parses


@pytest.fixture
def project(page: Page, tmp_path: Path) -> Project:
    """A project with a look, and the quickest options."""
    new = page.studio.projects.new()
    write_image(tmp_path / "look.png", style().image)
    new.decide(replace(Look().with_options(QUICK), styles=(new.take_in(tmp_path / "look.png"),)))
    return new


def ended(page: Page, project: Project) -> str:
    """How the project's job ended."""
    job = page.studio.jobs.of(project.name)
    assert job is not None
    while not job.over:
        time.sleep(0.02)
    assert job.state != "failed", job.error
    return job.state


def run(said: str, out: Path, *more: str) -> Path:
    """Do what a line says, into another place. more: words that change nothing of what it makes."""
    words = shlex.split(said)[1:]
    place = words.index("--out") + 1
    words[place] = str(out / Path(words[place]).name)
    assert main([*words, *more]) == 0
    return Path(words[place])


def frames(folder: Path) -> Path:
    """A zip of frames in a folder."""
    write_frames(folder / "frames", plain(stroll()))
    return Path(shutil.make_archive(str(folder / "walk"), "zip", folder, "frames"))


def test_a_walk_is_stopped_goes_on_and_its_line_gives_the_same_bytes(
    page: Page, project: Project, tmp_path: Path
) -> None:
    part, name = page.parts["Walk"], project.name
    with pytest.raises(InputError, match="drop the walk"):
        part._begin(name, *walks.filled(walks.SCHEMA, {}))
    part._taken(name, str(frames(tmp_path)))
    values = walks.filled(walks.SCHEMA, {"fps": 5.0, "limit": 3})
    part._begin(name, *values)
    job = page.studio.jobs.of(name)
    assert job is not None
    while not job.over and not list((project.folder / "walk" / "1" / "frames").glob("*.png")):
        time.sleep(0.005)
    page.studio.jobs.stop(name)
    ended(page, project)
    part._begin(name, *values)
    assert ended(page, project) == "done"
    assert not (project.folder / "walk" / "2").exists()  # the same options go on in the same place
    said, arrived, player, *_, line, _ = part.show(name)[:8]
    assert "Done" in said
    assert len(arrived["value"]) == 3
    assert "before.mp4" in player
    assert len(list(read_frames(project.folder / "walk" / "1" / "before.mp4"))) == 3
    held, again = contents(project.folder / "walk" / "1" / "frames"), contents(run(line, tmp_path / "again") / "frames")
    assert held == again
    part._begin(name, *walks.filled(walks.SCHEMA, {"limit": 2}))  # other options begin anew
    page.studio.jobs.stop(name)
    ended(page, project)
    assert (project.folder / "walk" / "2").exists() or part._held(project)["run"] == "2"


def test_a_page_hears_at_once_that_something_has_come(
    page: Page, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LOOKS", 20.0)  # so long it would hear nothing
    began, ended, there = Event(), Event(), iter((0, 0, 0, 1))
    job = Job(project.name, "work", lambda _: began.set() or ended.wait(), pieces=lambda: next(there, 1))
    page.studio.jobs.start(job)
    began.wait()
    known, *said = asyncio.run(page._looked(project.name, "Picture", ""))
    come, *_ = asyncio.run(page._looked(project.name, "Picture", known))
    assert come != known
    assert job.state == "running"
    assert "Starting" in said[0]
    assert said[1:] == [gr.skip()] * (len(said) - 1)  # the tabs that nobody sees
    ended.set()
    assert "Done" in asyncio.run(page._looked(project.name, "Picture", come))[1]


@pytest.mark.parametrize("name", ["../out.png", "/etc/out.png", "a/../../out.png", "C:\\out.png"])
def test_a_zip_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    with ZipFile(tmp_path / "bad.zip", "w") as pack:
        pack.writestr(name, b"picture")
    with pytest.raises(InputError, match="stay in it"):
        take_walk(tmp_path / "bad.zip", tmp_path)
    assert not (tmp_path / "source").exists()


def test_a_capture_names_no_file_outside(tmp_path: Path, page: Page, project: Project) -> None:
    with ZipFile(tmp_path / "bad.zip", "w") as pack:
        pack.writestr("capture.json", json.dumps({"frames": [{"image": "/etc/secret.png"}]}))
    with pytest.raises(InputError, match="lie in its folder"):
        take_walk(tmp_path / "bad.zip", tmp_path)
    with pytest.raises(InputError, match="choose one of the list"):
        page.parts["Walk"]._named(project.name, "../materials")
    with pytest.raises(InputError, match="drop such a one"):
        take_walk(tmp_path / "walk.txt", tmp_path)


def test_nothing_is_done_without_a_scene(page: Page, project: Project, tmp_path: Path) -> None:
    held, name = page.parts["Scene"], project.name
    for act in (held.begin, held.begin_film, held.look_around, lambda name: held.write(name, scenes.BEFORE, ".spz")):
        with pytest.raises(InputError, match="drop a"):
            act(name)
    (tmp_path / "none.ply").write_text("no scene")
    with pytest.raises(SceneError):
        held.take(name, str(tmp_path / "none.ply"))


def test_a_scene_is_restyled_filmed_and_written_as_its_lines_say(
    page: Page, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, name = page.parts["Scene"], project.name
    monkeypatch.setattr(scenes, "SIZE", "64x36")
    monkeypatch.setattr(scenes, "SECONDS", 0.2)
    monkeypatch.setattr(orbit, "PARTS", 1)  # whichever way is found
    write_gaussians(tmp_path / "my scan.ply", box_room())
    held.take(name, str(tmp_path / "my scan.ply"))
    with pytest.raises(InputError, match="restyle the scene first"):
        held.write(name, scenes.AFTER, ".spz")
    held.begin(name, *scenes.filled(scenes.SCHEMA, {"key_views": 2, "size": 64}))
    assert ended(page, project) == "done"
    held.begin_film(name)
    assert ended(page, project) == "done"
    new = project.folder / "scene" / "1.ply"
    lines = held.lines(project)
    assert len(lines) == 3  # the new look and both films
    assert run(lines[0], tmp_path).read_bytes() == new.read_bytes() != (tmp_path / "my scan.ply").read_bytes()
    assert run(lines[2], tmp_path).read_bytes() == (project.folder / "scene" / "film-new.mp4").read_bytes()
    written, said = held.write(name, scenes.AFTER, ".splat")
    assert run(said.splitlines()[-1], tmp_path).read_bytes() == Path(written["value"]).read_bytes()
    assert len(read_gaussians(written["value"])) == len(box_room())
    with pytest.raises(InputError, match="format"):
        held.write(name, scenes.BEFORE, "../../x.ply")
    assert held.show(name)[1]["visible"]  # before and after


def test_looking_around_opens_one_viewer_on_this_machine(page: Page, project: Project, tmp_path: Path) -> None:
    pytest.importorskip("viser", reason="needs the scene viewer (relook[scenes])")
    write_gaussians(tmp_path / "room.ply", box_room())
    page.parts["Scene"].take(project.name, str(tmp_path / "room.ply"))
    assert 'href="http://127.0.0.1:' in page.parts["Scene"].look_around(project.name)


FORMS = set(
    re.findall(r"'(\w+)'", (pages.FOLDER / "choices.js").read_text(encoding="utf-8").split("Set([")[1].split("])")[0])
)


def test_whatever_can_be_chosen_has_an_id_by_which_the_page_knows_it(page: Page) -> None:
    config = page.blocks.get_config_file()
    filled = {output for one in config["dependencies"] for output in one["outputs"]}
    forms = [one for one in config["components"] if one["id"] in filled and one["type"] in FORMS]
    ids = [one["props"].get("elem_id") for one in forms]
    assert len(ids) > 50
    assert all(ids), [one["props"]["label"] for one in forms if not one["props"].get("elem_id")]
    assert len(set(ids)) == len(ids)


def test_strengths_mix_what_is_there(
    page: Page, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(tmp_path / "room.png", stroll()[0].image)
    project.decide(replace(project.look, structure=project.take_in(tmp_path / "room.png")))
    page.studio.full(project)
    ended(page, project)
    before, full = stroll()[0].image, read_image(project.file(project.variants[0].out))
    asked: list[Look] = []
    monkeypatch.setattr(
        seeing, "restyle_photo", lambda *_, **__: asked.append(project.look) or Result(full, {}, *[View(full)] * 2)
    )
    for strength in (0.4, 0.7, 0.2):
        if strength == 0.2:  # the studio was begun anew: the full picture's file is there
            page.studio.seeing.previews = Previews()
        project.decide(project.look.with_options({**project.look.options, "strength": strength}))
        page.studio.refresh(project)
        assert project.live is not None
        mixed = torch.from_numpy(project.live[1]).permute(2, 0, 1) / 255
        assert torch.allclose(mixed, torch.lerp(before, full, strength), atol=2 / 255)
    assert not asked  # nothing was restyled again
    project.decide(project.look.with_options({**project.look.options, "match": ("room=room",)}))
    page.studio.refresh(project)
    assert len(asked) == 1


def test_who_moves_a_slider_does_not_wait_for_work_ahead(
    page: Page, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(tmp_path / "room.png", stroll()[0].image)
    project.decide(replace(project.look, structure=project.take_in(tmp_path / "room.png")))
    studio, began, ended_ahead = page.studio, Event(), []
    monkeypatch.setattr(studio, "_eager", True)
    monkeypatch.setattr(studio.ahead, "_pause", 0.0)

    def ahead(_project: Project, _look: Look, progress: Progress) -> None:
        began.set()
        try:
            for _ in range(2000):
                progress.check()
                time.sleep(0.005)
        finally:
            ended_ahead.append(True)

    monkeypatch.setattr(studio.seeing, "preview", ahead)
    studio.full(project)
    ended(page, project)
    assert began.wait(10)
    after = studio.seeing.after

    def asked(project: Project) -> object:
        while not ended_ahead and began.is_set() and not studio.ahead.wait(0.0):
            assert time.monotonic() < end, "work ahead goes on beside who waits"
            time.sleep(0.005)
        began.clear()
        return after(project)

    end = time.monotonic() + 5
    monkeypatch.setattr(studio.seeing, "after", asked)
    project.decide(project.look.with_options({**project.look.options, "strength": 0.4}))
    studio.refresh(project)
    assert project.live is not None
    assert began.wait(10)  # and goes on after it
    monkeypatch.setattr(studio.seeing, "preview", lambda *_: None)
    with studio.ahead.aside():
        pass
    assert studio.ahead.wait(10.0)


def test_reports_are_opened_and_compared_as_the_line_says(page: Page, project: Project, tmp_path: Path) -> None:
    part = page.parts["Measure"]
    for run_number, gain in enumerate((0.0, 2.0)):
        records = [Record("suite", "suite", "relook", f"case {n}", "psnr", "all", 20.0 + n + gain) for n in range(4)]
        path = write_records(tmp_path / f"run{run_number}", records)
        tables, line = part._taken(project.name, [str(path)], None)[1:3]
        assert f"{21.5 + gain:.2f}" in tables  # its mean
        assert not line
    names = ["report", "report-2"]
    tables, line, _ = part._chosen(names)
    assert "+2.00" in tables
    assert (run(line, tmp_path) / "compare.md").read_text() == tables
    with pytest.raises(InputError, match="choose one of the list"):
        part._chosen(["../materials"])
    with pytest.raises(InputError, match="drop what relook evaluate wrote"):
        part._taken(project.name, [str(tmp_path / "run.txt")], None)


def test_a_flat_is_what_its_line_says(page: Page, project: Project, tmp_path: Path) -> None:
    part, room = page.parts["Flat"], tmp_path / "hall.png"
    write_image(room, stroll()[0].image)
    write_image(tmp_path / "bath.png", stroll()[-1].image)
    part._taken(project.name, [str(room), str(tmp_path / "bath.png")])
    part._begin(project.name)
    assert ended(page, project) == "done"
    again = run(part.show(project.name)[2], tmp_path, "--workers", "1")
    for name in ("hall.png", "bath.png", "contact-sheet.jpg"):
        assert (again / name).read_bytes() == (project.folder / "results" / "flat" / name).read_bytes()


def test_a_click_cuts_out_where_a_model_is_here(
    page: Page, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, room = page.parts["Regions"], stroll()[0]
    write_image(tmp_path / "room.png", room.image)
    project.decide(replace(project.look, structure=project.take_in(tmp_path / "room.png")))
    page.studio.seeing.edit(project, "structure", room.segments)
    page.studio.seeing.edit(project, "style", style().segments)
    assert regions.CUT not in part.show(project.name)[4]["choices"]
    monkeypatch.setattr(regions.store, "is_here", lambda name: name == "sam")
    assert regions.CUT in part.show(project.name)[4]["choices"]
    asked = []

    def pointed(view: View, point: tuple[float, float], *, session: Session) -> torch.Tensor:
        asked.append((view.size, point))
        mask = torch.zeros(view.size, dtype=torch.bool)
        mask[10:20, 10:30] = True
        return mask

    monkeypatch.setattr(open_vocabulary, "pointed", pointed)
    part.changed("draw", regions.Drawing(project.name, marks=[[(0.25, 0.5)]], mode=regions.CUT, title="Ottoman"))
    segments = page.studio.seeing.segments(project, "structure")
    assert asked == [(room.size, (0.25, 0.5))]
    assert int(segments.mask("ottoman").sum()) == 200


def test_a_picture_is_marked_and_signed_as_its_line_says(page: Page, project: Project, tmp_path: Path) -> None:
    pytest.importorskip("c2pa", reason="needs c2pa-python to sign (relook[credentials])")
    root = page.studio.projects.root
    chain, key = write_certificate(tmp_path)
    with pytest.raises(InputError, match="can sign"):
        keep_signature(root, key, chain)
    assert not signer(root)
    assert keep_signature(root, chain, key) == signer(root) == "Test studio"
    assert not key.exists()  # the dropped copy
    assert (root / "signature" / "key.pem").stat().st_mode & 0o077 == 0
    write_image(tmp_path / "room.png", stroll()[0].image)
    look = replace(project.look, structure=project.take_in(tmp_path / "room.png"), signed=True)
    project.decide(look.with_options({**QUICK, "label_edited": True}))
    page.studio.full(project)
    ended(page, project)
    written = project.file(project.variants[0].out)
    found = read_credentials(written)
    assert found is not None
    assert found.signer == "Test studio"
    assert [Path(one).name for one in files_of(written)] == ["1.png", "1.json", "1.before-after.jpg"]
    again = run(page.studio.line(project), tmp_path)
    assert torch.equal(read_image(again), read_image(written))
    assert read_credentials(again) is not None  # its time differs, and so do its bytes
    with pytest.raises(InputError, match="choose another"):
        page.studio.projects.rename(project, "signature")
