"""Refined regions: floors end at the picture's edges, legs leave them, walls meet ceilings in straight lines, wrong cuts are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relook.errors import SegmentsError
from relook.perceive import borders, perception
from relook.perceive import layout as layouts
from relook.perceive.borders import refined_segments
from relook.perceive.borders.surface import foreign
from relook.perceive.layout import lines
from relook.perceive.layout.lines import find_lines
from relook.perceive.perception import COARSE, Perception
from relook.session import Session
from relook.types import Camera, Layout, Region, Segments, View, Wall

WALL, FLOOR, CEILING, CHAIR = 1, 2, 3, 4
REGIONS = {WALL: Region("wall"), FLOOR: Region("floor"), CEILING: Region("ceiling"), CHAIR: Region("chair")}
SIZE = (300, 400)


def drawn() -> tuple[torch.Tensor, np.ndarray]:
    """A picture of a wall over a floor with a chair of thin legs on it, and its true labels."""
    labels = np.full(SIZE, WALL)
    labels[200:] = FLOOR
    labels[:60] = CEILING
    labels[150:220, 150:230] = CHAIR
    labels[220:270, 153:159] = labels[220:270, 221:227] = CHAIR
    colours = torch.tensor([[0.0] * 3, [0.85, 0.83, 0.8], [0.6, 0.42, 0.25], [0.86, 0.84, 0.81], [0.15, 0.2, 0.4]])
    noise = 0.01 * torch.randn(3, *SIZE, generator=torch.Generator().manual_seed(0))
    return (colours[torch.from_numpy(labels)].permute(2, 0, 1) + noise).clamp(0, 1), labels


def coarse(labels: np.ndarray) -> np.ndarray:
    """What a segmenter makes of it: no legs, borders some pixels off."""
    seen = labels.copy()
    seen[220:] = FLOOR
    columns = np.arange(SIZE[1])
    rows = np.arange(SIZE[0])[:, None]
    waves = np.round(4 * np.sin(columns / 9)).astype(int)
    room = seen != CHAIR
    seen[room & (rows >= 190) & (rows < 200 + waves)] = WALL
    seen[room & (rows >= 200 + waves)] = FLOOR
    seen[rows < 60 + waves] = CEILING
    seen[(rows >= 60 + waves) & (seen == CEILING)] = WALL
    return seen


def refined(image: torch.Tensor, labels: np.ndarray, layout: Layout | None = None) -> np.ndarray:
    return refined_segments(View(image, Segments(torch.from_numpy(labels), REGIONS), layout=layout)).labels.numpy()


def iou(found: np.ndarray, true: np.ndarray, id: int) -> float:
    return float(((found == id) & (true == id)).sum() / ((found == id) | (true == id)).sum())


def test_floors_end_at_edges_and_legs_leave_them() -> None:
    image, true = drawn()
    before = coarse(true)
    after = refined(image, before)
    legs = (true == CHAIR) & (np.arange(SIZE[0])[:, None] >= 225)
    assert (after[legs] == CHAIR).mean() > 0.9
    assert iou(after, true, FLOOR) > 0.985 > iou(before, true, FLOOR)
    assert iou(after, true, CHAIR) > 0.95 > iou(before, true, CHAIR)


def test_a_ceiling_that_looks_like_the_wall_ends_in_the_layouts_line() -> None:
    """A camera 1.2 m high under a ceiling of 2.6 m looks straight at a wall 4 m away: it meets the ceiling at row 150 - 1.4 / 4 f."""
    image, true = drawn()
    pose = torch.eye(4)
    pose[1, 3] = 1.2
    focal = (150 - 60) * 4 / 1.4
    K = torch.tensor([[focal, 0, 200], [0, focal, 150], [0, 0, 1]])
    layout = Layout(SIZE, Camera(K, pose), 2.6, (Wall((-9.0, 4.0), (9.0, 4.0)),))
    before = coarse(true)
    rows = [np.argmax(labels != CEILING, 0) for labels in (before, refined(image, before, layout))]
    assert rows[0].std() > 2
    assert rows[1].std() < 0.5
    assert abs(rows[1].mean() - 60) < 4


def test_a_ceiling_ends_in_the_pictures_lines_without_a_layout() -> None:
    """The segmenter is off by up to 16 pixels, in waves; the true border is a faint bend that no layout knows."""
    columns, rows = np.arange(SIZE[1]), np.arange(SIZE[0])[:, None]
    bend = 60 + np.abs(columns - 250) // 5
    true, seen = (np.where(rows < border, CEILING, WALL) for border in (bend, bend + 16 * np.sin(columns / 25)))
    colours = torch.tensor([[0.85, 0.83, 0.8], [0.0] * 3, [0.9, 0.88, 0.85]])
    noise = 0.005 * torch.randn(3, *SIZE, generator=torch.Generator().manual_seed(0))
    image = colours[torch.from_numpy(true) - 1].permute(2, 0, 1) + noise
    off = [np.abs((labels == CEILING).sum(0) - bend) for labels in (seen, refined(image, seen))]
    assert off[0].mean() > 8
    assert off[1].mean() < 1
    assert np.quantile(off[1], 0.98) <= 2


def test_what_would_change_too_much_stays() -> None:
    """A chair that the segmenter saw on an even wall has no border there."""
    image = torch.full((3, *SIZE), 0.7) + 0.01 * torch.randn(3, *SIZE, generator=torch.Generator().manual_seed(1))
    labels = np.full(SIZE, WALL)
    labels[100:200, 100:200] = CHAIR
    assert iou(refined(image.clamp(0, 1), labels), labels, CHAIR) > 0.7


def test_light_on_a_floor_is_no_thing() -> None:
    floor = np.full((200, 300, 3), (150, 138, 148), np.uint8)
    floor[:, :, 0] = (150 + 40 * np.sin(np.linspace(0, 3, 300))).astype(np.uint8)
    floor[90:110, 140:160] = (120, 150, 90)
    far = foreign(floor, np.ones((200, 300), bool))
    assert far[95:105, 145:155].min() > 1.6
    assert np.median(far) < 0.5
    assert (far[:80] > 1).mean() < 0.01


def test_repeats_to_the_pixel_and_needs_segments() -> None:
    image, true = drawn()
    assert (refined(image, coarse(true)) == refined(image, coarse(true))).all()
    with pytest.raises(SegmentsError, match="segment it first"):
        refined_segments(View(image))


def test_ends_between_any_two_steps() -> None:
    image, true = drawn()
    view, asked = View(image, Segments(torch.from_numpy(coarse(true)), REGIONS)), []
    refined_segments(view, check=lambda: asked.append(1))
    assert len(asked) >= 4
    for last in range(len(asked)):
        left = iter(range(last))
        with pytest.raises(StopIteration):
            refined_segments(view, check=lambda left=left: next(left))


def test_only_what_was_seen_coarsely_gets_new_borders(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layout's regions do; those that the view brings, and those of other segmenters, stay as they are."""
    image, labels = drawn()
    new = Segments(torch.zeros(labels.shape, dtype=torch.int64))
    monkeypatch.setattr(perception, "refined_segments", lambda *_: new)
    own = View(image, Segments(torch.from_numpy(labels), REGIONS))
    session = Session("cpu")
    assert Perception(session, "layout").regions_and_room(View(image), "none").segments is new
    assert Perception(session, "whole").regions_and_room(View(image), "none").segments is not new
    assert Perception(session, "layout").regions_and_room(own, "none").segments is own.segments
    assert set(COARSE) == {"ade20k", "layout"}


def test_lines_are_found_once_for_layout_and_borders(monkeypatch: pytest.MonkeyPatch) -> None:
    image, _ = drawn()
    asked: list[torch.Tensor] = []
    found = find_lines(image)
    for place in (layouts, lines, borders):
        monkeypatch.setattr(place, "find_lines", lambda image: asked.append(image) or found)
    Perception(Session("cpu"), "layout").regions_and_room(View(image), "auto")
    assert len(asked) == 1
