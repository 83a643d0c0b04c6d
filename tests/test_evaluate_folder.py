"""A folder of the user's own pairs: what is read, what is perceived, what is refused."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from relook.dollhouse import render, sample_layout, sample_style
from relook.engine import Engine
from relook.errors import DepthError, InputError, PictureError, SegmentsError
from relook.evaluate import folder
from relook.evaluate.instruments import Instruments
from relook.evaluate.run import run
from relook.evaluate.sources import disk
from relook.evaluate.sources.folder import Folder
from relook.evaluate.sources.pair import Source
from relook.io import read_image, write_depth, write_image, write_segments
from relook.perceive.perceive import write_perceived
from relook.session import Session
from relook.types import Depth, Region, Segments, View

HERE = Session("cpu")
HEAD = "structure,style,prompt,exact\n"


def room(seed: int, look: int, size: tuple[int, int] = (48, 64)) -> View:
    return render(sample_layout(seed, "living"), sample_style(look), size).view()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two structures, two styles, an answer; every picture with its exact maps."""
    folder = tmp_path_factory.mktemp("own")
    for place, view in (
        ("structures/a", room(1, 1)), ("structures/b", room(2, 2)), ("styles/warm", room(3, 3)), ("styles/cold", room(4, 4)),
    ):  # fmt: skip
        write_image(folder / f"{place}.png", view.image)
        write_perceived(folder / place, view)
    write_image(folder / "answers/a.png", room(1, 3).image)
    return folder


@pytest.fixture
def own(original: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(original, tmp_path / "own"))


def pairs(own: Path, text: str) -> Folder:
    (own / "pairs.csv").write_text(text, encoding="utf-8")
    return Folder(own)


def files(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*")}


def test_every_structure_with_every_style(own: Path) -> None:
    before = files(own)
    source: Source = Folder(own)
    assert list(source.names) == ["a--cold", "a--warm", "b--cold", "b--warm"]
    pair = source.pair("a--warm", HERE)
    exact = room(1, 1)
    assert pair.name == "a--warm"
    assert (pair.structure.image - exact.image).abs().max() < 1 / 255
    assert exact.segments is not None
    assert exact.depth is not None
    assert pair.structure.segments is not None
    assert torch.equal(pair.structure.segments.labels, exact.segments.labels)
    assert pair.structure.depth is not None
    assert torch.equal(pair.structure.depth.values, exact.depth.values)
    assert pair.exact is pair.scored is pair.patterned is None
    assert pair.prompt == ""
    assert pair.correspondence() is not None
    assert files(own) == before


def test_pairs_as_they_are_listed(own: Path) -> None:
    source = pairs(own, "\ufeff" + HEAD + "a,warm.png,a red room,answers/a.png\n\n b.png , cold ,,\n")
    assert list(source.names) == ["a--warm", "b--cold"]
    pair = source.pair("a--warm", HERE)
    assert pair.prompt == "a red room"
    assert pair.exact is not None
    assert (pair.exact - room(1, 3).image).abs().max() < 1 / 255
    assert pair.scored is not None
    for number, name in enumerate(pair.names, start=1):
        assert pair.structure.segments is not None
        assert torch.equal(pair.scored == number, pair.structure.segments.mask(name))
    assert int(pair.scored.min()) == 1
    assert source.pair("b--cold", HERE).exact is None
    assert not source.answered
    assert pairs(own, HEAD + "a,warm,,answers/a.png\n").answered


def test_pixels_without_a_region_are_scored_too(own: Path) -> None:
    labels = torch.zeros(48, 64, dtype=torch.int64)
    labels[:, :10] = 1
    write_segments(own / "structures/a/segments.png", Segments(labels, {1: Region("wall")}))
    pair = pairs(own, HEAD + "a,warm,,answers/a.png\n").pair("a--warm", HERE)
    assert pair.names == ("wall", disk.NO_REGION)
    assert pair.scored is not None
    assert torch.equal(pair.scored, 2 - labels)


def test_pictures_are_shrunk_with_their_maps(own: Path) -> None:
    pair = Folder(own, longest=32).pair("b--warm", HERE)
    for view in (pair.structure, pair.style):
        assert view.size == (24, 32)
        assert view.segments is not None
        assert view.segments.labels.shape == (24, 32)
        assert view.depth is not None
        assert view.depth.values.shape == (24, 32)
    assert Folder(own, longest=None).pair("b--warm", HERE).structure.size == (48, 64)


def test_what_is_missing_is_perceived(own: Path) -> None:
    for name in ("segments.png", "depth.npz", "depth.png"):
        (own / "structures/a" / name).unlink()
    write_depth(own / "elsewhere.npz", Depth(torch.full((48, 64), 3.0), "metric"))
    before = files(own)
    pair = Folder(own, segmenter="whole", depth=str(own / "elsewhere.npz")).pair("a--warm", HERE)
    assert pair.structure.segments is not None
    assert pair.structure.segments.names == ("whole picture",)
    assert pair.structure.depth is not None
    assert torch.equal(pair.structure.depth.values, torch.full((48, 64), 3.0))
    assert len(pair.style.segments.names if pair.style.segments else ()) > 3  # its own, not the segmenter's
    assert files(own) == before
    assert Folder(own, segmenter="whole", depth="none").pair("a--warm", HERE).structure.depth is None


def test_it_goes_to_other_processes(own: Path) -> None:
    source = Folder(own)
    revision = source.revision
    other = pickle.loads(pickle.dumps(source))
    assert other == source
    assert other.revision == revision
    assert torch.equal(other.pair("a--warm", HERE).structure.image, source.pair("a--warm", HERE).structure.image)
    assert hash(other) == hash(source)


def test_the_revision_follows_the_content(own: Path) -> None:
    seen = {Folder(own).revision}
    assert Folder(own).revision in seen
    for change in (
        lambda: write_image(own / "styles/warm.png", room(5, 5).image),
        lambda: (own / "structures/a/segments.json").write_text((own / "structures/a/segments.json").read_text().replace("wall", "curtain")),
        lambda: write_depth(own / "styles/cold/depth.npz", Depth(torch.full((48, 64), 3.0), "metric")),
        lambda: (own / "pairs.csv").write_text("structure,style,prompt\na,warm,red\n"),
        lambda: (own / "pairs.csv").write_text("structure,style,prompt\na,warm,blue\n"),
    ):  # fmt: skip
        change()
        now = Folder(own).revision
        assert now not in seen
        seen.add(now)
    (own / "structures/a/segments.png").unlink()
    for other in (Folder(own, longest=40, segmenter="whole"), Folder(own, segmenter="whole")):
        assert other.revision not in seen
        seen.add(other.revision)
    assert Folder(own, segmenter="whole", depth="none").revision in seen  # every picture has its own


def test_a_change_concerns_only_its_pairs(own: Path) -> None:
    def revisions() -> dict[str, str]:
        source = Folder(own)
        return {name: source.revision_of(name) for name in source.names}

    before = revisions()
    assert len(set(before.values())) == 4
    write_image(own / "styles/warm.png", room(5, 5).image)
    write_image(own / "styles/new.png", room(6, 6).image)
    after = revisions()
    assert {name for name in before if after[name] != before[name]} == {"a--warm", "b--warm"}
    assert set(after) - set(before) == {"a--new", "b--new"}


def test_a_picture_that_changes_is_read_again(own: Path) -> None:
    source = Folder(own)
    before = source.pair("a--warm", HERE).style.image
    write_image(own / "styles/warm.png", room(5, 5).image)
    assert not torch.equal(source.pair("a--warm", HERE).style.image, before)


def test_any_kind_of_picture(own: Path) -> None:
    grey = Image.fromarray(np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 20)
    grey.save(own / "styles/deep.png")
    Image.new("RGBA", (64, 48), (255, 0, 0, 0)).save(own / "styles/clear.png")
    Image.new("L", (64, 48), 99).save(own / "styles/grey.jpg")
    source = Folder(own, segmenter="whole", depth="none")
    assert list(source.names)[:5] == ["a--clear", "a--cold", "a--deep", "a--grey", "a--warm"]
    for name in ("deep", "clear", "grey"):
        image = source.pair(f"a--{name}", HERE).style.image
        assert image.shape == (3, 48, 64)
        assert float(image.min()) >= 0
    assert torch.equal(source.pair("a--clear", HERE).style.image, torch.ones(3, 48, 64))


def test_other_files_are_left_alone(own: Path) -> None:
    for name in ("structures/notes.txt", "structures/.hidden.png", "styles/Thumbs.db"):
        (own / name).write_bytes(b"x")
    assert len(Folder(own).names) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns structure, style .*got none"),
        ("structure;style\na;warm\n", "separated by commas.*got structure;style"),
        ("structure,prompt\na,b\n", "columns structure, style"),
        ("structure,style,promt\na,warm,x\n", "got structure, style, promt"),
        ("structure,style,style\na,warm,cold\n", "columns structure, style"),
        ("structure,style\n", "got a head alone"),
        ("structure,style\na,blue\n", "got 'blue' in line 2 of .*pairs.csv; there are cold, warm"),
        ("structure,style\nc,warm\n", "structures/, got 'c'"),
        ("structure,style\na,warm\n\na,warm\n", "got line 4 as line 2"),
        ("structure,style\na,warm\na.png,warm.png\n", "got line 3 of .* as line 2"),
        ("structure,style\na\n", "Expected 2 cells in line 2"),
        ("structure,style\na,warm,x\n", "Expected 2 cells in line 2"),
        ("structure,style\n,warm\n", "none of structure, style empty"),
        ('structure,style\n"a,warm\n', "CSV file in UTF-8"),
        (HEAD + "a,warm,,answers/b.png\n", "answer at .*b.png, got none"),
        (HEAD + "a,warm,,answers/small.png\n", "to have the size of"),
        (HEAD + "a,warm,,answers/broken.png\n", "readable picture"),
    ],
)
def test_a_list_that_cannot_be_used(own: Path, text: str, message: str) -> None:
    write_image(own / "answers/small.png", torch.rand(3, 40, 40))
    (own / "answers/broken.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=message):
        pairs(own, text).names  # noqa: B018


def test_a_list_in_another_encoding(own: Path) -> None:
    (own / "pairs.csv").write_bytes("structure,style,prompt\na,warm,käse\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"CSV file in UTF-8 at .*pairs\.csv"):
        Folder(own).revision  # noqa: B018


def test_folders_that_cannot_be_used(own: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Expected a folder at .*nowhere"):
        Folder(tmp_path / "nowhere").names  # noqa: B018
    (own / "bare").mkdir()
    with pytest.raises(InputError, match=r"Expected pictures in .*bare/structures"):
        Folder(own / "bare").names  # noqa: B018
    (own / "styles/broken.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(PictureError, match=r"broken\.jpg"):
        Folder(own).names  # noqa: B018
    (own / "styles/broken.jpg").unlink()
    for size in ((1, 1), (600, 5)):
        Image.new("RGB", size).save(own / "styles/tiny.png")
        with pytest.raises(PictureError, match=r"sides of at least 8 pixels.*tiny\.png"):
            Folder(own).names  # noqa: B018
    (own / "styles/tiny.png").unlink()
    Image.new("RGB", (64, 48)).save(own / "styles/warm.jpg")
    with pytest.raises(InputError, match=r"got warm\.jpg and warm\.png|got warm\.png and warm\.jpg"):
        Folder(own).names  # noqa: B018
    (own / "styles/warm.jpg").rename(own / "styles/WARM.png")
    with pytest.raises(InputError, match="differ in letters or digits"):
        Folder(own).names  # noqa: B018
    with pytest.raises(InputError, match="at least 32 pixels, got 8"):
        Folder(own, longest=8)


def test_maps_that_do_not_fit(own: Path) -> None:
    source = Folder(own)
    with pytest.raises(InputError, match="name of a pair in"):
        source.pair("a--blue", HERE)
    write_segments(
        own / "structures/a/segments.png", Segments(torch.ones(5, 5, dtype=torch.int64), {1: Region("wall")})
    )
    with pytest.raises(SegmentsError, match="64 x 48 pixels"):
        source.pair("a--warm", HERE)
    (own / "structures/a/segments.json").write_text(json.dumps({"regions": {}}))
    with pytest.raises((SegmentsError, InputError)):
        source.pair("a--warm", HERE)
    np.savez(own / "structures/b/depth.npz", values=np.full((48, 64), np.nan))
    with pytest.raises(DepthError, match="finite, positive depth"):
        source.pair("b--warm", HERE)
    (own / "styles/warm.png").write_bytes((own / "styles/warm.png").read_bytes()[:400])  # its head is whole
    with pytest.raises(PictureError, match=r"warm\.png"):
        Folder(own).pair("a--warm", HERE)


def test_holes_in_depth_are_filled(own: Path) -> None:
    values = np.full((48, 64), 2.0)
    values[:9] = np.nan
    np.savez(own / "structures/b/depth.npz", values=values)
    depth = Folder(own).pair("b--warm", HERE).structure.depth
    assert depth is not None
    assert torch.equal(depth.values, torch.full((48, 64), 2.0))
    assert read_image(own / "structures/b.png").shape == (3, 48, 64)


def test_the_example_of_the_documentation(own: Path) -> None:
    text = (Path(__file__).parents[1] / "docs/evaluate.md").read_text(encoding="utf-8")
    listed = text.split("```csv\n", 1)[1].split("```", 1)[0]
    for place in (
        "structures/kitchen",
        "structures/bedroom",
        "styles/loft",
        "styles/farmhouse",
        "answers/kitchen-in-loft",
    ):
        write_image(own / f"{place}.png", torch.rand(3, 16, 16))
    source = pairs(own, listed)
    assert list(source.names) == ["kitchen--loft", "kitchen--farmhouse", "bedroom--loft"]
    assert [case.exact is None for case in source.cases.values()] == [False, True, True]


def test_designers_see_before_and_now_side_by_side(own: Path, tmp_path: Path) -> None:
    (own / "pairs.csv").write_text(HEAD + "a,warm,,\nb,warm,,\n", encoding="utf-8")
    last, today = tmp_path / "last", tmp_path / "today"
    for name in "ab":
        write_image(last / f"{name}--warm.png", torch.full((3, 24, 32), 0.5))
    shared = {"path": own, "engine": Engine(workers=1), "now": "copy", "instruments": Instruments(None, None)}
    suite = folder.suite(folder.Config(**shared, out=today, rows=("before", "copy"), before=last))
    run(suite)
    assert (today / "cases/a--warm/before.png").is_file()
    assert read_image(today / "cases/a--warm/before.png").shape == (3, 48, 64), "at the structure's size"
    flaws = json.loads((today / "summary.json").read_text())["folder"]
    assert all(flaws["copy"][name]["mean"] == pytest.approx(0) for name in ("foreign_chroma", "clouds", "halo"))
    assert flaws["before"]["clouds"]["mean"] == pytest.approx(0), "a grey picture has none"
    assert "For designers: structure, style, before, now (copy)" in (today / "report.html").read_text(encoding="utf-8")
    write_image(last / "a--warm.png", torch.zeros(3, 24, 32))
    run(suite)
    assert not read_image(today / "cases/a--warm/before.png").any(), "another earlier picture"
    again = folder.suite(folder.Config(**shared, out=tmp_path / "next", rows=("before", "copy"), before=today))
    run(again)
    made, kept = (place / "cases/b--warm" for place in (tmp_path / "next", today))
    assert (made / "before.png").read_bytes() == (kept / "copy.png").read_bytes()


def test_an_earlier_picture_that_is_not_there_is_named(own: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Expected an earlier picture of a--warm in .*put a--warm\.png there"):
        folder.earlier(tmp_path, "palette", "a--warm")
