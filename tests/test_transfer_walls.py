"""Walls with a repeat, and one material in all rooms of a flat, against the drawn world's exact metres."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from relook.correspond.semantic import match_segments
from relook.dollhouse.patterns import PATTERNS, TILE
from relook.dollhouse.render import render
from relook.dollhouse.rooms import sample_layout
from relook.dollhouse.style import Material as Drawn
from relook.dollhouse.style import sample_style
from relook.evaluate.sources.shots import exact_layout
from relook.ops.exemplar import Exemplar
from relook.ops.flat import places, straight_on
from relook.transfer.materials import with_materials
from relook.transfer.materials.lattice import repeated
from relook.transfer.materials.sample import Material
from relook.transfer.materials.surface import surfaces_of
from relook.types import View

SIDE = 320
CELL = 0.01


def seen(pattern: str, frequency: int, holes: bool = True) -> Material:
    """Two metres of a drawn pattern with noise, and a hole in it."""
    draw = torch.Generator().manual_seed(0)
    v, u = torch.meshgrid(torch.arange(200) * CELL + 0.3, torch.arange(240) * CELL + 0.7, indexing="ij")
    share = PATTERNS[pattern]((u / TILE).remainder(1), (v / TILE).remainder(1), frequency, 0.0)
    values = (share - share.mean()).expand(3, -1, -1) + 0.05 * torch.randn(3, 200, 240, generator=draw)
    known = torch.ones(200, 240, dtype=torch.bool)
    if holes:
        known[40:90, 60:150] = False
    return Material(Exemplar(values, known, CELL, (0.7, 0.3)), torch.ones(3), 0.0)


@pytest.mark.parametrize(
    ("pattern", "frequency", "period"),
    [("brick", 2, (0.2, 0.2)), ("tiles", 1, (0.4, 0.4)), ("dots", 3, (0.8 / 3, 0.8 / 3))],
)
def test_a_lattice_is_found_in_its_size_and_phase(pattern: str, frequency: int, period: tuple[float, float]) -> None:
    found = repeated(seen(pattern, frequency))
    assert found is not None
    cell = found.detail
    size = cell.known.shape[1] * cell.cell, cell.known.shape[0] * cell.cell
    assert size == pytest.approx(period, rel=0.03)
    v, u = torch.meshgrid(*((torch.arange(side) + 0.5) * cell.cell for side in cell.known.shape), indexing="ij")
    exact = PATTERNS[pattern](u / TILE, v / TILE, frequency, 0.0)
    alike = torch.corrcoef(torch.stack([cell.values.mean(0).flatten(), exact.flatten()]))[0, 1]
    assert float(alike) > 0.8  # the median leaves out the tones of single bricks


def test_what_does_not_repeat_has_no_lattice() -> None:
    assert repeated(seen("plain", 1)) is None
    noise = seen("tiles", 1)
    random = torch.nn.functional.avg_pool2d(torch.randn(3, 202, 242, generator=torch.Generator().manual_seed(1)), 3, 1)
    assert repeated(replace(noise, detail=noise.detail._replace(values=random))) is None


def dressed(seed: int, layout: int, **patterns: tuple[str, int]) -> View:
    """A drawn room with plain surfaces but for some: thing -> pattern and frequency."""
    style = sample_style(seed)
    materials = {name: replace(one, pattern="plain") for name, one in style.materials.items()}
    for name, (pattern, frequency) in patterns.items():
        materials[name] = Drawn(pattern, (0.7, 0.6, 0.5), (0.25, 0.2, 0.2), frequency)
    furnished = sample_layout(layout, "living")
    picture = render(furnished, replace(style, materials=materials), (SIDE, SIDE))
    return replace(picture.view(), layout=exact_layout(furnished, picture.view()))


def period(image: torch.Tensor, view: View, thing: str) -> float:
    """Metres between the joints of tiles on the largest plane of a thing, by the strongest frequency across below .6 m."""
    assert view.segments is not None
    surface = max(surfaces_of(view, thing, view.segments.mask(thing)), key=lambda one: int(one.mask.sum()))
    found = places(surface.H, surface.mask)
    low, high = (found.place.quantile(share, dim=1).tolist() for share in (0.1, 0.9))
    size = int((high[1] - low[1]) / CELL), int((high[0] - low[0]) / CELL)
    flat = straight_on(image.mean(0, keepdim=True), surface.mask, surface.H, (low[0], low[1]), size, CELL)
    values = torch.where(flat.known, flat.values[0] - flat.values[0][flat.known].mean(), 0.0)
    power = torch.fft.rfft(values, n=2048, dim=1).abs().square().sum(0)
    first = int(2048 * CELL / 0.6)  # slower is light
    return 2048 * CELL / (first + int(power[first:200].argmax()))


def test_walls_take_a_pattern_that_repeats_in_its_size() -> None:
    structure, style = dressed(5, 11), dressed(6, 12, wall=("tiles", 1))
    assert structure.segments is not None
    assert style.segments is not None
    regions = match_segments(structure.segments, style.segments)
    result = with_materials(structure.image, structure, style, regions)
    assert period(result, structure, "wall") == pytest.approx(0.4, rel=0.05)
    wall = structure.segments.mask("wall")
    plain = with_materials(structure.image, structure, dressed(6, 12), regions)
    inside = -torch.nn.functional.max_pool2d(-wall[None].float(), 9, 1, 4)[0] > 0
    assert torch.equal(plain[:, inside], structure.image[:, inside])


def test_one_material_has_one_scale_in_all_rooms_of_a_flat() -> None:
    """Metres per pixel are known: the checks of the style's floor repeat after .4 m in every room."""
    style = dressed(6, 12, floor=("checks", 2))
    assert style.segments is not None
    found = []
    for layout in (11, 4, 27):
        room = dressed(5, layout)
        assert room.segments is not None
        result = with_materials(room.image, room, style, match_segments(room.segments, style.segments))
        assert not torch.equal(result, room.image)
        found.append(period(result, room, "floor"))
    assert found == pytest.approx([0.4] * 3, rel=0.06)
