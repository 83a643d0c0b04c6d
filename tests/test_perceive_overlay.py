"""Overlays: colours, outlines and names of regions, and where the names stand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from relook.ops.oklab import rgb_to_oklab
from relook.perceive.overlay import colours_of, depth_picture, names_of, overlay, place_names
from relook.types import Depth, Region, Segments

NAMES = {1: Region("wall"), 2: Region("sofa"), 3: Region("sofa", 1), 4: Region("lamp")}


def segments() -> Segments:
    labels = torch.ones(300, 400, dtype=torch.int64)
    labels[200:280, 20:180], labels[200:280, 220:380], labels[60:62, 100:102], labels[:10, :10] = 2, 3, 4, 0
    return Segments(labels, NAMES)


def test_numbers_are_written_only_where_a_class_has_several() -> None:
    assert names_of(segments()) == {1: "wall", 2: "sofa 1", 3: "sofa 2", 4: "lamp"}
    assert names_of(Segments(torch.full((2, 2), 3), NAMES)) == {3: "sofa"}


def test_names_stand_inside_their_regions_and_apart() -> None:
    found = segments()
    placed = place_names(found.labels.numpy(), names_of(found))
    assert {name.text for name in placed} == {"wall", "sofa 1", "sofa 2"}, "the lamp is too small for its name"
    used = np.zeros((300, 400), int)
    for name in placed:
        box = (slice(name.y, name.y + name.height), slice(name.x, name.x + name.width))
        id = next(id for id, text in names_of(found).items() if text == name.text)
        assert (found.labels.numpy()[box] == id).all()
        used[box] += 1
    assert used.max() == 1


@pytest.mark.parametrize("size", [(900, 1600), (1600, 300), (8, 8), (37, 500)])
def test_names_stay_in_pictures_of_any_size(size: tuple[int, int]) -> None:
    labels = np.ones(size, np.int64)
    labels[:, size[1] // 2 :] = 2
    for name in place_names(labels, {1: "refrigerator", 2: "wall"}):
        assert 0 <= name.x <= name.x + name.width <= size[1]
        assert 0 <= name.y <= name.y + name.height <= size[0]


@pytest.mark.parametrize("light", [0.02, 0.98])
def test_names_can_be_read_on_dark_and_on_light(light: float) -> None:
    found = segments()
    painted = overlay(torch.full((3, 300, 400), light), found)
    for name in place_names(found.labels.numpy(), names_of(found)):
        box = painted[:, name.y : name.y + name.height, name.x : name.x + name.width]
        assert box.amin(0).max() > 0.98, "white letters"
        assert box.amax(0).min() < 0.02, "with a black rim"


def test_unlabelled_pixels_stay_and_outlines_are_drawn() -> None:
    image = torch.full((3, 300, 400), 0.3)
    painted = overlay(image, segments())
    assert (painted[:, 2:6, 2:6] - 0.3).abs().max() < 1 / 255
    assert (painted[:, 199, 30:170] == 1).all()
    assert painted.shape == image.shape


def test_colours_of_twenty_classes_are_distinct() -> None:
    regions = {id: Region(f"class {id}") for id in range(1, 21)}
    lab = {id: rgb_to_oklab(torch.tensor(c).view(3, 1, 1)).flatten() for id, c in colours_of(regions).items()}
    assert min(float((a - b).norm()) for a, b in itertools.combinations(lab.values(), 2)) > 0.02
    chairs = colours_of({id: Region("chair", id) for id in range(3)})
    assert len(set(chairs.values())) == 3


def test_near_is_bright() -> None:
    depth = Depth(torch.linspace(1, 5, 40)[None].expand(30, 40).contiguous(), "metric")
    light = depth_picture(depth).mean(0)
    assert (light[:, 0] > light[:, 20]).all()
    assert (light[:, 20] > light[:, -1]).all()
