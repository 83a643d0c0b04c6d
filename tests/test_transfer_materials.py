"""Materials on planes against the drawn world's exact answers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from relook.config import PhotoConfig
from relook.correspond.semantic import Correspondence, match_segments
from relook.covers import Cover
from relook.dollhouse.classes import CLASS_ID
from relook.dollhouse.patterns import PATTERNS
from relook.dollhouse.render import render
from relook.dollhouse.rooms import sample_layout
from relook.dollhouse.style import Style, sample_style
from relook.errors import RecordError, SegmentsError
from relook.evaluate.sources.shots import exact_layout
from relook.io import write_image, write_segments
from relook.ops.exemplar import grown
from relook.ops.flat import places, straight_on
from relook.perceive.layout.files import write_layout
from relook.session import Session
from relook.transfer.materials import cover, style_material, with_covers, with_materials
from relook.transfer.materials.sample import ANY, EXACT, sampled
from relook.transfer.materials.shading import GLARE, lit, shading_of, without_gloss
from relook.transfer.materials.surface import Surface, surfaces_of
from relook.transfer.materials.swatch import of_picture
from relook.transfer.palette import palette
from relook.transfer.photo import repeat_photo, restyle_photo
from relook.types import Segments, View

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


def floor_of(view: View) -> Surface:
    assert view.segments is not None
    (surface,) = surfaces_of(view, "floor", view.segments.mask("floor"))
    return surface


def spectrum(image: torch.Tensor, view: View, where: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Power of a floor's pattern by frequency, across and ahead, as seen straight on."""
    (surface,) = surfaces_of(view, "floor", where)
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


@pytest.mark.parametrize("reaches", [False, True])
def test_planks_go_on_a_ceiling_that_is_the_rooms(reaches: bool) -> None:
    """A network's ceiling that reaches down a wall would show planks there: it takes the colours alone."""
    views = []
    for seed, kind, pattern in ((13, "bedroom", "plain"), (11, "bedroom", "stripes")):
        furnished, style = sample_layout(seed, kind), dressed(6, "plain", 2)
        ceiling = replace(
            style.materials["ceiling"], pattern=pattern, frequency=2, first=(0.7, 0.4, 0.2), second=(0.3, 0.15, 0.05)
        )
        style = replace(style, materials={**style.materials, "ceiling": ceiling})
        view = render(furnished, style, (SIDE, SIDE)).view()
        views.append(replace(view, layout=exact_layout(furnished, view)))
    segments = views[0].segments
    assert segments is not None
    regions = {id: replace(one, confidence=0.9) for id, one in segments.regions.items()}
    labels = segments.labels.clone()
    if reaches:
        grown_by = torch.nn.functional.max_pool2d(segments.mask("ceiling").float()[None], 61, 1, 30)[0] > 0
        labels[grown_by & segments.mask("wall")] = labels[segments.mask("ceiling")][0]
    structure = replace(views[0], segments=Segments(labels, regions))
    assert views[1].segments is not None
    found = match_segments(structure.segments, views[1].segments)
    image = with_materials(structure.image, structure, views[1], found)
    changed = (image - structure.image)[:, structure.segments.mask("ceiling")].abs().mean()
    assert bool(changed > 0.01) is not reaches


def test_a_pattern_is_grown_once_in_a_session(rooms: Rooms, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    grows: list[int] = []
    monkeypatch.setattr(cover, "grown", lambda *values: (grows.append(1), grown(*values))[1])
    asked = (rooms.structure, rooms.style, rooms.regions)
    alone = with_materials(rooms.moved, *asked)
    once = len(grows)
    assert once
    for _ in range(2):
        assert torch.equal(with_materials(rooms.moved, *asked, session=session), alone)
    assert len(grows) == 2 * once  # once without a session, once with it
    dull = replace(rooms.style, image=torch.lerp(rooms.style.image, rooms.style.image.mean(), 0.1))
    found = with_materials(rooms.moved, rooms.structure, dull, rooms.regions, session=session)
    assert torch.equal(found, with_materials(rooms.moved, rooms.structure, dull, rooms.regions))
    assert len(grows) == 4 * once  # another material is another pattern


def test_what_is_no_floor_stays_as_it_is(rooms: Rooms) -> None:
    found = with_materials(rooms.moved, rooms.structure, rooms.style, rooms.regions)
    away = torch.nn.functional.max_pool2d(rooms.floor[None].float(), 9, 1, 4)[0] == 0
    assert torch.equal(found[:, away], rooms.moved[:, away])
    assert torch.equal(with_materials(rooms.moved, rooms.structure, rooms.style, rooms.regions, (), 0.0), rooms.moved)


def test_unknown_planes_and_small_samples_change_nothing(rooms: Rooms) -> None:
    layout = rooms.style.layout
    assert layout is not None
    for unsure in (None, replace(layout, floor=0.4), replace(layout, directions=0.4)):
        style = replace(rooms.style, layout=unsure)
        assert torch.equal(with_materials(rooms.moved, rooms.structure, style, rooms.regions), rooms.moved)
    surface = floor_of(rooms.style)
    assert sampled(rooms.style.image, surface) is not None
    assert sampled(rooms.style.image, surface, needs=EXACT._replace(area=100.0)) is None


def test_a_narrow_sample_is_not_grown_where_it_was_only_perceived(rooms: Rooms) -> None:
    """Of the floor a wide piece, or strips of as much in all."""
    surface = floor_of(rooms.style)
    strips = surface._replace(mask=surface.mask & (torch.arange(SIDE) // (SIDE // 8) % 2 == 0))
    some, broad = EXACT._replace(area=0.1), EXACT._replace(area=0.1, across=0.5)
    assert sampled(rooms.style.image, surface, needs=broad) is not None
    assert sampled(rooms.style.image, strips, needs=some) is not None
    assert sampled(rooms.style.image, strips, needs=broad) is None


def test_a_seen_floor_needs_more_than_a_known_one(rooms: Rooms) -> None:
    """The rooms are small pictures, so their pixels are coarse: known, the floor takes the planks; perceived, colours alone."""
    style = rooms.regions.style
    seen = Segments(style.labels, {id: replace(one, confidence=0.9) for id, one in style.regions.items()})
    known, perceived = (
        style_material("floor", rooms.style, found) for found in (rooms.regions, replace(rooms.regions, style=seen))
    )
    assert known is not None
    assert perceived is None


def test_what_lies_in_a_windows_reflection_is_no_sample(rooms: Rooms) -> None:
    """Near the camera, where the floor is seen sharply, it is washed out; most of it is seen as it is."""
    surface = floor_of(rooms.style)
    glare = rooms.style.image.clone()
    near = surface.mask & (torch.arange(SIDE)[:, None] > surface.mask.nonzero()[:, 0].float().median())
    glare[:, near] = 0.6 * glare[:, near] + 0.36
    assert sampled(glare, surface) is None
    assert sampled(glare, surface, needs=ANY) is not None, "in which direction its lines run is seen all the same"


def test_a_sample_has_no_light_left(rooms: Rooms) -> None:
    surface = floor_of(rooms.style)
    dark = torch.linspace(1, 0.5, SIDE) * rooms.style.image
    bright, shaded = sampled(rooms.style.image, surface), sampled(dark, surface)
    assert bright is not None
    assert shaded is not None
    assert float(bright.detail.values[:, bright.detail.known].mean().abs()) < 0.02
    both = bright.detail.known & shaded.detail.known
    assert float((bright.detail.values - shaded.detail.values)[:, both].abs().mean()) < 0.03
    assert bright.lines > 0.2  # planks run ahead


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


def tile(pattern: str, frequency: int, pixels: int = 200) -> torch.Tensor:
    """A picture of one tile of a drawn pattern, TILE metres wide."""
    places = (torch.arange(pixels) + 0.5) / pixels
    u, v = places.expand(pixels, -1), 1 - places[:, None].expand(-1, pixels)
    share = PATTERNS[pattern](u, v, frequency, 0.0)
    first, second = torch.tensor([0.6, 0.5, 0.4]), torch.tensor([0.2, 0.25, 0.3])
    return torch.lerp(first[:, None, None], second[:, None, None], share)


def test_a_stated_material_has_the_size_that_is_stated(rooms: Rooms, tmp_path: Path) -> None:
    """A gingham with four periods in .8 m: .2 m on the floor, and .4 m at twice the scale."""
    write_image(tmp_path / "gingham.png", tile("gingham", 4))
    for scale, period in ((0.8, 0.2), (1.6, 0.4)):
        cover = Cover("floor", tmp_path / "gingham.png", scale)
        found = with_covers(rooms.moved, rooms.structure, [cover])
        across, ahead = spectrum(found, rooms.structure, rooms.floor)
        wanted = 64 * 0.02 / period  # cycles in the square that is looked at
        for power in (across, ahead):
            peak = int(power[1:].argmax()) + 2
            assert abs(peak - wanted) < 1.5
        away = torch.nn.functional.max_pool2d(rooms.floor[None].float(), 9, 1, 4)[0] == 0
        assert torch.equal(found[:, away], rooms.moved[:, away])


def test_a_material_is_turned(rooms: Rooms, tmp_path: Path) -> None:
    write_image(tmp_path / "stripes.png", tile("stripes", 4))
    powers = []
    for turn in (0.0, 90.0):
        cover = Cover("floor", tmp_path / "stripes.png", 0.8, turn)
        across, ahead = spectrum(with_covers(rooms.moved, rooms.structure, [cover]), rooms.structure, rooms.floor)
        powers.append((float(across[2:].max()), float(ahead[2:].max())))
    assert powers[0][1] > 5 * powers[0][0]
    assert powers[1][0] > 5 * powers[1][1]


def test_what_does_not_repeat_is_grown() -> None:
    noise = torch.rand(3, 80, 120, generator=torch.Generator().manual_seed(0))
    slope = torch.linspace(0.2, 1, 120).expand(3, 80, 120)
    assert not of_picture(0.5 * noise + 0.5 * slope, 1.0).repeats
    assert of_picture(tile("checks", 2), 1.0).repeats


def test_paint_has_its_colour_in_the_main_light(rooms: Rooms) -> None:
    colour = (0.3, 0.5, 0.7)
    found = with_covers(rooms.moved, rooms.structure, [Cover("wall", colour=colour)])
    assert rooms.structure.segments is not None
    wall = rooms.structure.segments.mask("wall")
    inside = torch.nn.functional.avg_pool2d(wall[None].float(), 9, 1, 4)[0] > 0.999
    pixels = found[:, inside]
    for channel, value in zip(pixels, colour, strict=True):
        assert float(channel.quantile(0.75)) == pytest.approx(value, abs=0.02)
        assert float(channel.max()) < 1
    dark = rooms.structure.image.mean(0)[inside]
    assert float(torch.corrcoef(torch.stack([dark, pixels.mean(0)]))[0, 1]) > 0.9  # shadows stay where they are


def test_covers_that_cannot_be_are_refused(rooms: Rooms, tmp_path: Path) -> None:
    with pytest.raises(SegmentsError, match="piano"):
        with_covers(rooms.moved, rooms.structure, [Cover("piano", colour=(0.0, 0.0, 0.0))])
    write_image(tmp_path / "tiles.png", tile("tiles", 2))
    nowhere = replace(rooms.structure, layout=None)
    with pytest.raises(SegmentsError, match="known plane"):
        with_covers(rooms.moved, nowhere, [Cover("floor", tmp_path / "tiles.png")])


def test_walls_take_a_material_on_each_of_their_planes(rooms: Rooms, tmp_path: Path) -> None:
    write_image(tmp_path / "stripes.png", tile("stripes", 2))
    found = with_covers(rooms.moved, rooms.structure, [Cover("wall", tmp_path / "stripes.png", 0.8)])
    assert rooms.structure.segments is not None
    wall = rooms.structure.segments.mask("wall")
    parts = surfaces_of(rooms.structure, "wall", wall)
    assert len(parts) >= 2
    for part in parts:
        if int(part.mask.sum()) > 500:
            assert float((found - rooms.moved)[:, part.mask].abs().mean()) > 0.02
    assert not bool((parts[0].mask & parts[1].mask).any())


def test_a_photograph_with_stated_covers_can_be_made_again(rooms: Rooms, tmp_path: Path) -> None:
    for name, view in (("structure", rooms.structure), ("style", rooms.style)):
        write_image(tmp_path / f"{name}.png", view.image)
        assert view.segments is not None
        assert view.layout is not None
        write_segments(tmp_path / f"{name}.labels.png", view.segments)
        write_layout(tmp_path / f"{name}.json", view.layout)
    write_image(tmp_path / "tiles.png", tile("tiles", 2))
    config = PhotoConfig(
        segments=tmp_path / "structure.labels.png", style_segments=tmp_path / "style.labels.png",
        layout=str(tmp_path / "structure.json"), style_layout=str(tmp_path / "style.json"), device="cpu",
        material=(f"floor={tmp_path / 'tiles.png'}",), scale=(".8",), colour=("wall=#306090",),
    )  # fmt: skip
    out = tmp_path / "out.png"
    result = restyle_photo(tmp_path / "structure.png", tmp_path / "style.png", config, out=out)
    assert result.record["inputs"]["material floor"]["sha256"]
    before = out.read_bytes()
    out.unlink()
    repeat_photo(out.with_suffix(".json"))
    assert out.read_bytes() == before
    (tmp_path / "tiles.png").write_bytes(b"other")
    with pytest.raises(RecordError, match="material floor"):
        repeat_photo(out.with_suffix(".json"))


def test_most_of_a_dark_floors_shine_does_not_grow_with_a_lighter_material() -> None:
    """Twice the light on a floor of .1 is as much as .1: on a floor of .4 it is .4 by a quarter, and .1 by three; on a darker one all of it stays."""
    shading = torch.full((20, 20), 2.0).log()
    shading[:, :10] = -0.7
    lighter, darker = (without_gloss(shading, math.log(0.1), torch.full((3,), light)) for light in (0.4, 0.05))
    assert float(lighter[0, 15].exp()) == pytest.approx(1 + 0.25 + 0.75 / 4, abs=0.03)
    assert torch.allclose(darker, shading)
    assert torch.equal(lighter[:, :10], shading[:, :10])


def test_the_sunlit_part_of_a_floor_in_shadow_does_not_glare() -> None:
    """Ten times the light of the dark median; on a material nearly as light as that part is it has hardly more than the material's own."""
    bright = without_gloss(torch.full((4, 4), math.log(10.0)), math.log(0.04), torch.full((3,), 0.3))
    assert float(bright[0, 0]) == pytest.approx(GLARE)
