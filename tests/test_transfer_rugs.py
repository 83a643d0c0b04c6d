"""Rugs as whole objects against exact answers: a design with a border is painted on the rugs of drawn rooms."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.correspond.semantic import match_segments
from relook.dollhouse.classes import CLASS_ID
from relook.dollhouse.layout import Layout as Furnished
from relook.dollhouse.render import render
from relook.dollhouse.rooms import sample_layout
from relook.dollhouse.style import Material, sample_style
from relook.evaluate.sources.shots import exact_layout
from relook.ops import rectangle
from relook.ops.flat import homography, places
from relook.ops.likeness import likeness
from relook.ops.rectangle import fitted
from relook.ops.srgb import from_linear, to_linear
from relook.session import Session
from relook.transfer import materials
from relook.transfer.materials import with_materials
from relook.transfer.materials.design import design_of
from relook.transfer.materials.rug import Rug, rug_of
from relook.types import View

SIDE = 320
COLOURS = torch.tensor([[0.05, 0.06, 0.15], [0.5, 0.12, 0.08], [0.75, 0.7, 0.55]])
"""Linear RGB of border, field and medallion."""


@dataclass(frozen=True)
class Room:
    """A drawn room, its rug plain or painted."""

    view: View
    rug: Bool[Tensor, "H W"]
    middle: tuple[float, float]
    half: tuple[float, float]
    """Of its rug, in the layout's metres."""


def rug_in(furnished: Furnished, view: View) -> tuple[tuple[float, float], tuple[float, float]]:
    """Middle and half sides of the room's rug: the layout looks along z from the camera, with x to the other side."""
    number = [int(one) for one in furnished.classes].index(CLASS_ID["rug"])
    camera = view.camera
    assert camera is not None
    pose = camera.world_to_camera
    eye = -pose[:3, :3].T @ pose[:3, 3]
    x, _, z = furnished.centres[number].tolist()
    half_x, _, half_z = furnished.halves[number].tolist()
    return (float(eye[0]) - x, z - float(eye[2])), (half_x, half_z)


def design(own: Float[Tensor, "2 N"], half: tuple[float, float]) -> Float[Tensor, "3 N"]:
    """A border as wide as a quarter of the shorter half, and a medallion in the middle."""
    sides = torch.tensor(half)[:, None]
    from_edge = (sides - own.abs()).amin(0)
    kind = torch.where(from_edge < 0.25 * min(half), 0, 1)
    kind = torch.where((own / sides / 0.45).square().sum(0) < 1, 2, kind)
    return COLOURS[kind].T


def room(seed: int, painted: tuple[float, float] | None) -> Room:
    """A room with a rug that is white, or painted with a design that was drawn for a rug of such half sides."""
    furnished = sample_layout(seed, "living")
    style = sample_style(5)
    plain = {name: replace(one, pattern="plain") for name, one in style.materials.items()}
    plain["rug"] = Material("plain", (0.9, 0.9, 0.9), (0.9, 0.9, 0.9))
    plain["floor"] = Material("plain", (0.3, 0.45, 0.3), (0.3, 0.45, 0.3))
    picture = render(furnished, replace(style, materials=plain), (SIDE, SIDE))
    view = replace(picture.view(), layout=exact_layout(furnished, picture.view()))
    rug = picture.classes == CLASS_ID["rug"]
    middle, half = rug_in(furnished, view)
    if painted is not None:
        view = replace(view, image=coloured(view, rug, middle, half, painted))
    return Room(view, rug, middle, half)


def coloured(
    view: View,
    rug: Bool[Tensor, "H W"],
    middle: tuple[float, float],
    half: tuple[float, float],
    drawn: tuple[float, float],
) -> Float[Tensor, "3 H W"]:
    """The picture with the design on its rug, stretched to its sides, under the light that the white rug shows."""
    assert view.layout is not None
    H = homography(
        view.layout.camera,
        torch.tensor([middle[0], -0.016, middle[1]]),
        torch.tensor([1.0, 0, 0]),
        torch.tensor([0, 0, 1.0]),
    )
    own = places(H, rug).place * torch.tensor([drawn[0] / half[0], drawn[1] / half[1]])[:, None]
    image, light = view.image.clone(), to_linear(view.image)
    image[:, rug] = from_linear(light[:, rug] * design(own, drawn))
    return image


@pytest.fixture(scope="module")
def rooms() -> tuple[Room, Room]:
    """A structure with a white rug, and a style that shows a rug whole but for the table on it."""
    return room(27, None), room(8, (0.86, 0.91))


def found_in(one: Room) -> Rug:
    segments = one.view.segments
    assert segments is not None
    rug = rug_of(one.view, segments.mask("rug"), segments.mask("floor"))
    assert rug is not None
    return rug


def test_a_rug_lies_where_it_is(rooms: tuple[Room, Room]) -> None:
    """Three of its sides are seen; the last follows from its symmetry."""
    rug = found_in(rooms[1])
    assert rug.whole
    assert rug.design.symmetric
    for value, exact in zip(
        (*rug.outline.half, *rug.outline.rectangle.middle), (*rooms[1].half, *rooms[1].middle), strict=True
    ):
        assert value == pytest.approx(exact, abs=0.04)


def with_strip(one: Room, axis: int, side: int, colour: Float[Tensor, " 3"]) -> Rug:
    """The rug of a room where 12 cm of floor beside one of its sides, sunlit in a colour, are called rug."""
    assert one.view.segments is not None
    assert one.view.layout is not None
    rug, floor = (one.view.segments.mask(name) for name in ("rug", "floor"))
    middle, x, z = (torch.tensor(line) for line in ([one.middle[0], -0.016, one.middle[1]], [1.0, 0, 0], [0, 0, 1.0]))
    place = places(homography(one.view.layout.camera, middle, x, z), floor).place
    beyond, along = side * place[axis] - one.half[axis], place[1 - axis].abs() < one.half[1 - axis]
    strip = floor.masked_scatter(floor, (beyond > -0.02) & (beyond < 0.12) & along)
    image = one.view.image.clone()
    image[:, strip] = from_linear(3 * colour[:, None] * to_linear(image[:, strip]).mean(0)).clamp(0, 1)
    found = rug_of(replace(one.view, image=image), rug | strip, floor & ~strip)
    assert found is not None
    return found


@pytest.mark.parametrize("side", [-1, 1])
def test_floor_beside_a_rug_that_was_taken_for_it_is_no_side_of_it(rooms: tuple[Room, Room], side: int) -> None:
    """The design's mirrored copy says where the rug ends."""
    found = with_strip(rooms[1], 0, side, COLOURS[1])
    assert found.whole
    assert found.outline.half[0] == pytest.approx(rooms[1].half[0], abs=0.03)
    assert found.outline.rectangle.middle[0] == pytest.approx(rooms[1].middle[0], abs=0.02)


def test_a_side_that_is_seen_stays_where_the_mirrored_copy_hardly_says_otherwise(rooms: tuple[Room, Room]) -> None:
    """A bright strip at the near side makes the copy a little more like the rug 8 cm off across."""
    found = with_strip(rooms[1], 1, -1, torch.tensor([0.6, 0.35, 0.2]))
    assert found.outline.half[0] == pytest.approx(rooms[1].half[0], abs=0.03)


def test_a_rug_of_which_only_a_border_is_seen_has_no_design(rooms: tuple[Room, Room]) -> None:
    """A line two pixels wide ended with an error of torch's."""
    whole = found_in(rooms[1])
    line = torch.zeros_like(whole.surface.mask)
    line[int(whole.surface.mask.nonzero()[:, 0].float().mean()) :][:2] = True
    assert design_of(rooms[1].view.image, whole.surface._replace(mask=whole.surface.mask & line), whole.outline) is None


def test_a_design_is_seen_straight_on_without_light(rooms: tuple[Room, Room]) -> None:
    whole = found_in(rooms[1]).design.whole
    rows, columns = whole.known.shape
    middle, border = whole.values[:, rows // 2, columns // 2], whole.values[:, rows // 2, round(0.03 * columns)]
    assert torch.allclose(middle / middle.sum(), COLOURS[2] / COLOURS[2].sum(), atol=0.05)
    assert torch.allclose(border / border.sum(), COLOURS[0] / COLOURS[0].sum(), atol=0.06)
    assert float((whole.values - whole.values.flip(2)).abs().mean()) < 0.03


def test_the_whole_rug_comes_with_its_border_under_the_structures_light(
    rooms: tuple[Room, Room], session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    structure, style = rooms
    assert structure.view.segments is not None
    assert style.view.segments is not None
    regions = match_segments(structure.view.segments, style.view.segments)
    answer = coloured(structure.view, structure.rug, structure.middle, structure.half, style.half)
    start = structure.view.image
    result = with_materials(start, structure.view, style.view, regions)
    error = (result - answer)[:, structure.rug].abs().mean(0)
    assert float(error.median()) < 0.05
    assert float((error < 0.12).float().mean()) > 0.8
    floor = structure.view.segments.mask("floor")
    away = torch.nn.functional.max_pool2d((structure.rug | floor)[None].float(), 9, 1, 4)[0] == 0
    assert torch.equal(result[:, away], start[:, away])  # what stands on the rug, too
    found: list[View] = []
    monkeypatch.setattr(materials, "rug_of", lambda view, *others: (found.append(view), rug_of(view, *others))[1])
    for strength in (1.0, 0.5):
        again = with_materials(start, structure.view, style.view, regions, (), strength, session)
        assert torch.equal(again, result) == (strength == 1)
    assert len(found) == 2  # a session remembers both
    renamed = {
        id: replace(one, name="hall") if one.name == "floor" else one for id, one in style.view.segments.regions.items()
    }
    other = replace(style.view, segments=replace(style.view.segments, regions=renamed))
    with_materials(start, structure.view, other, regions, (), 1.0, session)
    assert len(found) == 3  # what is floor beside it says where it ends


def test_half_a_rug_stays_colour_only(rooms: tuple[Room, Room]) -> None:
    structure, style = rooms
    segments = style.view.segments
    assert segments is not None
    assert structure.view.segments is not None
    labels = segments.labels.clone()
    rug = segments.mask("rug")
    columns = rug.any(0).nonzero()[:, 0]
    rug[:, : int(columns.float().mean())] = False
    (sofa,) = [id for id, region in segments.regions.items() if region.name == "sofa"]
    labels[segments.mask("rug") & ~rug] = sofa
    half = replace(style.view, segments=replace(segments, labels=labels))
    regions = match_segments(structure.view.segments, half.segments)  # type: ignore[arg-type]
    result = with_materials(structure.view.image, structure.view, half, regions)
    inside = -torch.nn.functional.max_pool2d(-structure.rug[None].float(), 5, 1, 2)[0] > 0
    assert torch.equal(result[:, inside], structure.view.image[:, inside])


def test_a_turned_rectangle_is_found() -> None:
    draw = torch.Generator().manual_seed(0)
    place = torch.rand(2, 8000, generator=draw) * 6 - 3
    angle = torch.tensor(0.5)
    turn = torch.stack([torch.stack([angle.cos(), angle.sin()]), torch.stack([-angle.sin(), angle.cos()])])
    own = turn @ (place - torch.tensor([[0.4], [-0.2]]))
    inside = (own[0].abs() < 1.2) & (own[1].abs() < 0.8)
    noisy = inside ^ (torch.rand(8000, generator=draw) < 0.05)
    found = fitted(place, noisy, torch.ones(8000))
    assert found is not None
    assert found.angle == pytest.approx(0.5, abs=0.03)
    assert found.middle == pytest.approx((0.4, -0.2), abs=0.06)
    assert found.half == pytest.approx((1.2, 0.8), abs=0.06)


def test_a_side_gives_up_a_few_far_points_and_no_even_end() -> None:
    """A square of points with twenty more beyond its far side, as beside a table that hides what is there."""
    even = torch.cartesian_prod(torch.linspace(-1, 1, 61), torch.linspace(-1, 1, 61)).T
    few = torch.stack([torch.full((20,), 0.95), torch.linspace(1.1, 1.4, 20)])
    place = torch.cat([even, few], 1)
    whole, nearer = (
        fitted(place, torch.ones(3741, dtype=torch.bool), torch.ones(3741), little) for little in (0.0, 0.02)
    )
    assert whole is not None
    assert nearer is not None
    ends = [one.middle[1] + one.half[1] for one in (whole, nearer)]
    assert ends == pytest.approx([1.4, 1.0], abs=0.05)
    assert nearer.half[0] == pytest.approx(1.0, abs=0.01)


def best_along(place: Float[Tensor, "2 N"], gain: Float[Tensor, " N"]) -> tuple[list[float], float]:
    """The slow twin of `fitted` in one direction: every side is moved by itself to the point up to which most is gained, four times in turn."""
    low, high = (place[:, gain > 0].quantile(share, dim=1).tolist() for share in (0.02, 0.98))
    for _ in range(4):
        for axis in (0, 1):
            across, middle = place[1 - axis], (low[axis] + high[axis]) / 2
            within = (across >= low[1 - axis]) & (across <= high[1 - axis])
            ends = []
            for sign in (1, -1):
                far = sign * (place[axis] - middle)
                side = within & ((far > 0) if sign == 1 else (far >= 0))
                order = far[side].argsort()
                sums = gain[side][order].double().cumsum(0)
                ends.append(middle + sign * (float(far[side][order][int(sums.argmax())]) if sums.max() > 0 else 0.0))
            high[axis], low[axis] = ends
    held = ((place >= torch.tensor(low)[:, None] - 1e-6) & (place <= torch.tensor(high)[:, None] + 1e-6)).all(0)
    return [*low, *high], float(gain[held].sum())


def test_all_directions_at_once_are_as_each_alone() -> None:
    draw = torch.Generator().manual_seed(3)
    place = torch.rand(2, 1500, generator=draw) * 5 - 2
    gain = torch.where((place.abs() < 1).all(0), 1.0, -1.0) * (0.5 + torch.rand(1500, generator=draw))
    angles = [-0.6, 0.0, 0.31]
    sides, gained = rectangle._along(place, gain, angles)
    for angle, found, total in zip(angles, sides.tolist(), gained.tolist(), strict=True):
        own = rectangle.Rectangle((0.0, 0.0), (0.0, 0.0), angle).own(place)
        (left, first, right, last), most = best_along(own, gain)
        assert found == pytest.approx([left, right, first, last], abs=1e-5)
        assert total == pytest.approx(most, abs=1e-3)


def test_likeness_is_that_of_every_shift_alone() -> None:
    """Against Pearson's correlation over what both know, one shift after the other."""
    draw = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, 1, 7, 9, generator=draw).unbind(0)
    known = torch.rand(7, 9, generator=draw) < 0.8, torch.rand(7, 9, generator=draw) < 0.8
    found = likeness(first, second, known, 8.0)
    for rows in range(-3, 4):
        for columns in range(-4, 5):
            pairs = [
                (float(first[0, y, x]), float(second[0, y - rows, x - columns]))
                for y in range(7)
                for x in range(9)
                if 0 <= y - rows < 7 and 0 <= x - columns < 9 and known[0][y, x] and known[1][y - rows, x - columns]
            ]
            expected = -1.0 if len(pairs) < 8 else float(torch.corrcoef(torch.tensor(pairs).T)[0, 1])
            assert found.at(rows, columns) == pytest.approx(expected, abs=1e-4)


def test_a_stool_before_a_rugs_side_stays_before_the_new_rug(rooms: tuple[Room, Room]) -> None:
    """It was seen as rug: half of it stands out of the rug's outline, the other half hangs together with that."""
    structure, style = rooms
    own = found_in(structure)
    side = max(range(4), key=lambda one: own.outline.seen[one])
    half = (own.outline.half[side // 2] + 0.1) * (1 if side % 2 else -1)
    x, y, w = (own.outline.H @ torch.tensor([half, 0.0, 1.0] if side < 2 else [0.0, half, 1.0])).tolist()
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    stool = (rows - y / w).square() + (columns - x / w).square() < 16**2
    grain = 0.04 * torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    fur = torch.tensor([0.72, 0.74, 0.66])[:, None, None] + grain
    view = structure.view
    assert view.segments is not None
    labels = torch.where(stool, int(view.segments.labels[structure.rug][0]), view.segments.labels)
    seen = replace(view, image=torch.where(stool, fur, view.image), segments=replace(view.segments, labels=labels))
    assert style.view.segments is not None
    found = match_segments(seen.segments, style.view.segments)
    new = with_materials(seen.image, seen, style.view, found)
    off = (new - seen.image).abs().mean(0)
    assert float((off[stool] < 0.02).float().mean()) > 0.9
    assert float(off[structure.rug & ~stool].mean()) > 0.2
