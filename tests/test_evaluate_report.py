"""The report of every suite: what is in its files, what is marked, and that the page needs nothing else."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from io import BytesIO, StringIO
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console

from relook.errors import PictureError
from relook.evaluate.gallery import Gallery, in_page
from relook.evaluate.metrics import METRICS
from relook.evaluate.provenance import provenance
from relook.evaluate.records import EVERY, WHOLE, Record, read_records
from relook.evaluate.report import Report, write_results
from relook.evaluate.sections import Column, Part, Section, column, section
from relook.evaluate.tables import differences, markdown, numbers, terminal
from relook.io import write_image
from relook.io.sheet import Picture, as_pillow, contact_sheet

ROWS = {"copy": 15.0, "relook": 21.0, "rival": 21.004, "exact": 40.0}
NOTES = {"copy": "the structure as it is", "relook": "the default", "rival": "<b>another</b>", "exact": "the ceiling"}


def suite_records(part: str = "suite", cases: int = 5) -> list[Record]:
    """PSNR with a spread between cases, LPIPS of which one row knows nothing, classes, a number of all cases, and a metric without any."""
    made = []
    for row, base in ROWS.items():
        for i in range(cases):
            case = f"room {i}"
            made += [
                Record("suite", part, row, case, "psnr", WHOLE, base + i),
                Record("suite", part, row, case, "lpips", WHOLE, None if row == "copy" else 0.5 - base / 100),
                Record("suite", part, row, case, "psnr", "sofa", base - i),
                Record("suite", part, row, case, "psnr", "wall", None if i else base),
                Record("suite", part, row, case, "seconds", WHOLE, 0.5),
                Record("suite", part, row, case, "ssim", WHOLE, None),
            ]
        made.append(Record("suite", part, row, EVERY, "invented_number", WHOLE, 0.125))
    return made


def gallery(folder: Path, cases: int = 5) -> Gallery:
    """Known pictures in memory, made ones as files; the rival left no picture of room 1."""

    def made(case: str, row: str) -> Picture | None:
        return None if (case, row) == ("room 1", "rival") else folder / f"{row}.png"

    for number, row in enumerate(ROWS):
        write_image(folder / f"{row}.png", torch.full((3, 24, 32), number / 4))

    def known(case: str) -> Mapping[str, Picture]:
        return {
            "structure": torch.zeros(3, 24, 32),
            "exact answer": torch.ones(3, 24, 32),
            "style": torch.rand(3, 700, 900),
        }

    return Gallery([f"room {i}" for i in range(cases)], known, made, rows=("relook", "copy", "never run"))


class Page(HTMLParser):
    """What a browser would see: unbalanced tags, what it would fetch, the order of the headlines, tables and captions."""

    VOID = frozenset({"meta", "img", "br", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.heads: list[str] = []
        self.cells: list[tuple[str, str]] = []
        self.feed(text)
        assert self.open == ["html"] or not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.fetched += [found[name] or "" for name in ("src", "href") if name in found]
        if tag in ("h1", "h2", "h3"):
            self.heads.append("")
        if tag in ("td", "th"):
            self.cells.append((found.get("class") or "", ""))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.heads[-1] += data
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] = (self.cells[-1][0], self.cells[-1][1] + data)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    made = section(Part("suite", notes=NOTES, reference="relook", gallery=gallery(out)), suite_records())
    report = Report("suite", "A lead & more.", [made], ["CLIP is empty: no weights."])
    about = provenance("suite", {"seed": 3, "size": 32}, weights={"unet": "ab" * 32})
    write_results(out, report, suite_records(), about)
    return out


def test_all_files_are_left_and_hold_the_numbers(written: Path) -> None:
    assert read_records(written) == suite_records()
    flat = json.loads((written / "summary.json").read_text())
    assert list(flat) == ["suite"]
    assert list(flat["suite"]) == list(ROWS)
    assert flat["suite"]["relook"]["psnr/wall"] == {"mean": 21.0, "low": None, "high": None}
    assert flat["suite"]["relook"]["psnr"]["mean"] == pytest.approx(23.0)
    summary = json.loads((written / "tables.json").read_text())["suite"]
    assert list(summary["rows"]) == list(ROWS)
    relook = summary["rows"]["relook"]
    assert relook["psnr"]["mean"] == pytest.approx(23.0)
    assert relook["psnr"]["low"] < 23 < relook["psnr"]["high"]
    assert relook["psnr/wall"] == {"mean": 21.0, "low": None, "high": None, "cases": 1, "missing": 4}
    assert summary["rows"]["copy"]["lpips"]["mean"] is None
    assert summary["differences"]["copy"]["psnr"] == {"mean": -6.0, "low": -6.0, "high": -6.0, "cases": 5, "missing": 0, "wins": 0.0}  # fmt: skip
    assert [one["metric"] for one in summary["columns"]] == ["psnr", "lpips", "seconds", "invented_number"]
    assert json.loads((written / "run.json").read_text())["weights"] == {"unet": "ab" * 32}
    with Image.open(written / "grid.png") as sheet:
        assert sheet.width == 4 + (32 + 4) + (256 + 4) + 3 * (32 + 4)  # structure, style, relook, copy, answer
        assert sheet.height > 5 * 199  # the style's lines, shrunk to 256 x 199


def test_the_page_needs_no_other_file_and_is_whole(written: Path) -> None:
    text = (written / "report.html").read_text()
    page = Page(text)
    assert page.fetched
    assert all(place.startswith(("data:image/jpeg;base64,", "#")) for place in page.fetched)
    assert not re.search(r"url\(|@import|<script|<link", text)
    links = [place[1:] for place in page.fetched if place.startswith("#")]
    assert {"numbers-1", "differences-1", "pictures-1", "sources", "facts"} <= set(links)
    assert all(f'id="{link}"' in text for link in links)
    data = next(place for place in page.fetched if place.startswith("data:"))
    with Image.open(BytesIO(base64.b64decode(data.partition(",")[2]))) as picture:
        assert max(picture.size) <= 256
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    assert "A lead &amp; more." in text
    assert "&lt;b&gt;another" in text  # a note is words, never markup
    assert "CLIP is empty" in text
    assert "Without any number: SSIM" in text
    assert METRICS["psnr"].source in text
    assert "ab" * 32 in text


def test_the_page_shows_the_worst_case_of_the_reference_first_with_all_pictures(written: Path) -> None:
    text = (written / "report.html").read_text()
    heads = Page(text).heads
    assert [head for head in heads if head.startswith("room")] == [f"room {i}" for i in range(5)]
    assert "Ordered by PSNR dB of relook" in text
    assert text.count("<figure>") == 5 * (3 + 4) - 1
    case = text[text.index("<h3>room 2</h3>") : text.index("<h3>room 3</h3>")]
    assert [words.split("<")[0] for words in case.split("<figcaption>")[1:]] == [
        "structure",
        "style",
        *ROWS,
        "exact answer",
    ]
    assert "PSNR dB 23.00" in case
    assert text.index("<h3>room 4</h3>") < text.index(">Numbers</h3>")  # pictures first


def test_the_page_marks_the_best_tells_intervals_differences_and_classes(written: Path) -> None:
    text = (written / "report.html").read_text()
    cells = Page(text).cells
    best = [words for kind, words in cells if kind == "best"]
    assert "42.00" not in best  # the ceiling
    assert best.count("23.00") == 2  # equal to the digits shown
    assert re.search(r"23\.00<small>2\d\.\d\d to 2\d\.\d\d</small>", text)
    assert "Difference to relook, case by case" in text
    assert any(kind == "worse" and words.startswith("-6.00") for kind, words in cells)
    assert "wins 0%" in text
    assert "<summary>PSNR dB ↑ by class</summary>" in text
    classes = text[text.index("by class") :]
    assert classes.index(">sofa<") < classes.index(">wall<")


def test_lower_numbers_are_worst_when_high(tmp_path: Path) -> None:
    records = [Record("s", "s", "relook", f"room {i}", "lpips", WHOLE, 0.1 * i) for i in range(3)]
    made = section(Part("s", columns=("lpips",), gallery=gallery(tmp_path, 3)), records)
    write_results(tmp_path, Report("s", "", [made]), records, provenance("s", {}))
    heads = Page((tmp_path / "report.html").read_text()).heads
    assert [head for head in heads if head.startswith("room")] == ["room 2", "room 1", "room 0"]


def test_parts_have_a_table_each_and_no_pictures_are_fine(tmp_path: Path) -> None:
    records = suite_records("one") + suite_records("two", cases=1)
    made = [
        section(Part(name, notes=NOTES, reference="gone"), [r for r in records if r.part == name])
        for name in ("one", "two")
    ]
    shown = write_results(tmp_path, Report("suite", "", made), records, provenance("suite", {}))
    assert set(json.loads((tmp_path / "summary.json").read_text())) == {"suite/one", "suite/two"}
    assert not (tmp_path / "grid.png").exists()
    page = Page((tmp_path / "report.html").read_text())
    assert [head for head in page.heads if head in ("one", "two")] == ["one", "two"]
    assert "Difference" not in "".join(page.heads)
    printed = StringIO()
    Console(file=printed, width=60, soft_wrap=True).print(shown)
    assert "23.00 ±" in printed.getvalue()
    assert "15.00 " in printed.getvalue()


def test_no_records_at_all_still_leave_a_page(tmp_path: Path) -> None:
    write_results(tmp_path, Report("suite", "Nothing ran.", [section(Part("suite"), [])]), [], provenance("suite", {}))
    assert "Nothing ran." in (tmp_path / "report.html").read_text()
    assert read_records(tmp_path) == []


def simple_section(reference: str | None = None) -> Section:
    values = {
        "x": {"a": 1.0, "b": 2.0, "c": 1.0}, "y": {"a": 0.5, "b": 2.04, "c": 3.0}, "exact": {"a": 9.0, "b": None, "c": 9.0},
    }  # fmt: skip
    records = [
        Record("s", "T", row, "0", key, WHOLE, value) for row, score in values.items() for key, value in score.items()
    ]
    columns = (
        Column("a", title="A", better="higher"),
        Column("b", title="B", better="lower", digits=1),
        Column("c", title="C"),
    )
    return section(Part("T", columns=columns, reference=reference), records)


def test_the_best_is_marked_but_never_what_is_apart() -> None:
    made = simple_section()
    assert [made.best(c) for c in made.columns] == [{"x"}, {"x", "y"}, set()]
    assert "| x | **1.00** | **2.0** | 1.00 |" in markdown([made])
    shown = StringIO()
    Console(file=shown, width=20, soft_wrap=True).print(terminal(numbers(made)))
    assert "0.50" in shown.getvalue()
    assert "…" not in shown.getvalue()  # never cut, however narrow the terminal


def test_differences_have_a_table_of_their_own() -> None:
    made = simple_section(reference="x")
    text = markdown([made])
    assert "#### T: difference to x, case by case" in text
    assert "| y | -0.50, 0% | +0.0, 0% | +2.00 |" in text
    shown = StringIO()
    less = differences(made)
    assert less is not None
    Console(file=shown, width=80).print(terminal(less))
    assert "-0.50, 0%" in shown.getvalue()
    assert differences(simple_section()) is None


def test_a_region_with_a_column_of_its_own_is_no_class() -> None:
    made = section(Part("suite", columns=("psnr", column("psnr", "sofa"))), suite_records())
    assert made.classes(made.columns[0]) == ("wall",)
    assert section(Part("suite", columns=("psnr",)), suite_records()).classes(made.columns[0]) == ("sofa", "wall")
    assert made.cases == 5


def test_columns_are_what_the_registry_says() -> None:
    found = column("psnr", "holes")
    assert (found.title, found.better, found.head) == ("PSNR dB, holes", "higher", "PSNR dB, holes ↑")
    assert found.name == "psnr/holes"
    assert column("psnr", judged=False).better is None
    assert column("of_the_future").head == "of the future"
    assert column("seconds").digits == 2
    assert found.text(None) == "-"


def test_sheets_hold_pictures_of_any_size_and_leave_places_free() -> None:
    lines = [[torch.zeros(3, 10, 20), None], [torch.ones(1, 1, 1).expand(3, 8, 8), Image.new("L", (30, 12))]]
    sheet = contact_sheet(lines, ["one", "a/name that is far too long"], gap=2)
    assert sheet.width == 2 + 20 + 2 + 30 + 2
    assert sheet.height > 10 + 2 + 12 + 2
    assert contact_sheet([], ["one"]).size[1] > 0


def test_pictures_are_read_in_any_form_and_a_broken_one_is_one_sentence(tmp_path: Path) -> None:
    Image.new("RGBA", (20, 10), (255, 0, 0, 255)).save(tmp_path / "rgba.png")
    Image.new("I;16", (400, 200)).save(tmp_path / "deep.png")
    assert as_pillow(tmp_path / "rgba.png").getpixel((0, 0)) == (255, 0, 0)
    assert as_pillow(tmp_path / "deep.png").size == (256, 128)
    assert as_pillow(torch.full((3, 1, 1), 2.0)).getpixel((0, 0)) == (255, 255, 255)
    assert in_page(Image.new("L", (3, 3))).startswith("data:image/jpeg;base64,")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no")
    for name in ("broken.png", "missing.png"):
        with pytest.raises(PictureError, match=r"^Expected .*; "):
            as_pillow(tmp_path / name)
