"""The command line: what it writes, what it refuses in one sentence, and that it leaves nothing half done."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from pictures import Room, write_room
from relook.present import terminal
from relook.present.cli import main


@pytest.fixture
def rooms(tmp_path: Path) -> tuple[Room, Room]:
    return write_room(tmp_path, "structure"), write_room(tmp_path, "style", (44, 40), seed=1)


def words(
    rooms: tuple[Room, Room], out: Path, *more: str, structure: Path | None = None, style: Path | None = None
) -> list[str]:
    """relook photo on the two rooms by palette, whole pictures as one region."""
    pictures = [str(structure or rooms[0].image), "--style", str(style or rooms[1].image)]
    method = [] if "--method" in more else ["--method", "palette"]
    return ["photo", *pictures, "--out", str(out), *method, "--segmenter", "whole", *more]


def test_photo_writes_a_picture_and_repeats_it(
    rooms: tuple[Room, Room], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = ["--segments", str(rooms[0].segments), "--style-segments", str(rooms[1].segments)]
    out = tmp_path / "out.png"
    assert main(words(rooms, out, *maps, "--keep", "window,floor", "--match", "sofa=wall")) == 0
    assert str(out) in capsys.readouterr().out
    assert main(["photo", "--from-record", str(tmp_path / "out.json"), "--out", str(tmp_path / "again.png")]) == 0
    assert out.read_bytes() == (tmp_path / "again.png").read_bytes()
    assert size_of(out) == (52, 36)


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def no_file(path: Path) -> None:
    """Leave nothing there."""


def corrupt(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"nonsense" * 20)


def one_pixel(path: Path) -> None:
    Image.new("RGB", (1, 1)).save(path)


def a_folder(path: Path) -> None:
    path.mkdir()


BAD_PICTURES: dict[str, Callable[[Path], None]] = {
    "missing": no_file, "zero size": lambda path: path.write_bytes(b""), "corrupt": corrupt, "one pixel": one_pixel,
    "a folder": a_folder, "text": lambda path: path.write_text("not a picture"),
}  # fmt: skip


@pytest.mark.parametrize("which", ["structure", "style"])
@pytest.mark.parametrize("make", BAD_PICTURES.values(), ids=BAD_PICTURES)
def test_bad_pictures_are_one_sentence(
    make: Callable[[Path], None],
    which: str,
    rooms: tuple[Room, Room],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = tmp_path / "bad.png"
    make(bad)
    refused(words(rooms, tmp_path / "out.png", **{which: bad}), "bad.png", tmp_path, capsys)


def refused(line: list[str], part: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command exits with 2, says one sentence with `part` in it, and writes nothing."""
    before = sorted(folder.rglob("*"))
    assert main(line) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("relook: Expected ")
    assert said.err.strip().count("\n") == 0
    assert part in said.err
    assert sorted(folder.rglob("*")) == before


def grey(path: Path) -> None:
    Image.fromarray(np.arange(36 * 52, dtype=np.uint8).reshape(36, 52)).save(path)


def rgba(path: Path) -> None:
    Image.new("RGBA", (52, 36), (200, 80, 20, 120)).save(path)


def sixteen_bits(path: Path) -> None:
    Image.fromarray((np.arange(36 * 52) * 30).astype(np.uint16).reshape(36, 52)).save(path)


def on_its_side(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.effect_noise((36, 52), 60).convert("RGB").save(path, exif=exif)


@pytest.mark.parametrize("make", [grey, rgba, sixteen_bits, on_its_side])
def test_unusual_pictures_work_at_their_upright_size(
    make: Callable[[Path], None], rooms: tuple[Room, Room], tmp_path: Path
) -> None:
    unusual, out = tmp_path / "unusual.png", tmp_path / "out.png"
    make(unusual)
    assert main(words(rooms, out, structure=unusual)) == 0
    assert size_of(out) == (52, 36)
    assert main(words(rooms, out, style=unusual)) == 0


def save_depth(path: Path, values: np.ndarray) -> str:
    np.save(path, values)
    return str(path)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        (np.full((36, 52), np.nan), "finite"),
        (np.zeros((36, 52)), "finite"),
        (np.ones((36, 51)), "51 x 36"),
        (np.ones((36, 52, 3)), "one depth per pixel"),
        (np.ones((0, 52)), "one depth per pixel"),
    ],
    ids=["nan", "zeros", "other size", "three channels", "empty"],
)
def test_bad_depth_is_one_sentence(
    values: np.ndarray, part: str, rooms: tuple[Room, Room], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    depth = save_depth(tmp_path / "bad.npy", values)
    refused(words(rooms, tmp_path / "out.png", "--depth", depth), part, tmp_path, capsys)


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["--segments", "{style_map}"], "52 x 36"),
        (["--segments", "{nothing}"], "nothing.png"),
        (["--segments", "{map}", "--keep", "unicorn"], "unicorn"),
        (["--match", "sofa"], "sofa"),
        (["--family", "{nothing}", "--method", "restyle3d"], "family"),
    ],
    ids=["map of another size", "no map", "unknown name", "no equals sign", "no family"],
)
def test_bad_options_are_refused(
    more: list[str], part: str, rooms: tuple[Room, Room], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"map": rooms[0].segments, "style_map": rooms[1].segments, "nothing": tmp_path / "nothing.png"}
    line = words(rooms, tmp_path / "out.png", *(word.format(**places) for word in more))
    refused(line, part, tmp_path, capsys)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        (["photo"], "STRUCTURE, --style and --out"),
        (["paint"], "photo, views, scene, lift, perceive, audit, studio, demo, evaluate, compare, train"),
        (["evaluate", "everything"], "dollhouse-photo, ablation, folder"),
        (["evaluate", "dollhouse-photo", "--rows", "magic"], "magic"),
        (["evaluate", "perception", "--rooms", "0"], "rooms or photographs"),
        (["perceive"], "got no PHOTO, --out"),
        (["perceive", "nowhere.png", "--out", "seen"], "nowhere.png"),
        (["evaluate", "dollhouse-photo", "--pairs", "0"], "at least 1 pair"),
        (["photo", "--from-record", "nowhere.json"], "nowhere.json"),
    ],
)
def test_bad_commands_are_one_sentence(
    line: list[str], part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(line, part, tmp_path, capsys)


def test_an_unknown_option_exits_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["photo", "a.png", "--stile", "red"]) == 2
    assert capsys.readouterr().err == "relook: Expected options of relook photo, got --stile; did you mean --style.\n"


def test_a_full_disk_leaves_nothing(
    rooms: tuple[Room, Room], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    out = tmp_path / "new" / "out.png"
    assert main(words(rooms, out)) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert not out.parent.exists()


def test_an_unwritable_place_is_found_before_the_work(
    rooms: tuple[Room, Room], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # permissions mean nothing to root
    refused(words(rooms, tmp_path / "out.png"), "writable", tmp_path, capsys)


def test_stopping_a_run_writes_nothing(
    rooms: tuple[Room, Room], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("relook.transfer.palette.palette", stopped)
    before = sorted(tmp_path.rglob("*"))
    assert main(words(rooms, tmp_path / "out.png")) == 130
    assert "stopped" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_what_perceive_writes_is_what_photo_reads(
    rooms: tuple[Room, Room], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen, out = tmp_path / "seen", tmp_path / "out.png"
    maps = ["--segmenter", str(rooms[0].segments), "--depth-estimator", str(rooms[0].depth)]
    assert main(["perceive", str(rooms[0].image), "--out", str(seen), *maps]) == 0
    assert "floor, sofa, wall, window; metric depth" in capsys.readouterr().out
    again = [
        "--segments",
        str(seen / "segments.png"),
        "--depth",
        str(seen / "depth.npz"),
        "--keep",
        "sofa",
        "--keep-maps",
    ]
    assert main(words(rooms, out, *again)) == 0
    assert (tmp_path / "out.maps/structure.png").read_bytes() == (seen / "segments.png").read_bytes()
    assert (tmp_path / "out.maps/structure.json").read_bytes() == (seen / "segments.json").read_bytes()
    read, written = (np.load(path)["values"] for path in (rooms[0].depth, seen / "depth.npz"))
    assert np.array_equal(read, written)


@pytest.mark.parametrize("make", BAD_PICTURES.values(), ids=BAD_PICTURES)
def test_perceive_refuses_bad_pictures(
    make: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "bad.png")
    refused(["perceive", str(tmp_path / "bad.png"), "--out", str(tmp_path / "seen")], "bad.png", tmp_path, capsys)


@pytest.mark.parametrize("make", [grey, rgba, sixteen_bits, on_its_side])
def test_perceive_takes_unusual_pictures(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "unusual.png")
    line = ["perceive", str(tmp_path / "unusual.png"), "--out", str(tmp_path), "--segmenter", "whole"]
    assert main([*line, "--depth-estimator", "none"]) == 0
    assert {size_of(tmp_path / f"{name}.png") for name in ("segments", "overlay", "edges")} == {(52, 36)}


def test_progress_is_drawn_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(terminal_like: bool) -> str:
        said = StringIO()
        monkeypatch.setattr(terminal, "ERR", Console(file=said, force_terminal=terminal_like, width=100))
        with terminal.drawn() as progress:
            with progress.stage("restyling", 20) as tick:
                tick(7)
            with progress.stage("fetching", 5_000_000) as tick:
                tick(2_000_000)
        return said.getvalue()

    drawn = run(True)
    assert "fetching" in drawn
    assert "2.0/5.0 MB" in drawn
    assert " s left" in drawn
    assert run(False) == ""


def test_evaluate_lists_its_suites(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("perception", "matching", "geometry", "dollhouse-correspondence"))


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (["perceive", "--help"], 0, "--depth-estimator"),
        (["photo", __file__, "--style", __file__, "--out", "new.gif"], 2, "a name ending in .png, "),
        (["phto", "room.jpg"], 2, "got 'phto'; did you mean photo"),
    ],
)
def test_what_needs_no_network_is_answered_without_loading_one(line: list[str], code: int, says: str) -> None:
    script = (
        "import sys; from relook.present.cli import main\n"
        f"code = main({line!r})\n"
        "sys.exit(str({'torch', 'transformers', 'skimage', 'cv2'} & set(sys.modules)) if 'torch' in sys.modules else code)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == code, run.stderr
    assert says in run.stdout + run.stderr


@pytest.mark.usefixtures("models_folder")
def test_offline_may_be_said_to_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RELOOK_OFFLINE", "0")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert main(["models", "pull", "taesd", "--offline"]) == 2
    assert "nothing is fetched offline" in capsys.readouterr().err
