"""Lines from things to what they take from, without a browser."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
import torch

pytest.importorskip("gradio", reason="needs the studio's parts (relook[studio])")

from relook.present.studio import ties
from relook.present.studio.ties import Places, Tie, inside_of, names_apart, ties_html
from relook.types import Region, Segments, View

SIZE = (40, 60)


def view(labels: torch.Tensor) -> View:
    names = {0: Region("wall"), 1: Region("sofa"), 2: Region("lamp")}
    return View(torch.zeros(3, *labels.shape), segments=Segments(labels, names))


def test_a_dot_lies_in_its_thing_where_the_middle_does_not() -> None:
    labels = torch.zeros(SIZE, dtype=torch.int64)
    labels[:, 25:35] = 1  # the wall's middle is sofa, and its left part is wider than its right one
    labels[:, 50:] = 1
    x, y = inside_of(view(labels), "wall") or (0.0, 0.0)
    assert 0 < x < 25 / 60
    assert abs(y - 0.5) < 0.2, "far from the picture's border, too"
    assert inside_of(view(labels), "lamp") is None
    assert inside_of(View(torch.zeros(3, *SIZE)), "wall") is None


def test_places_are_found_once_for_the_last_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, str]] = []
    monkeypatch.setattr(ties, "inside_of", lambda view, name: asked.append((id(view), name)))
    views, places = [view(torch.zeros(SIZE, dtype=torch.int64)) for _ in range(ties.KEPT + 1)], Places()
    for one in (*views[:2], *views[:2]):
        places.of(one, "wall")
    assert asked == [(id(one), "wall") for one in views[:2]]
    for one in (*views, views[0]):
        places.of(one, "wall")
    assert asked[2:] == [(id(one), "wall") for one in (*views[2:], views[0])], "the first had to go"


@pytest.mark.parametrize("kind", ["wide", "tall"])
def test_lines_end_where_the_pictures_show_things(kind: str) -> None:
    room, look = view(torch.zeros(SIZE, dtype=torch.int64)), view(torch.zeros(80, 60, dtype=torch.int64))
    said = [Tie("sofa", "from two", (0.25, 0.5), ((0.0, 0.0), (1.0, 1.0))), Tie('<"plant">', "stays", (0.5, 0.5))]
    html = ties_html(("/tmp/a room.jpg", "/tmp/look.jpg"), (room, look), said)
    drawing = next(one for one in ElementTree.fromstring(html) if one.get("class") == kind)
    (first, second), (sofa, plant) = drawing.findall("image"), drawing.findall("g")
    assert first.get("href") == "gradio_api/file=/tmp/a%20room.jpg"
    left, top, width, height = (float(second.get(name) or 0) for name in ("x", "y", "width", "height"))
    ends = [(float(line.get("x2") or 0), float(line.get("y2") or 0)) for line in sofa.findall("line")]
    assert ends == [(left, top), pytest.approx((left + width, top + height), abs=0.2)]
    assert width / height == pytest.approx(60 / 80, rel=0.01)
    starts = {(line.get("x1"), line.get("y1")) for line in sofa.findall("line")}
    assert starts == {(f"{float(first.get('width') or 0) / 4:.1f}", f"{float(first.get('height') or 0) / 2:.1f}")}
    assert (plant.get("data-thing"), plant.get("aria-label"), plant.findall("line")) == ('<"plant">', "stays", [])
    assert len(plant.findall("circle")) == 1
    assert plant.get("tabindex") == "0"


def test_names_stand_in_the_picture_and_over_no_other() -> None:
    dots = [(20.0, 15.0), (60.0, 100.0), (70.0, 104.0), (480.0, 290.0), (62.0, 108.0), (66.0, 98.0), (64.0, 112.0)]
    names = ["wall", "armchair", "coffee table", "floor", "cushion", "lamp", "painting"]
    places = names_apart(names, dots, (0.0, 0.0, 500.0, 300.0), 24.0)
    assert None in places  # six cannot stand there
    assert sum(place is not None for place in places) >= 5
    boxes = [
        (x - 0.6 * 24 * len(name) / 2, y - 0.8 * 24, x + 0.6 * 24 * len(name) / 2, y + 0.2 * 24)
        for name, (x, y) in ((name, place) for name, place in zip(names, places, strict=True) if place is not None)
    ]
    assert all(left >= 0 and right <= 500.1 and top >= 0 and bottom <= 300 for left, top, right, bottom in boxes)
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            apart = one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]
            assert apart
    assert names_apart(["sofa"], [(250.0, 150.0)], (0.0, 0.0, 500.0, 300.0), 24.0) == [(250.0, 138.0)]
