"""The style's patterns on the structure's surfaces."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from relook.correspond.semantic import match_segments
from relook.dollhouse.classes import CLASS_ID
from relook.dollhouse.render import render
from relook.dollhouse.rooms import sample_layout
from relook.dollhouse.style import Material, Style, sample_style
from relook.evaluate.metrics import pattern_error
from relook.transfer.finish import finished
from relook.transfer.lay import laid
from relook.transfer.presets import preset_of
from relook.types import Depth, View


def dressed(seed: int, **patterns: tuple[str, int]) -> Style:
    """A style with every surface plain but those that are named."""
    style = sample_style(seed)
    materials: dict[str, Material] = {}
    for name, material in style.materials.items():
        pattern, frequency = patterns.get(name, ("plain", material.frequency))
        materials[name] = replace(material, pattern=pattern, frequency=frequency)
    return replace(style, materials=materials)


@pytest.fixture(scope="module")
def rooms() -> tuple[View, View, torch.Tensor, torch.Tensor]:
    """A room, another one with a patterned floor, the first with that floor (the answer), and where the floor is."""
    structure, style = sample_layout(11, "living"), sample_layout(12, "living")
    plain, wanted = dressed(5), dressed(6, floor=("checks", 4))
    here = render(structure, plain, (96, 96))
    answer = render(structure, wanted, (96, 96)).image
    return here.view(), render(style, wanted, (96, 96)).view(), answer, here.classes == CLASS_ID["floor"]


def test_a_floor_takes_the_pattern_in_its_size(rooms: tuple[View, View, torch.Tensor, torch.Tensor]) -> None:
    structure, style, answer, floor = rooms
    assert structure.segments is not None
    assert style.segments is not None
    regions = match_segments(structure.segments, style.segments)
    found = laid(structure, style, regions)
    assert found is not None
    assert float(found.known[floor].float().mean()) > 0.95
    preset = replace(preset_of("restyle3d"), structure_share=1.0)
    errors = {}
    for name, lay in (("laid", 1.0), ("bare", 0.0)):
        image = finished(structure.image, structure, style, regions, replace(preset, lay=lay))
        errors[name] = pattern_error(image, answer, floor.long())
    assert errors["laid"] is not None
    assert errors["bare"] is not None
    assert errors["laid"] < 0.6 * errors["bare"]


def test_the_pattern_neither_brightens_nor_darkens(rooms: tuple[View, View, torch.Tensor, torch.Tensor]) -> None:
    structure, style, _, floor = rooms
    assert structure.segments is not None
    assert style.segments is not None
    found = laid(structure, style, match_segments(structure.segments, style.segments))
    assert found is not None
    assert torch.allclose(found.detail[:, floor & found.known].exp().mean(1), torch.ones(3), atol=1e-4)
    assert not bool(found.detail[:, ~found.known].any())


def test_without_metres_nothing_is_laid(rooms: tuple[View, View, torch.Tensor, torch.Tensor]) -> None:
    structure, style, _, _ = rooms
    assert structure.segments is not None
    assert style.segments is not None
    assert structure.depth is not None
    regions = match_segments(structure.segments, style.segments)
    guessed = replace(structure, depth=Depth(structure.depth.values, "relative"))
    for other in (guessed, replace(structure, depth=None)):
        assert laid(other, style, regions) is None
    preset = preset_of("restyle3d")
    assert preset.lay > 0
    images = [finished(guessed.image, guessed, style, regions, replace(preset, lay=lay)) for lay in (0.0, preset.lay)]
    assert torch.equal(*images)


def test_rough_depth_lays_nothing(rooms: tuple[View, View, torch.Tensor, torch.Tensor]) -> None:
    structure, style, _, _ = rooms
    assert structure.segments is not None
    assert style.segments is not None
    assert style.depth is not None
    bumps = torch.randn(1, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    rough = 1 + 0.05 * torch.nn.functional.interpolate(bumps, style.size, mode="bicubic")[0, 0]
    guessed = replace(style, depth=Depth(style.depth.values * rough, "metric"))
    assert laid(structure, guessed, match_segments(structure.segments, style.segments)) is None


def test_classes_without_counterpart_are_left(rooms: tuple[View, View, torch.Tensor, torch.Tensor]) -> None:
    structure, style, _, _ = rooms
    assert structure.segments is not None
    assert style.segments is not None
    regions = match_segments(structure.segments, style.segments)
    found = laid(structure, style, regions)
    assert found is not None
    lonely = ~torch.isin(regions.structure_classes, regions.style_classes)
    assert not bool(found.known[lonely].any())
