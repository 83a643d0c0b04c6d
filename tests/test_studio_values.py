"""The studio without a browser: looks and the command lines that they mean, projects, the queue."""

from __future__ import annotations

import shlex
import time
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from PIL import Image

from relook.config import PhotoConfig
from relook.errors import InputError, PictureError
from relook.present.arguments import parse
from relook.present.line import line
from relook.present.photo import Photo
from relook.present.studio.ahead import Ahead
from relook.present.studio.jobs import WAITING, Job, Jobs
from relook.present.studio.look import Choice, Look
from relook.present.studio.project import Projects
from relook.progress import Progress


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A small JPEG under a name that is no name for a file."""
    path = tmp_path / "my room; rm -rf (1).jpg"
    Image.new("RGB", (40, 30), "red").save(path)
    return path


def test_the_line_says_what_the_configuration_says(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a room.jpg", "b.jpg", "oak.png")]
    for path in paths:
        path.touch()
    config = PhotoConfig(
        keep=("window", "door"), strength=0.5, strengths=("sofa=0.2",), materials=False, seed=7, unmatched="keep",
        material=(f"floor={paths[2]}",), reference=(f"sofa={paths[1]}", f"bed={paths[2]}#bed"), label=("red chair",),
    )  # fmt: skip
    photo = Photo((paths[0],), (paths[1], paths[2]), tmp_path / "out.png", config=config)
    said = shlex.split(line("photo", photo))
    assert said[:2] == ["relook", "photo"]
    assert parse(Photo, "relook photo", said[2:]) == photo
    assert line("photo", Photo()) == "relook photo"


def test_a_look_means_options(tmp_path: Path) -> None:
    look = Look("pictures/room.jpg", ("pictures/look.jpg",)).with_options({"strength": 0.8, "seed": 0})
    assert look.options == {"strength": 0.8}  # the default is left out
    look = look.choosing("sofa", Choice("region", "armchair", strength=0.5)).choosing("window", Choice("keep"))
    look = look.choosing("wall", Choice("colour", "#d8cfc0")).choosing(
        "floor", Choice("material", "pictures/oak.jpg", 1.5, 90.0)
    )
    config = look.config(tmp_path)
    assert (config.match, config.keep, config.strengths) == (("sofa=armchair",), ("window",), ("sofa=0.5",))
    assert [(one.thing, one.width, one.turn) for one in config.covers if one.picture] == [("floor", 1.5, 90.0)]
    assert config.covers[1].colour is not None
    assert Look.from_json(look.as_json()) == look
    assert "sofa" not in look.choosing("sofa", Choice()).things
    with pytest.raises(InputError, match="strength"):
        look.with_options({"strength": 2.0})


def test_a_project_reopens_with_all_its_steps(tmp_path: Path, picture: Path) -> None:
    projects = Projects(tmp_path / "root")
    project = projects.new()
    place = project.take_in(picture)
    assert place == "pictures/my-room-rm-rf-1.jpg"  # made of the name, as far as that is plain
    project.decide(Look(place))
    project.decide(replace(project.look, styles=(place,)))
    project.step(-1)
    again = Projects(tmp_path / "root").get(project.name)
    assert again.look == Look(place)
    assert again.redoable
    again.step(1)
    assert again.look.ready


@pytest.mark.parametrize("name", ["../root", "..", "", "a/b", "room-ffffffff", "/etc"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="Expected the name of a project"):
        Projects(tmp_path).get(name)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    project = Projects(tmp_path / "root").new()
    with pytest.raises(PictureError):
        project.take_in(bad)
    with pytest.raises(InputError, match="of its own"):
        project.file("../../etc/passwd")


def waited(job: Job) -> Job:
    for _ in range(1000):
        if job.over:
            return job
        time.sleep(0.01)
    raise TimeoutError(job.state)


def test_one_job_at_a_time_and_each_can_be_stopped() -> None:
    jobs, began, may_go, order = Jobs(), Event(), Event(), []

    def work(progress: Progress) -> None:
        with progress.stage("working", 2) as tick:
            order.append("first")
            began.set()
            may_go.wait(10)
            tick(1)

    def quick(progress: Progress) -> str:
        order.append("second")
        return "result"

    first, second = jobs.start(Job("a", "work", work)), jobs.start(Job("b", "work", quick))
    third = jobs.start(Job("c", "work", quick))
    assert began.wait(10)
    assert jobs.ahead(third) == 2
    jobs.stop("c")
    jobs.stop("a")
    may_go.set()
    assert waited(first).state == "stopped"
    assert waited(second).result == "result"
    assert third.state == "stopped"
    assert order == ["first", "second"]


def test_errors_are_said_and_the_queue_has_an_end(caplog: pytest.LogCaptureFixture) -> None:
    jobs, began, may_go = Jobs(), Event(), Event()

    def fail(progress: Progress) -> None:
        raise InputError("Expected this, got that; do so.")

    assert waited(jobs.start(Job("a", "work", fail))).error == "Expected this, got that; do so."
    assert "ZeroDivisionError" in waited(jobs.start(Job("a", "work", lambda progress: 1 / 0))).error
    jobs.start(Job("busy", "work", lambda progress: (began.set(), may_go.wait(10))))
    assert began.wait(10)
    for number in range(WAITING):
        jobs.start(Job(f"{number}", "work", lambda progress: None))
    with pytest.raises(InputError, match="at most"):
        jobs.start(Job("more", "work", lambda progress: None))
    may_go.set()


def test_work_ahead_makes_way() -> None:
    jobs, done = Jobs(), []
    ahead, began, may_go = Ahead(jobs), Event(), Event()

    def work(progress: Progress) -> None:
        with progress.stage("working", 3) as tick:
            began.set()
            may_go.wait(10)
            for step in range(1, 4):
                tick(step)
                progress.check()
                done.append(step)

    ahead.do("a", work)
    assert began.wait(10)
    ahead.do("a", lambda progress: done.append("newer"))  # takes its place
    may_go.set()
    assert ahead.wait(10.0)
    assert done == ["newer"]
    held = Event()
    job = jobs.start(Job("b", "work", lambda progress: held.wait(10)))
    ahead.do("a", work)  # ends at its first step, because a job runs
    ahead.do("c", lambda progress: 1 / 0)  # is said on the log alone
    assert ahead.wait(10.0)
    assert done == ["newer"]
    held.set()
    assert waited(job).state == "done"
    ahead.do("a", work)
    assert ahead.wait(10.0)
    assert done == ["newer", 1, 2, 3]


def test_work_ahead_stands_aside_for_who_waits_and_goes_on_after_a_pause() -> None:
    jobs, begun, may_end = Jobs(), [], Event()
    ahead, ended = Ahead(jobs, pause=0.3), Event()

    def work(progress: Progress) -> None:
        begun.append(progress)
        try:
            while not may_end.wait(0.005):
                progress.check()
        finally:
            ended.set()

    ahead.do("a", work)
    while not begun:
        time.sleep(0.005)
    with ahead.aside(), ahead.aside():
        assert ended.wait(10)  # between two steps
        ahead.do("b", lambda progress: begun.append("b"))
        assert not ahead.wait(0.5)
        assert len(begun) == 1  # nothing else begins while somebody waits
    assert not ahead.wait(0.1)
    assert len(begun) == 1  # nor at once after it
    may_end.set()
    assert ahead.wait(10.0)
    assert [one for one in begun if one == "b"] == ["b"]
    assert len(begun) == 3  # what was ended was begun again
