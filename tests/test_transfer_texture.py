"""The style's patterns on the structure's surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
import torch

from relook.correspond.semantic import Correspondence, Source, match_segments
from relook.dollhouse.classes import CLASS_ID
from relook.dollhouse.render import render
from relook.dollhouse.rooms import sample_layout
from relook.dollhouse.style import Material, Style, sample_style
from relook.dollhouse.walk import walk
from relook.evaluate.metrics.pattern import pattern_error
from relook.lift.scene.sheet import sheet
from relook.ops.warp import look_up
from relook.perceive.match import exact
from relook.transfer.finish import finished
from relook.transfer.presets import RELOOK
from relook.transfer.references import joined
from relook.transfer.texture import Textures, facing_of, style_textures, textures_over
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
    found = style_textures(rooms.structure, rooms.style, rooms.regions)
    assert found is not None
    assert float(found.known[rooms.floor].float().mean()) > 0.95
    errors = []
    for textures in (True, False):
        finish = replace(RELOOK.finish, structure_share=1.0, textures=textures)
        image = finished(rooms.structure.image, rooms.structure, rooms.style, rooms.regions, finish)
        errors.append(pattern_error(image, rooms.answer, rooms.floor.long()))
    assert errors[0] is not None
    assert errors[1] is not None
    assert errors[0] < 0.6 * errors[1]


def test_of_several_pictures_the_one_that_is_named_gives_its_pattern(rooms: Rooms) -> None:
    plain = render(sample_layout(13, "living"), dressed(7), (80, 120)).view()
    style = joined([plain, rooms.style])
    assert rooms.structure.segments is not None
    assert style.segments is not None
    pictures = [one.segments for one in style.pictures if one.segments is not None]
    names = {region.name for region in rooms.structure.segments.regions.values()} & set(pictures[1].names)
    shown = {name: Source(name, 1) for name in names & set(rooms.structure.segments.names)}
    found = match_segments(rooms.structure.segments, pictures, matches=shown)
    several = style_textures(rooms.structure, style, replace(found, style=style.segments))
    alone = style_textures(rooms.structure, rooms.style, rooms.regions)
    assert several is not None
    assert alone is not None
    floor = rooms.floor & alone.known
    assert torch.equal(several.detail[:, floor], alone.detail[:, floor])
    assert facing_of(style).normals.shape == style.image.shape


def test_the_pattern_neither_brightens_nor_darkens(rooms: Rooms) -> None:
    found = style_textures(rooms.structure, rooms.style, rooms.regions)
    assert found is not None
    assert torch.allclose(found.detail[:, rooms.floor & found.known].exp().mean(1), torch.ones(3), atol=1e-4)
    assert not bool(found.detail[:, ~found.known].any())


def test_classes_without_counterpart_are_left(rooms: Rooms) -> None:
    found = style_textures(rooms.structure, rooms.style, rooms.regions)
    assert found is not None
    unmatched = ~torch.isin(rooms.regions.structure_classes, rooms.regions.style_classes)
    assert not bool(found.known[unmatched].any())


def test_without_metres_no_texture_is_transferred(rooms: Rooms) -> None:
    assert rooms.structure.depth is not None
    guessed = replace(rooms.structure, depth=Depth(rooms.structure.depth.values, "relative"))
    for other in (guessed, replace(rooms.structure, depth=None)):
        assert style_textures(other, rooms.style, rooms.regions) is None
    assert RELOOK.finish.textures
    images = [
        finished(guessed.image, guessed, rooms.style, rooms.regions, replace(RELOOK.finish, textures=textures))
        for textures in (False, True)
    ]
    assert torch.equal(*images)


def test_rough_depth_gives_no_texture(rooms: Rooms) -> None:
    assert rooms.style.depth is not None
    bumps = torch.randn(1, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    rough = 1 + 0.05 * torch.nn.functional.interpolate(bumps, rooms.style.size, mode="bicubic")[0, 0]
    guessed = replace(rooms.style, depth=Depth(rooms.style.depth.values * rough, "metric"))
    assert style_textures(rooms.structure, guessed, rooms.regions) is None


def test_views_of_one_room_agree_where_its_patterns_lie(rooms: Rooms) -> None:
    """Each by itself puts the floor's checks where its own picture ends; together they are at one place of the world."""
    views = [render(sample_layout(11), dressed(5), (96, 96), pose).view() for pose in walk(sample_layout(11), 3)[::2]]
    pictures = [view.segments for view in views if view.segments is not None]
    both = sheet(views)
    assert both.segments is not None
    assert rooms.style.segments is not None
    together = textures_over(views, rooms.style, match_segments(both.segments, rooms.style.segments))
    alone = [
        style_textures(view, rooms.style, match_segments(segments, rooms.style.segments))
        for view, segments in zip(views, pictures, strict=True)
    ]
    assert together is not None

    def off(found: Sequence[Textures | None]) -> float:
        first, second = (one for one in found if one is not None)
        matches = exact(views[1], views[0])
        seen = look_up(torch.cat([first.detail, first.known[None].float()]), matches.flow, matches.confidence, None)
        both = (seen.confidence > 0.9) & (seen.values[3] > 0.99) & second.known & pictures[1].mask("floor")
        assert int(both.sum()) > 200
        return float((seen.values[:3] - second.detail).abs()[:, both].mean())

    assert off(together) < 0.6 * off(alone)
    blind = replace(views[1], depth=None)
    assert textures_over([views[0], blind], rooms.style, match_segments(both.segments, rooms.style.segments)) is None
