"""Lines from things to what they take from, without a browser."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
import torch

pytest.importorskip("gradio", reason="needs the studio's parts (relook[studio])")

from relook.present.studio import ties
from relook.present.studio.ties import Places, Tie, inside_of, ties_html
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
