"""The suite of masks: its two numbers, polygons from files, and a small run on a photograph."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image

from relook.engine import Engine
from relook.errors import InputError, ShapeError
from relook.evaluate.metrics.masks import boundary_f, mask_iou, named, unseen_border
from relook.evaluate.perception.masks import CUT, REFINED, Config, numbers, suite
from relook.evaluate.records import WHOLE, Number
from relook.evaluate.run import run
from relook.evaluate.sources.polygons import drawn_surfaces
from relook.types import Region, Segments

POLYGONS = Path(__file__).parent / "data" / "polygons"


def box(left: int, right: int) -> torch.Tensor:
    mask = torch.zeros(60, 80, dtype=torch.bool)
    mask[20:40, left:right] = True
    return mask


def test_iou_and_borders_of_a_shifted_box() -> None:
    assert mask_iou(box(10, 30), box(10, 30)) == boundary_f(box(10, 30), box(10, 30)) == 1
    assert mask_iou(box(20, 40), box(10, 30)) == pytest.approx(1 / 3)
    assert boundary_f(box(14, 34), box(10, 30), tolerance=5.0) == 1
    shifted = boundary_f(box(14, 34), box(10, 30), tolerance=2.0)
    assert shifted is not None
    assert 0.5 < shifted < 0.8  # the long sides agree but for their ends, the short ones do not
    assert mask_iou(box(0, 0), box(0, 0)) is boundary_f(box(1, 9), box(0, 0)) is None
    assert boundary_f(box(0, 0), box(1, 9)) == 0
    with pytest.raises(ShapeError, match="one size"):
        mask_iou(box(1, 9), box(1, 9)[:30])


def files(folder: Path, points: Sequence[object] = (), **surface: object) -> None:
    Image.new("RGB", (80, 60)).save(folder / "room.png")
    (folder / "room.json").write_text(
        json.dumps({"picture": "room.png", "surfaces": [surface] if surface else [], "points": points})
    )


def test_polygons_have_holes_and_windows(tmp_path: Path) -> None:
    corners = [[10, 20], [29, 20], [29, 39], [10, 39]]
    files(tmp_path, **{"class": "couch", "outlines": [corners], "holes": [[[15, 25], [20, 25], [20, 30], [15, 30]]]})
    drawn = drawn_surfaces(tmp_path, tmp_path)["room"]
    mask = drawn.surfaces[0].mask((60, 80))
    assert int(mask.sum()) == 20 * 20 - 6 * 6
    found = Segments(mask.long(), {1: Region("sofa")})
    assert [number[1:] for number in numbers(found, drawn)] == [("sofa 1", 1.0), ("sofa 1", 1.0)]
    files(tmp_path, **{"class": "sofa", "outlines": [corners], "window": [0, 0, 20, 60]})
    surface = drawn_surfaces(tmp_path, tmp_path)["room"].surfaces[0]
    assert int(surface.part(surface.mask((60, 80))).sum()) == 20 * 10


@pytest.mark.parametrize(
    "content", ["{}", '{"picture": "room.png", "surfaces": [{}]}', '{"picture": "gone.png", "surfaces": []}']
)
def test_what_is_no_surface_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match="got none"):
        drawn_surfaces(tmp_path, tmp_path)
    files(tmp_path)
    (tmp_path / "room.json").write_text(content)
    with pytest.raises(InputError, match="Expected"):
        drawn_surfaces(tmp_path, tmp_path)


def test_the_drawn_surfaces_are_enough() -> None:
    drawn = [json.loads(file.read_text()) for file in POLYGONS.glob("*.json")]
    names = [one["class"] for each in drawn for one in each["surfaces"]]
    assert len(drawn) >= 8
    assert len(names) >= 12
    assert {"floor", "wall", "ceiling", "sofa", "rug", "curtain"} <= set(names)
    assert sum(len(each["points"]) for each in drawn) >= 900


def test_names_of_points(tmp_path: Path) -> None:
    files(tmp_path, [[5, 5, "sofa"], [70, 50, "wall|other"], [5, 50, "other"], [70, 5, "sofa"]])
    labels = torch.zeros(60, 80, dtype=torch.int64)
    labels[:30, :40], labels[30:, 40:], labels[30:, :40] = 1, 2, 3
    found = Segments(labels, {1: Region("couch"), 2: Region("lamp"), 3: Region("floor")})
    assert numbers(found, drawn_surfaces(tmp_path, tmp_path)["room"]) == [Number("named", WHOLE, 0.5)], (
        "a lamp is another thing, a floor none"
    )
    assert named([True, False, True, True]) == 0.75


def test_borders_that_the_picture_does_not_show() -> None:
    """A blue thing that is seen, and a part of the wall beside it that nobody sees; where a wall meets a floor nothing need be seen."""
    labels = torch.ones(60, 80, dtype=torch.int64)
    labels[50:] = 2
    labels[10:30, 10:30], labels[10:30, 50:70] = 3, 4
    image = torch.full((3, 60, 80), 0.9)
    image[:, 10:30, 10:30] = torch.tensor([0.2, 0.3, 0.5])[:, None, None]
    assert unseen_border(image, labels, [1, 2]) == pytest.approx(0.5, abs=0.03)
    assert unseen_border(image, torch.where(labels == 4, 1, labels), [1, 2]) == 0
    assert unseen_border(image, torch.where(labels == 3, 1, labels), [1, 2]) == 1
    assert unseen_border(image, labels.clamp(max=2), [1, 2]) is None
    image[:, 9:11, 49:71] = image[:, 29:31, 49:71] = image[:, 9:31, 49:51] = image[:, 9:31, 69:71] = 0
    assert unseen_border(image, labels, [1, 2]) < 0.1, "an outline shows it"


def test_a_part_of_a_picture_has_its_points(tmp_path: Path) -> None:
    files(tmp_path, [[5, 5, "sofa"], [30, 25, "floor"], [49, 44, "wall"]])
    drawn = drawn_surfaces(tmp_path, tmp_path)["room"]
    places = [[(one.x, one.y) for one in drawn.cut((20, 15, 60, 45), flip).points] for flip in (False, True)]
    assert places == [[(10, 10), (29, 29)], [(29, 10), (10, 29)]]


def test_a_small_run(tmp_path: Path) -> None:
    files(
        tmp_path,
        [[9, 9, "whole picture"], [9, 9, "wall"]],
        **{"class": "floor", "outlines": [[[0, 30], [79, 30], [79, 59], [0, 59]]]},
    )
    config = Config(
        polygons=tmp_path, photos=tmp_path, out=tmp_path / "out", segmenters=("whole",), engine=Engine(workers=1)
    )
    run(suite(config))
    lines = (tmp_path / "out" / "records.csv").read_text().splitlines()
    assert any(line.startswith(f'masks,masks,"whole{REFINED}",every,named,all,0.5') for line in lines)
    assert any(line.startswith(f'masks,masks,"whole{REFINED}",every,mask_iou,floor,0') for line in lines)
    parts = [line for line in lines if f'"whole{CUT}",room' in line]
    assert not any("mask_iou" in line for line in parts), "polygons are of whole pictures"
