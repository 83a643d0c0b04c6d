"""The style's patterns on the structure's surfaces."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from relook.correspond.semantic import Correspondence, match_segments
from relook.dollhouse.classes import CLASS_ID
from relook.dollhouse.render import render
from relook.dollhouse.rooms import sample_layout
from relook.dollhouse.style import Material, Style, sample_style
from relook.evaluate.metrics import pattern_error
from relook.transfer.finish import finished
from relook.transfer.lay import laid
from relook.transfer.presets import preset_of
from relook.types import Depth, View


@dataclass(frozen=True)
class Rooms:
    """Two rooms, the second with a patterned floor."""

    structure: View
    style: View
    regions: Correspondence
    answer: torch.Tensor
    """The first room with the second one's floor."""
    floor: torch.Tensor
    """Where it is."""


def dressed(seed: int, **patterns: tuple[str, int]) -> Style:
    """A style with every surface plain but those that are named."""
    style = sample_style(seed)
    materials: dict[str, Material] = {}
    for name, material in style.materials.items():
        pattern, frequency = patterns.get(name, ("plain", material.frequency))
        materials[name] = replace(material, pattern=pattern, frequency=frequency)
    return replace(style, materials=materials)


@pytest.fixture(scope="module")
def rooms() -> Rooms:
    first, second = sample_layout(11, "living"), sample_layout(12, "living")
    wanted = dressed(6, floor=("checks", 4))
    here, there = render(first, dressed(5), (96, 96)), render(second, wanted, (96, 96))
    structure, style = here.view(), there.view()
    assert structure.segments is not None
    assert style.segments is not None
    return Rooms(
        structure, style, match_segments(structure.segments, style.segments), render(first, wanted, (96, 96)).image,
        here.classes == CLASS_ID["floor"],
    )  # fmt: skip


def test_a_floor_takes_the_pattern_in_its_size(rooms: Rooms) -> None:
    found = laid(rooms.structure, rooms.style, rooms.regions)
    assert found is not None
    assert float(found.known[rooms.floor].float().mean()) > 0.95
    preset = replace(preset_of("restyle3d"), structure_share=1.0)
    errors = []
    for lay in (1.0, 0.0):
        image = finished(rooms.structure.image, rooms.structure, rooms.style, rooms.regions, replace(preset, lay=lay))
        errors.append(pattern_error(image, rooms.answer, rooms.floor.long()))
    assert errors[0] is not None
    assert errors[1] is not None
    assert errors[0] < 0.6 * errors[1]


def test_the_pattern_neither_brightens_nor_darkens(rooms: Rooms) -> None:
    found = laid(rooms.structure, rooms.style, rooms.regions)
    assert found is not None
    assert torch.allclose(found.detail[:, rooms.floor & found.known].exp().mean(1), torch.ones(3), atol=1e-4)
    assert not bool(found.detail[:, ~found.known].any())


def test_classes_without_counterpart_are_left(rooms: Rooms) -> None:
    found = laid(rooms.structure, rooms.style, rooms.regions)
    assert found is not None
    lonely = ~torch.isin(rooms.regions.structure_classes, rooms.regions.style_classes)
    assert not bool(found.known[lonely].any())


def test_without_metres_nothing_is_laid(rooms: Rooms) -> None:
    assert rooms.structure.depth is not None
    guessed = replace(rooms.structure, depth=Depth(rooms.structure.depth.values, "relative"))
    for other in (guessed, replace(rooms.structure, depth=None)):
        assert laid(other, rooms.style, rooms.regions) is None
    preset = preset_of("restyle3d")
    assert preset.lay > 0
    images = [
        finished(guessed.image, guessed, rooms.style, rooms.regions, replace(preset, lay=lay)) for lay in (0.0, 1.0)
    ]
    assert torch.equal(*images)


def test_rough_depth_lays_nothing(rooms: Rooms) -> None:
    assert rooms.style.depth is not None
    bumps = torch.randn(1, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    rough = 1 + 0.05 * torch.nn.functional.interpolate(bumps, rooms.style.size, mode="bicubic")[0, 0]
    guessed = replace(rooms.style, depth=Depth(rooms.style.depth.values * rough, "metric"))
    assert laid(rooms.structure, guessed, rooms.regions) is None
