"""Materials on planes against the drawn world's exact answers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from relook.correspond.semantic import Correspondence, match_segments
from relook.dollhouse.classes import CLASS_ID
from relook.dollhouse.render import render
from relook.dollhouse.rooms import sample_layout
from relook.dollhouse.style import Style, sample_style
from relook.evaluate.sources.shots import exact_layout
from relook.ops.flat import places, straight_on
from relook.transfer.materials import with_materials
from relook.transfer.materials.sample import sampled, turned
from relook.transfer.materials.shading import lit, shading_of
from relook.transfer.materials.surface import surface_of
from relook.transfer.palette import palette
from relook.types import View

SIDE = 256


@dataclass(frozen=True)
class Rooms:
    """Two rooms, the second with a patterned floor."""

    structure: View
    style: View
    regions: Correspondence
    moved: torch.Tensor
    """The first room in the palette of the second."""
    answer: torch.Tensor
    """The first room in the style of the second."""
    floor: torch.Tensor
    """Where the first one's floor is."""


def dressed(seed: int, floor: str, frequency: int) -> Style:
    """A style with plain surfaces but for its floor."""
    style = sample_style(seed)
    materials = {name: replace(one, pattern="plain") for name, one in style.materials.items()}
    materials["floor"] = replace(materials["floor"], pattern=floor, frequency=frequency)
    return replace(style, materials=materials)


@pytest.fixture(scope="module")
def rooms() -> Rooms:
    first, second = sample_layout(11, "living"), sample_layout(12, "living")
    style = dressed(6, "wood", 3)
    here, there = render(first, dressed(5, "checks", 2), (SIDE, SIDE)), render(second, style, (SIDE, SIDE))
    views = [replace(one.view(), layout=exact_layout(own, one.view())) for one, own in ((here, first), (there, second))]
    assert views[0].segments is not None
    assert views[1].segments is not None
    regions = match_segments(views[0].segments, views[1].segments)
    answer = render(first, style, (SIDE, SIDE)).image
    moved = palette(views[0], views[1], regions)
    return Rooms(views[0], views[1], regions, moved, answer, here.classes == CLASS_ID["floor"])


def spectrum(image: torch.Tensor, view: View, where: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Power of a floor's pattern by frequency, across and ahead, as seen straight on."""
    surface = surface_of(view, "floor", where)
    assert surface is not None
    found = places(surface.H, where)
    cell = 0.02
    low = found.place.quantile(0.1, dim=1)
    seen = straight_on(image.mean(0, keepdim=True), where, surface.H, (float(low[0]), float(low[1])), (64, 64), cell)
    values = seen.values[0] - seen.values[0][seen.known].mean()
    values = torch.where(seen.known, values, 0.0)
    power = torch.fft.rfft2(values).abs().square()
    return power[1:32, 0], power[0, 1:]


def test_a_floor_has_the_styles_planks_in_their_size_and_direction(rooms: Rooms) -> None:
    """Free of phase: the spectrum of the pattern, as seen straight on, is that of the exact answer."""
    found = with_materials(rooms.moved, rooms.structure, rooms.style, rooms.regions)
    likeness = []
    for image in (found, rooms.moved):
        both = [torch.cat(spectrum(one, rooms.structure, rooms.floor)) for one in (image, rooms.answer)]
        likeness.append(float(torch.nn.functional.cosine_similarity(both[0].sqrt(), both[1].sqrt(), dim=0)))
    assert likeness[0] > 0.8
    assert likeness[0] > likeness[1] + 0.05
    off = ((found - rooms.answer)[:, rooms.floor].mean(1)).abs().max()
    assert float(off) < 0.06


def test_what_is_no_floor_stays_as_it_is(rooms: Rooms) -> None:
    found = with_materials(rooms.moved, rooms.structure, rooms.style, rooms.regions)
    away = torch.nn.functional.max_pool2d(rooms.floor[None].float(), 9, 1, 4)[0] == 0
    assert torch.equal(found[:, away], rooms.moved[:, away])
    assert torch.equal(with_materials(rooms.moved, rooms.structure, rooms.style, rooms.regions, 0.0), rooms.moved)


def test_unknown_planes_and_small_samples_change_nothing(rooms: Rooms) -> None:
    layout = rooms.style.layout
    assert layout is not None
    for unsure in (None, replace(layout, floor=0.4), replace(layout, directions=0.4)):
        style = replace(rooms.style, layout=unsure)
        assert torch.equal(with_materials(rooms.moved, rooms.structure, style, rooms.regions), rooms.moved)
    surface = surface_of(rooms.style, "floor", rooms.style.segments.mask("floor"))  # type: ignore[union-attr]
    assert surface is not None
    assert sampled(rooms.style.image, surface) is not None
    assert sampled(rooms.style.image, surface, least=100.0) is None


def test_a_sample_has_no_light_left_and_can_be_turned(rooms: Rooms) -> None:
    surface = surface_of(rooms.style, "floor", rooms.style.segments.mask("floor"))  # type: ignore[union-attr]
    assert surface is not None
    dark = torch.linspace(1, 0.5, SIDE) * rooms.style.image
    bright, shaded = sampled(rooms.style.image, surface), sampled(dark, surface)
    assert bright is not None
    assert shaded is not None
    assert float(bright.detail.values[:, bright.detail.known].mean().abs()) < 0.02
    both = bright.detail.known & shaded.detail.known
    assert float((bright.detail.values - shaded.detail.values)[:, both].abs().mean()) < 0.03
    assert bright.lines > 0.2  # planks run ahead
    back = turned(turned(turned(turned(bright))))
    assert torch.equal(back.detail.values, bright.detail.values)
    assert turned(bright).lines == -bright.lines


def test_shading_keeps_shadows_and_loses_the_pattern() -> None:
    rows, columns = torch.meshgrid(torch.arange(200), torch.arange(300), indexing="ij")
    planks = 0.5 + 0.05 * ((rows // 6) % 2)
    shadow = torch.where((columns > 100) & (columns < 180), 0.5, 1.0)
    found = shading_of((planks * shadow).expand(3, -1, -1), torch.ones(200, 300, dtype=torch.bool))
    inside, outside = found[20:180, 115:165], found[20:180, 200:280]
    assert float(outside.mean() - inside.mean()) == pytest.approx(
        2.2 * 0.693, rel=0.15
    )  # sRGB is about the 2.2th root of light
    assert float(inside.std()) < 0.03


def test_highlights_never_clip() -> None:
    light = lit(torch.tensor([0.9, 0.8, 0.7]), torch.zeros(3, 3), torch.tensor([-1.0, 0.0, 2.0]))
    assert bool((light <= 1).all())
    assert bool((light[:, 0] < light[:, 1]).all())
    assert float(light[0, 0]) == pytest.approx(0.9 * 2.71828**-1, rel=1e-3)
