"""Many pictures: a folder, a table, going on after a stop, failures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pictures import write_room
from relook import PhotoConfig, restyle_photo
from relook.engine import Engine
from relook.errors import InputError
from relook.present.cli import main
from relook.transfer.batch import Job, jobs_in, jobs_of, restyle_photos
from relook.types import Region, Segments, View

HERE = Engine(workers=1)
WHOLE = PhotoConfig(segmenter="whole", layout="none", style_layout="none")


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """A folder of three rooms, and a look beside it."""
    for seed, name in enumerate(("bath", "bed", "hall"), start=1):
        room = write_room(tmp_path, name, seed=seed)
        (tmp_path / "rooms").mkdir(exist_ok=True)
        room.image.rename(tmp_path / "rooms" / room.image.name)
    write_room(tmp_path, "look", (44, 40), seed=9)
    return tmp_path


def test_a_folder_takes_one_look(flat: Path) -> None:
    jobs = jobs_of([flat / "rooms"], [flat / "look.png"], flat / "out")
    assert [job.out.name for job in jobs] == ["bath.png", "bed.png", "hall.png"]
    (sheet,) = restyle_photos(jobs, WHOLE, sheets=flat / "out", engine=HERE)
    assert sheet == flat / "out" / "contact-sheet.jpg"
    assert sheet.is_file()
    alone = restyle_photo(jobs[1].structure, flat / "look.png", WHOLE, out=flat / "alone.png")
    assert (flat / "alone.png").read_bytes() == (flat / "out" / "bed.png").read_bytes()
    assert json.loads((flat / "out" / "bed.json").read_text())["inputs"] == alone.record["inputs"]


def test_a_stopped_run_makes_only_what_is_not_there(flat: Path) -> None:
    jobs = jobs_of([flat / "rooms"], [flat / "look.png"], flat / "out")
    restyle_photos(jobs, WHOLE, engine=HERE)
    before = {job: job.out.stat().st_mtime_ns for job in jobs}
    jobs[0].out.unlink()  # never finished
    jobs[1].out.write_bytes(b"other content")
    restyle_photos(jobs, WHOLE, engine=HERE)
    changed = [job.out.name for job in jobs if job.out.stat().st_mtime_ns != before[job]]
    assert changed == ["bath.png", "bed.png"]
    restyle_photos(jobs, PhotoConfig(segmenter="whole", layout="none", style_layout="none", strength=0.5), engine=HERE)
    assert jobs[2].out.stat().st_mtime_ns != before[jobs[2]], "other options make other pictures"
    before = {job: job.out.stat().st_mtime_ns for job in jobs}
    write_room(flat, "look", (44, 40), seed=10)
    restyle_photos(jobs, WHOLE, engine=HERE)
    assert all(job.out.stat().st_mtime_ns != before[job] for job in jobs), "another look of the same name too"


def test_one_failure_stops_nothing_and_is_said(flat: Path, caplog: pytest.LogCaptureFixture) -> None:
    (flat / "rooms" / "bed.png").write_bytes(b"no picture")
    jobs = jobs_of([flat / "rooms"], [flat / "look.png"], flat / "out")
    with pytest.raises(InputError, match=r"all 3 pictures, got 1 failures \(bed.png: Expected a readable picture"):
        restyle_photos(jobs, WHOLE, sheets=flat / "out", engine=HERE)
    assert sorted(path.name for path in (flat / "out").glob("*.png") if "." not in path.stem) == [
        "bath.png",
        "hall.png",
    ]
    assert (flat / "out" / "contact-sheet.jpg").is_file()
    assert "bed.png failed: Expected a readable picture" in caplog.text


def test_the_look_is_seen_once_for_all_rooms(flat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, int]] = []

    def segmenter(name: str, session: object) -> Callable[[View], Segments]:
        def answer(view: View) -> Segments:
            sizes.append(view.size)
            return Segments(torch.ones(view.size, dtype=torch.int64), {1: Region("wall")})

        return answer

    monkeypatch.setattr("relook.perceive.perception.segmenter", segmenter)
    restyle_photos(jobs_of([flat / "rooms"], [flat / "look.png"], flat / "out"), WHOLE, engine=HERE)
    assert sorted(sizes) == [(36, 52)] * 3 + [(44, 40)]


def test_processes_make_the_same_pictures(flat: Path) -> None:
    jobs = jobs_of([flat / "rooms"], [flat / "look.png"], flat / "one")
    restyle_photos(jobs, WHOLE, engine=HERE)
    others = jobs_of([flat / "rooms"], [flat / "look.png"], flat / "two")
    restyle_photos(others, WHOLE, engine=Engine(workers=2))
    for job, other in zip(jobs, others, strict=True):
        assert job.out.read_bytes() == other.out.read_bytes()


def test_a_table_names_pairs(flat: Path) -> None:
    table = flat / "pairs.csv"
    table.write_text("structure,style,out\nrooms/bath.png,look.png,wet.png\nrooms/bed.png,look.png; rooms/hall.png,\n")
    assert jobs_in(table, [], flat / "out") == [
        Job(flat / "rooms" / "bath.png", (flat / "look.png",), flat / "out" / "wet.png"),
        Job(flat / "rooms" / "bed.png", (flat / "look.png", flat / "rooms" / "hall.png"), flat / "out" / "bed.png"),
    ]
    table.write_text("structure\nrooms/bath.png\n")
    assert jobs_in(table, [flat / "look.png"], flat)[0].styles == (flat / "look.png",)
    for text in ("room,style\n", "structure,stile\n", ""):
        table.write_text(text)
        with pytest.raises(InputError, match="columns structure, style, out"):
            jobs_in(table, [], flat)


@pytest.mark.parametrize(
    ("jobs", "part"),
    [
        ([], "at least one picture"),
        ([Job(Path("a.png"), (), Path("out.png"))], "a style for a.png"),
        ([Job(Path("a.png"), (Path("b.png"),), Path("out.docx"))], "name ending in"),
        ([Job(Path("a.png"), (Path("b.png"),), Path("out.png")), Job(Path("c.png"), (Path("b.png"),), Path("./out.png"))], "a place of its own"),
    ],
)  # fmt: skip
def test_jobs_that_cannot_be_are_refused_at_once(jobs: list[Job], part: str) -> None:
    with pytest.raises(InputError, match=part):
        restyle_photos(jobs, WHOLE, engine=HERE)


def test_a_map_of_one_picture_is_none_of_several(flat: Path) -> None:
    jobs = jobs_of([flat / "rooms"], [flat / "look.png"], flat / "out")
    with pytest.raises(InputError, match="no map of one picture"):
        restyle_photos(jobs, PhotoConfig(segments=flat / "bed-map.png"), engine=HERE)
    assert not (flat / "out").exists()


def test_the_command_makes_a_folder(flat: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--segmenter", "whole", "--layout", "none", "--style-layout", "none", "--workers", "1"]
    rooms, look, out = (str(flat / name) for name in ("rooms", "look.png", "out"))
    assert main(["photo", rooms, look, "--out", out, *words]) == 0
    assert "3 pictures" in capsys.readouterr().out
    (flat / "rooms" / "bed.png").write_bytes(b"no picture")
    assert main(["photo", rooms, "--style", look, "--out", out, *words]) == 2
    assert "got 1 failures" in capsys.readouterr().err
    assert main(["photo", rooms, look, "--out", str(flat / "new.png"), *words]) == 2
    assert "a folder after --out" in capsys.readouterr().err
    (flat / "empty").mkdir()
    assert main(["photo", str(flat / "empty"), look, "--out", out, *words]) == 2
    assert "pictures in" in capsys.readouterr().err
