"""The weight-free method: colours of the counterpart, shading of the structure, locks, clean borders, any picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from relook.correspond.kin import with_kin
from relook.correspond.semantic import match_segments
from relook.correspond.stays import stays
from relook.errors import ShapeError
from relook.ops.oklab import oklab_to_rgb, rgb_to_oklab, tint_of
from relook.transfer.belief import only_planes
from relook.transfer.colours import DIRECTIONS, colour_change, colours_of, mixed
from relook.transfer.palette import LOWERED, POLISHED, RAISED, palette
from relook.types import Region, Segments, View

NAMES = {1: Region("wall"), 2: Region("sofa")}


def room(
    wall: tuple[float, ...], sofa: tuple[float, ...], size: tuple[int, int] = (48, 64), noise: float = 0.0
) -> View:
    """A wall lit from the left above a sofa, each of one colour."""
    labels = torch.ones(size, dtype=torch.int64)
    labels[size[0] // 2 :] = 2
    image = torch.tensor(wall)[:, None, None].expand(3, *size).clone()
    image[:, size[0] // 2 :] = torch.tensor(sofa)[:, None, None]
    image *= torch.linspace(1, 0.8, size[1])
    image += noise * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    return View(image.clamp(0, 1), Segments(labels, NAMES))


STRUCTURE = room((0.9, 0.9, 0.88), (0.2, 0.3, 0.6))
STYLE = room((0.75, 0.45, 0.3), (0.5, 0.6, 0.45), size=(40, 56))


def perceived(view: View, **confidence: float) -> View:
    """The view as a network saw it: no region is certain."""
    regions = {id: replace(one, confidence=confidence.get(one.name, 0.8)) for id, one in view.segments.regions.items()}
    return replace(view, segments=Segments(view.segments.labels, regions))


def restyle(structure: View, style: View, strength: float = 1.0, **options: object) -> Tensor:
    return palette(structure, style, match_segments(structure.segments, style.segments, **options), strength)


def distance(a: Tensor, b: Tensor) -> float:
    """OKLab distance of two mean colours."""
    means = [rgb_to_oklab(c.mean((1, 2))[:, None, None]) for c in (a, b)]
    return float((means[0] - means[1]).norm())


def test_each_region_takes_the_colour_of_its_counterpart() -> None:
    output = restyle(STRUCTURE, STYLE)
    assert output.shape == STRUCTURE.image.shape
    assert distance(output[:, :20], STYLE.image[:, :16]) < 0.02 < distance(STRUCTURE.image[:, :20], STYLE.image[:, :16])
    assert distance(output[:, 28:], STYLE.image[:, 24:]) < 0.02 < distance(STRUCTURE.image[:, 28:], STYLE.image[:, 24:])


def test_user_matches_swap_the_colours() -> None:
    output = restyle(STRUCTURE, STYLE, matches={"wall": "sofa", "sofa": "wall"})
    assert distance(output[:, :20], STYLE.image[:, 24:]) < 0.02


def test_shading_stays_monotone() -> None:
    light = rgb_to_oklab(restyle(STRUCTURE, STYLE))[0]
    assert (light[10].diff() < 1e-3).all()
    assert light[10, 0] - light[10, -1] > 0.03


@pytest.mark.parametrize("size", [(48, 64), (960, 1280)])
def test_borders_are_clean(size: tuple[int, int]) -> None:
    """No halo: near the border each side looks as it does far from it, at any size."""
    half = size[0] // 2
    output = restyle(room((0.9, 0.9, 0.88), (0.2, 0.3, 0.6), size), STYLE)
    assert (output[:, half - 2] - output[:, half // 2]).abs().max() < 0.03
    assert (output[:, half + 2] - output[:, half + half // 2]).abs().max() < 0.03


@pytest.mark.parametrize("sofa", [(0.02, 0.02, 0.03), (0.2, 0.3, 0.6)])
def test_noise_is_not_amplified_much(sofa: tuple[float, ...]) -> None:
    noisy, clean = room((0.9, 0.9, 0.88), sofa, noise=0.02), room((0.9, 0.9, 0.88), sofa)
    bright = room((0.75, 0.45, 0.3), (0.95, 0.9, 0.9), size=(40, 56))
    before = rgb_to_oklab(noisy.image)[0, 30:] - rgb_to_oklab(clean.image)[0, 30:]
    after = rgb_to_oklab(restyle(noisy, bright))[0, 30:] - rgb_to_oklab(restyle(clean, bright))[0, 30:]
    assert after.std() < 1.6 * before.std()


def test_black_objects_stay_dark_and_lamps_stay_bright_in_a_recoloured_wall() -> None:
    structure = room((0.9, 0.9, 0.88), (0.2, 0.3, 0.6))
    structure.image[:, 4:9, 4:9] = 0.03
    structure.image[:, 4:9, 40:45] = 1.0
    light = rgb_to_oklab(restyle(perceived(structure), perceived(STYLE)))[0]
    assert light[6, 6] < 0.25
    assert light[6, 42] > light[6, 30] + 0.08


def test_strength_zero_changes_nothing_and_half_lies_between() -> None:
    assert torch.equal(restyle(STRUCTURE, STYLE, 0.0), STRUCTURE.image)
    steps = [distance(restyle(STRUCTURE, STYLE, s)[:, :20], STYLE.image[:, :16]) for s in (0.0, 0.5, 1.0)]
    assert steps[0] > steps[1] > steps[2]


def test_locked_pixels_are_bit_identical() -> None:
    output = restyle(STRUCTURE, STYLE, keep=["sofa"])
    sofa = STRUCTURE.segments.mask("sofa")
    assert torch.equal(output[:, sofa], STRUCTURE.image[:, sofa])
    assert (output - STRUCTURE.image)[:, ~sofa].abs().mean() > 0.05


@pytest.mark.parametrize(("policy", "changes"), [("keep", False), ("everything", True), ("colour", True)])
def test_labels_without_counterpart_follow_the_policy(policy: str, changes: bool) -> None:
    structure = View(STRUCTURE.image, Segments(STRUCTURE.segments.labels, {1: Region("wall"), 2: Region("piano")}))
    output = restyle(structure, STYLE, unmatched=policy)
    piano = structure.segments.mask("piano")
    assert torch.equal(output[:, piano], structure.image[:, piano]) is not changes
    assert distance(output[:, :20], STYLE.image[:, :16]) < 0.02


def test_its_own_style_changes_little() -> None:
    own = perceived(STRUCTURE)
    assert (restyle(own, own) - STRUCTURE.image).abs().max() < 0.02


PICTURES: dict[str, Callable[[tuple[int, int]], Tensor]] = {
    "black": lambda size: torch.zeros(3, *size),
    "white": lambda size: torch.ones(3, *size),
    "grey": lambda size: torch.full((3, *size), 0.5),
    "noise": lambda size: torch.from_numpy(np.random.default_rng(0).random((3, *size), dtype=np.float32)),
    "primary": lambda size: torch.tensor([0.0, 0.0, 1.0])[:, None, None].expand(3, *size).clone(),
}


@pytest.mark.parametrize("ours", PICTURES)
@pytest.mark.parametrize("theirs", PICTURES)
@pytest.mark.parametrize("size", [(8, 8), (9, 200)])
def test_any_colours_and_sizes_give_a_picture(ours: str, theirs: str, size: tuple[int, int]) -> None:
    labels = torch.ones(size, dtype=torch.int64)
    labels[0, 0] = 2  # a region of one pixel
    structure = View(PICTURES[ours](size), Segments(labels, NAMES))
    style = View(PICTURES[theirs]((8, 12)), Segments(torch.tensor([[1, 2] * 6] * 8), NAMES))
    output = restyle(structure, style)
    assert output.shape == (3, *size)
    assert torch.isfinite(output).all()
    assert 0 <= output.min() <= output.max() <= 1


def test_segments_of_another_picture_are_refused() -> None:
    correspondence = match_segments(STYLE.segments, STRUCTURE.segments)
    with pytest.raises(ShapeError, match="segments of shape"):
        palette(STRUCTURE, STYLE, correspondence)


@pytest.mark.parametrize("which", ["structure", "style"])
def test_a_wrong_label_does_little_harm(which: str) -> None:
    """A region that is hardly more than a guess, in either picture, hardly changes anything; one that is certain does."""
    changes = []
    for confidence in (1.0, 0.6, 0.35):
        doubtful = {"structure": STRUCTURE, "style": STYLE}
        doubtful[which] = perceived(doubtful[which], wall=1.0, sofa=confidence)
        output = restyle(doubtful["structure"], doubtful["style"])
        changes.append(float((output - STRUCTURE.image)[:, 32:].abs().mean()))
    assert changes[0] > 0.1
    assert changes[2] < 0.15 * changes[0]
    assert changes[1] > 0.7 * changes[0]


def test_no_line_is_drawn_where_a_doubtful_region_meets_one_that_stays() -> None:
    """White sheets, half of which a network takes for floor, which it doubts: neither half changes, and no more does their border."""
    labels = torch.ones(96, 128, dtype=torch.int64)
    labels[:, 64:] = 2
    sheets = View(
        torch.full((3, 96, 128), 0.85),
        Segments(labels, {1: Region("bed", confidence=0.9), 2: Region("floor", confidence=0.4)}),
    )
    oak = torch.tensor([0.7, 0.4, 0.15])[:, None, None].expand(3, 40, 56)
    style = View(oak, Segments(torch.ones(40, 56, dtype=torch.int64), {1: Region("floor")}))
    output = restyle(sheets, style, unmatched="keep")
    assert torch.allclose(output, sheets.image, atol=1e-3)


def test_what_does_not_look_like_its_region_stays_the_surer_the_label_the_less() -> None:
    """A red cushion that was labelled as wall: the wall changes, it does not."""
    structure = room((0.9, 0.9, 0.88), (0.2, 0.3, 0.6))
    structure.image[:, 4:8, 4:8] = torch.tensor([0.7, 0.1, 0.1])[:, None, None]
    output = restyle(perceived(structure), perceived(STYLE))
    moved = (output - structure.image).abs().mean(0)
    assert moved[5:7, 5:7].max() < 0.3 * moved[2:12, 20:30].mean()


@pytest.mark.parametrize("name", ["lamp", "windowpane", "mirror", "picture", "potted plant", "person", "tv"])
def test_lights_windows_pictures_plants_people_and_screens_stay_unless_named(name: str) -> None:
    regions = {1: Region("wall"), 2: Region(name)}
    structure, style = (View(one.image, Segments(one.segments.labels, regions)) for one in (STRUCTURE, STYLE))
    matched = match_segments(structure.segments, style.segments)
    still = replace(matched, still=stays(structure.segments))
    output = palette(structure, style, still)
    assert torch.equal(output[:, 28:], structure.image[:, 28:])
    assert (output - structure.image)[:, :20].abs().mean() > 0.05
    assert stays(structure.segments, [name]) == stays(structure.segments, ["all"]) == ()
    assert not torch.equal(palette(structure, style, matched)[:, 28:], structure.image[:, 28:])


def test_a_white_wall_that_was_perceived_stays_as_bright_as_it_is_lit() -> None:
    grey = room((0.84, 0.84, 0.86), (0.5, 0.6, 0.45), size=(40, 56))
    found, before = (
        rgb_to_oklab(one)[0, 5:15].mean() for one in (restyle(perceived(STRUCTURE), perceived(grey)), STRUCTURE.image)
    )
    assert abs(found - before) < 0.01 < before - rgb_to_oklab(grey.image)[0, 5:15].mean()


def test_the_light_on_a_wall_that_was_perceived_is_not_matched_to_another_walls() -> None:
    """The style's wall is half in deep shade: this one keeps its own light, and gets no shade that it had not."""
    shaded = room((0.85, 0.85, 0.86), (0.5, 0.6, 0.45), size=(40, 56))
    shaded.image[:, :20, 28:] *= 0.6
    before, found = (
        rgb_to_oklab(one)[0, 5:15].mean(0)
        for one in (STRUCTURE.image, restyle(perceived(STRUCTURE), perceived(shaded)))
    )
    ratio = found / before
    assert float(ratio.max() - ratio.min()) < 0.02
    exact = rgb_to_oklab(restyle(STRUCTURE, shaded))[0, 5:15].mean(0) / before
    assert float(exact.max() - exact.min()) > 0.1, "where regions are certain, light and dark are the wall's own"


def test_a_rim_of_wall_that_was_labelled_as_window_changes_with_the_wall() -> None:
    """What has the wall's colours and hangs together with it; not the window, and not what a frame parts from the wall."""
    size = (96, 128)
    labels, image = (
        torch.ones(size, dtype=torch.int64),
        torch.tensor([0.9, 0.8, 0.6])[:, None, None].expand(3, *size).clone(),
    )
    labels[30:70, 40:90] = 2
    image[:, 32:68, 42:88] = 0.1  # its frame, two pixels inside the mask
    image[:, 34:66, 44:86] = torch.tensor([0.9, 0.8, 0.6])[:, None, None]  # curtains behind it, of the wall's colour
    structure = View(image, Segments(labels, {1: Region("wall"), 2: Region("window")}))
    matched = replace(match_segments(structure.segments, STYLE.segments), still=("window",))
    output = palette(structure, STYLE, matched)
    assert (output[:, 30:32, 45:85] - output[:, 10:11, 45:85]).abs().max() < 0.05
    assert torch.equal(output[:, 38:62, 48:82], image[:, 38:62, 48:82])


def test_a_white_wall_that_was_perceived_becomes_no_wood() -> None:
    """What is stated is followed; what a network saw gets the style's hue as pale as paint."""
    wood = room((0.55, 0.28, 0.1), (0.5, 0.6, 0.45), size=(40, 56))
    chroma = {
        sure: rgb_to_oklab(restyle(view(STRUCTURE), view(wood)))[1:, 5:15, 5:15].norm(dim=0).mean()
        for sure, view in ((True, lambda one: one), (False, perceived))
    }
    assert chroma[True] > 0.09
    assert 0.02 < chroma[False] < 0.055


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 1.0))
def test_no_colour_is_made_that_the_style_does_not_contain(seed: int, confidence: float) -> None:
    """In every direction of the plane of chroma, new colours go no farther than the style's or the pixel's own."""
    draw = np.random.default_rng(seed)
    middles, widths = draw.random((2, 3, 1)), draw.uniform(0.02, 0.4, (2, 3, 1))
    old, new = (
        rgb_to_oklab(torch.from_numpy((m + w * draw.normal(size=(3, 400))).clip(0, 1))[..., None].float())[..., 0]
        for m, w in zip(middles, widths, strict=True)
    )
    change = colour_change(colours_of(old, confidence), colours_of(new, confidence), (old.amin(1), old.amax(1)))
    found = change.applied(old, old + 0.02 * torch.from_numpy(draw.normal(size=(3, 400))).float())[0]
    along = torch.from_numpy(DIRECTIONS)
    allowed = torch.maximum((along @ new[1:]).amax(1, keepdim=True), along @ old[1:])
    assert (along @ found[1:] <= allowed + 1e-4).all()
    assert ((found[0] >= 0) & (found[0] <= 1)).all()


def test_a_burgundy_sheet_on_white_bedding_does_not_become_pink() -> None:
    """Lightness rises as the style's does; chroma does not rise with it."""
    sheet = oklab_to_rgb(torch.tensor([0.35, 0.13, 0.0])[:, None, None])[:, 0, 0].tolist()
    structure, style = room((0.9, 0.9, 0.88), tuple(sheet)), room((0.9, 0.9, 0.88), (0.93, 0.92, 0.9))
    found = rgb_to_oklab(restyle(structure, style))[:, 34:, 5:-5]
    assert found[0].mean() > 0.8
    assert found[1:].norm(dim=0).max() < 0.03


def planes(view: View, labels: Tensor, confidence: float = 0.8) -> View:
    """The view as the room's planes alone show it: wall and ceiling by these labels, and no thing."""
    regions = {1: Region("wall", confidence=confidence), 2: Region("ceiling", confidence=confidence)}
    return replace(view, segments=Segments(labels, regions))


def test_black_things_stay_black_where_only_planes_were_seen() -> None:
    """Beside a bright style the whole picture's change made black chairs brown fog; as its shades are matched to none that it has."""
    structure = room((0.45, 0.45, 0.44), (0.03, 0.03, 0.03))
    style = room((0.8, 0.75, 0.65), (0.6, 0.4, 0.25), size=(40, 56))
    labels = (structure.segments.labels == 1).long()
    new = restyle(planes(structure, labels), planes(style, (style.segments.labels == 1).long()))
    old, new = (rgb_to_oklab(image)[0, 34:].mean() for image in (structure.image, new))
    assert new < RAISED * old + 0.02


def test_a_perceived_black_thing_without_counterpart_stays_black() -> None:
    """What it follows of the whole picture's change scales its shade; drawn, it becomes lighter."""
    structure = room((0.45, 0.45, 0.44), (0.03, 0.03, 0.03))
    style = room((0.8, 0.75, 0.65), (0.8, 0.75, 0.65), size=(40, 56))
    style = replace(style, segments=Segments(torch.ones(40, 56, dtype=torch.int64), {1: Region("wall")}))
    light = {
        sure: float(rgb_to_oklab(restyle(one, style))[0, 34:].mean())
        for sure, one in ((True, structure), (False, perceived(structure)))
    }
    old = float(rgb_to_oklab(structure.image)[0, 34:].mean())
    assert light[False] < 1.25 * old < light[True]


def test_where_only_planes_were_seen_things_follow_the_whole_picture_part_of_the_way() -> None:
    """An unknown part changes as all of the picture would, a sure wall as the style's wall says."""
    labels = (STRUCTURE.segments.labels == 1).long()
    structure = planes(STRUCTURE, labels)
    style = planes(STYLE, (STYLE.segments.labels == 1).long())
    output, plain = restyle(structure, style), STRUCTURE.image
    overall = restyle(planes(STRUCTURE, torch.zeros_like(labels)), style)
    before, after, alone = (rgb_to_oklab(image)[:, 40:] for image in (plain, output, overall))
    assert (alone - before).mean((1, 2)).norm() > 0.02
    torch.testing.assert_close((after - before).mean((1, 2)), (alone - before).mean((1, 2)), rtol=0, atol=0.02)
    assert distance(output[:, :16], plain[:, :16]) > 0.1, "a sure wall changes wholly"


def test_a_border_of_planes_that_the_picture_does_not_show_is_no_line_in_the_output() -> None:
    """A ceiling that was found on a part of a plain wall goes over into it softly; where the picture has an edge it ends there."""
    size = (96, 128)
    labels = torch.ones(size, dtype=torch.int64)
    labels[:48] = 2
    plain = View(torch.full((3, *size), 0.85) * torch.linspace(1, 0.95, size[1]))
    edged = View(plain.image.clone())
    edged.image[:, 52:] *= 0.8  # four pixels off the border that was found
    style_labels = torch.ones(40, 56, dtype=torch.int64)
    style_labels[:20] = 2
    style = room((0.9, 0.9, 0.9), (0.75, 0.62, 0.5), size=(40, 56))
    steps = [
        rgb_to_oklab(restyle(planes(one, labels), planes(style, style_labels)))[2, :, 64].diff().abs()
        for one in (plain, edged)
    ]
    assert steps[0].sum() > 0.01
    assert steps[0].max() < 0.35 * steps[0].sum()
    assert 50 <= int(steps[1].argmax()) <= 52


def test_what_a_network_saw_and_what_is_certain_is_not_only_planes() -> None:
    assert only_planes(Segments(torch.zeros(4, 4).long(), {}))
    assert only_planes(planes(STRUCTURE, STRUCTURE.segments.labels).segments)
    assert not only_planes(perceived(STRUCTURE).segments), "a thing was seen"
    assert not only_planes(Segments(torch.ones(4, 4).long(), {1: Region("wall")})), "it is certain"


def test_dark_wood_half_way_to_white_is_not_pink() -> None:
    """The sum of both would have half of the wood's red; a colour that gets darker keeps its share."""
    wood, white = torch.tensor([[0.3, 0.08, 0.05]]).T, torch.tensor([[0.95, 0.0, 0.0]]).T
    half = mixed(wood, white, 0.5)
    assert half[0].item() == pytest.approx(0.625)
    assert 0 < half[1].item() < 0.01
    assert mixed(white, wood, 0.5)[1].item() == pytest.approx(0.04)
    assert torch.equal(mixed(wood, white, 0.0), wood)
    assert torch.allclose(mixed(wood, white, 1.0), white)


def test_a_pale_sofa_does_not_become_as_black_as_the_only_chair() -> None:
    """It stays as it is, and beside a less dark chair falls to LOWERED of its lightness at most; a black sofa's counterpart becomes black."""
    labels = torch.ones(40, 60, dtype=torch.int64)
    cream = torch.full((3, 40, 60), 0.85)
    seen = Segments(labels, {1: Region("sofa", confidence=0.98)})
    light = {}
    for name, value in (("chair", 0.06), ("chair", 0.36), ("sofa", 0.06)):
        style = View(torch.full((3, 40, 60), value), Segments(labels, {1: Region(name, confidence=0.98)}))
        new = palette(View(cream, seen), style, with_kin(match_segments(seen, style.segments)))
        light[name, value] = float(rgb_to_oklab(new)[0].mean())
    old = float(rgb_to_oklab(cream)[0].mean())
    assert light["chair", 0.06] == pytest.approx(old, abs=0.01)
    assert LOWERED * old - 0.06 < light["chair", 0.36] < 0.9 * old
    assert light["sofa", 0.06] < LOWERED * old - 0.2


def beside(name: str, own: tuple[float, ...], other: str, theirs: tuple[float, ...]) -> Tensor:
    """OKLab (L, a, b) of a thing of one colour that was perceived, restyled by another of one colour; both given in OKLab."""
    views = [
        View(
            oklab_to_rgb(torch.tensor(colour)[:, None, None]).expand(3, 40, 60),
            Segments(torch.ones(40, 60, dtype=torch.int64), {1: Region(one, confidence=0.98)}),
        )
        for one, colour in ((name, own), (other, theirs))
    ]
    found = with_kin(match_segments(*(view.segments for view in views)))
    return rgb_to_oklab(palette(*views, found)).mean((1, 2))


def test_a_border_that_a_network_drew_through_one_plain_colour_is_no_step() -> None:
    """A sofa's mask that reaches over the wall behind it; where the user drew it, it is one."""
    plain = room((0.8, 0.8, 0.78), (0.8, 0.8, 0.78), size=(96, 128))
    style = room((0.85, 0.85, 0.8), (0.4, 0.45, 0.6), size=(40, 56))
    step = {
        sure: float(rgb_to_oklab(restyle(view(plain), view(style)))[0].diff(dim=0).abs().max())
        for sure, view in ((True, lambda one: one), (False, perceived))
    }
    assert step[True] > 0.05
    assert step[False] < 0.25 * step[True]


def test_paint_has_no_more_tint_the_darker_it_is() -> None:
    """A pale grey carpet beside dark oak takes its tint as pale as a lighter floor would: chroma by lightness counts, not chroma."""
    for light in (0.48, 0.6):
        new = beside("floor", (0.75, 0.0, 0.005), "floor", (light, 0.2 * light * 0.5, 0.2 * light * 0.85))
        assert 0.06 < float(new[1:].norm() / new[0]) < 0.115


def test_a_net_that_must_stay_lighter_than_crimson_is_not_pink() -> None:
    """The light behind it shines through (LIT); crimson's own chroma at that lightness would be pink."""
    new = beside("curtain", (0.9, 0.0, 0.005), "curtain", (0.45, 0.15, 0.03))
    assert float(new[0]) > 0.7
    assert 0.02 < float(new[1:].norm()) < 0.08


def of_two(name: str, left: tuple[float, ...], right: tuple[float, ...], confidence: float = 0.9) -> View:
    """A thing whose left two thirds have one colour, and its right third another."""
    image = torch.tensor(left)[:, None, None].expand(3, 40, 60).clone()
    image[:, :, 40:] = torch.tensor(right)[:, None, None]
    return View(image, Segments(torch.ones(40, 60, dtype=torch.int64), {1: Region(name, confidence=confidence)}))


def hues(image: Tensor) -> tuple[Tensor, Tensor]:
    """Chroma of both parts."""
    lab = rgb_to_oklab(image)[1:]
    return lab[:, :, 5:35].mean((1, 2)), lab[:, :, 45:].mean((1, 2))


def test_a_thing_of_one_cloth_takes_one_colour_of_several() -> None:
    """A blue sofa lit from the left beside one with red covers and fewer blue ones: it becomes red where it is lit and where it is not."""
    lit, shaded = (0.35, 0.45, 0.6), (0.18, 0.24, 0.33)
    style = of_two("sofa", (0.5, 0.12, 0.15), (0.6, 0.7, 0.8))
    one, other = hues(restyle(of_two("sofa", lit, shaded), style))
    assert min(float(one[0]), float(other[0])) > 0.04  # red, both
    apart = float((one - other).norm())
    one, other = hues(restyle(of_two("sofa", lit, (0.8, 0.7, 0.5)), style))
    assert float((one - other).norm()) > 0.05 > apart  # of two cloths: both colours


def test_a_bed_that_takes_a_sofas_cloth_keeps_its_wood() -> None:
    """From a bed it takes the whole look."""
    white, wood, green = (0.9, 0.9, 0.9), (0.3, 0.15, 0.08), (0.6, 0.75, 0.6)
    bed, moved = of_two("bed", white, wood), {}
    for name in ("sofa", "bed"):
        style = of_two(name, green, green)
        new = palette(bed, style, with_kin(match_segments(bed.segments, style.segments)))
        moved[name] = (rgb_to_oklab(new) - rgb_to_oklab(bed.image)).norm(dim=0)
    assert moved["sofa"][:, 45:].mean() < 0.03 < moved["sofa"][:, 5:35].mean()
    assert moved["bed"][:, 45:].mean() > 0.1


def test_a_headboard_takes_a_sofas_cloth_or_does_not() -> None:
    """Grey under a lamp, dark away from it, above white covers; from kin its lit half took all and its dark half nothing."""
    image = torch.full((3, 150, 240), 0.85)
    image[:, :50, 100:] = torch.linspace(0.55, 0.2, 140)
    image[:, :50, :100] = 0.55
    bed = View(image, Segments(torch.ones(150, 240, dtype=torch.int64), {1: Region("bed", confidence=0.9)}))
    style = of_two("sofa", (0.6, 0.45, 0.35), (0.6, 0.45, 0.35))
    new = palette(bed, style, with_kin(match_segments(bed.segments, style.segments)))
    tints = tint_of(rgb_to_oklab(new)[:, 25].T, 0.1).norm(dim=-1)
    assert tints[:5].mean() > 0.08
    assert tints[-5:].mean() > 0.5 * tints[:5].mean()


def test_the_shaded_side_of_a_doubtful_cabinet_is_of_it() -> None:
    """Its two sides, one in half the light, change by about the same; a side of another colour does not."""
    style = of_two("cabinet", (0.45, 0.25, 0.15), (0.45, 0.25, 0.15))
    change = {}
    for side, colour in (("shaded", (0.5, 0.49, 0.47)), ("red", (0.5, 0.15, 0.15))):
        cabinet = of_two("cabinet", (0.75, 0.74, 0.71), colour, confidence=0.58)
        lab = rgb_to_oklab(restyle(cabinet, style)) - rgb_to_oklab(cabinet.image)
        change[side] = float(lab[1:, :, 45:].mean((1, 2)).norm() / lab[1:, :, 5:35].mean((1, 2)).norm())
    assert change["shaded"] > 0.6
    assert change["red"] < 0.4


def test_dark_wood_that_was_perceived_becomes_no_white() -> None:
    """Its lightness rises by POLISHED at most, a bed's by RAISED; where labels are certain it becomes as light as the style's."""
    wood, white = (
        torch.tensor(colour)[:, None, None].repeat(1, 40, 60) for colour in ([0.3, 0.12, 0.06], [0.9, 0.9, 0.9])
    )
    labels, lit = torch.ones(40, 60, dtype=torch.int64), (slice(None), slice(None), slice(50, None))
    labels[lit[1:]], wood[lit], white[lit] = 2, 0.9, 0.9
    light = {}
    for name, confidence in (("cabinet", 0.98), ("bed", 0.98), ("cabinet", 1.0)):
        segments = Segments(labels, {1: Region(name, confidence=confidence), 2: Region("wall")})
        new = restyle(View(wood, segments), View(white, segments))
        light[name, confidence] = float(rgb_to_oklab(new)[0, :, :40].mean())
    own, wanted = (float(rgb_to_oklab(image)[0, :, :40].mean()) for image in (wood, white))
    assert own < light["cabinet", 0.98] <= (POLISHED + 0.01) * own < light["bed", 0.98] <= (RAISED + 0.01) * own
    assert light["cabinet", 1.0] == pytest.approx(wanted, abs=0.05)


def test_a_dim_room_stays_dim_beside_a_bright_style() -> None:
    """A dark wall in a bright one becomes two and a half times as light at most (SURFACE), and what is stated is followed."""
    bright = room((0.85, 0.8, 0.7), (0.5, 0.6, 0.45))
    dim = View(0.1 * bright.image, bright.segments)
    dark = View(dim.image.clone(), dim.segments)
    dark.image[:, 40:] = 0.9
    own, wanted, found, lit, stated = (
        float(rgb_to_oklab(one)[0, 3:20, :40].mean())
        for one in (
            dim.image,
            bright.image,
            restyle(perceived(dim), perceived(bright)),
            restyle(perceived(dark), perceived(bright)),
            restyle(dim, bright),
        )
    )
    things = {1: Region("bed", confidence=0.8), 2: Region("sofa", confidence=0.8)}
    alone = [replace(view, segments=Segments(view.segments.labels, things)) for view in (dim, bright)]
    assert rgb_to_oklab(restyle(*alone))[0, 3:20, :40].mean() > (RAISED - 0.05) * own > found
    assert 2 * own < lit < 2.55 * own
    assert lit < stated
    assert stated == pytest.approx(wanted, abs=0.05)


def test_the_black_of_a_dark_floor_becomes_no_fog() -> None:
    """Half of a dark carpet lies in the dark: it stays as dark against the other half beside a pale floor as in the picture."""
    image = torch.full((3, 40, 60), 0.05)
    image[:, :, :30], image[:, :, 50:] = 0.02, 0.9
    labels = torch.ones(40, 60, dtype=torch.int64)
    labels[:, 50:] = 2
    segments = Segments(labels, {1: Region("floor", confidence=0.9), 2: Region("wall")})
    oak = torch.tensor([0.75, 0.6, 0.4])[:, None, None]
    style = oak + 0.05 * torch.rand(3, 40, 60, generator=torch.Generator().manual_seed(0))
    old, new = (rgb_to_oklab(one) for one in (image, restyle(View(image, segments), View(style, segments))))
    ratios = [float(lab[0, :, :25].mean() / lab[0, :, 33:45].mean()) for lab in (old, new)]
    assert ratios[1] == pytest.approx(ratios[0], rel=0.1)
    assert new[0, :, 33:45].mean() > 1.5 * old[0, :, 33:45].mean()
    dark, lit = (float(new[1:, :, columns].mean((1, 2)).norm()) for columns in (slice(25), slice(33, 45)))
    assert 0 < dark < 0.92 * lit


def test_reflections_on_a_polished_table_stay_reflections() -> None:
    """A dark table with a bright reflection beside one of even oak: its darkest part stays as dark against the brightest."""
    image = torch.tensor([0.25, 0.12, 0.08])[:, None, None].expand(3, 40, 60).clone()
    image[:, 10:25, 20:40] = torch.tensor([0.75, 0.7, 0.68])[:, None, None]
    oak = torch.tensor([0.8, 0.68, 0.5])[:, None, None].expand(3, 40, 60)
    segments = Segments(torch.ones(40, 60, dtype=torch.int64), {1: Region("table", confidence=0.9)})
    old, new = (rgb_to_oklab(one)[0] for one in (image, restyle(View(image, segments), View(oak, segments))))
    ratios = [float(light[35:, :10].mean() / light[14:20, 27:33].mean()) for light in (old, new)]
    assert ratios[1] == pytest.approx(ratios[0], rel=0.15)


def test_a_reflection_takes_little_of_the_woods_new_tint() -> None:
    """A dark table that mirrors a white wall beside one of red wood: where it does it stays about grey."""
    table = of_two("table", (0.25, 0.15, 0.09), (0.78, 0.78, 0.77))
    red, grey = hues(restyle(table, of_two("table", (0.5, 0.2, 0.12), (0.55, 0.24, 0.15))))
    assert float(grey.norm()) < 0.4 * float(red.norm())
    assert float(red.norm()) > 0.06


def test_a_net_before_a_window_does_not_become_the_dark_of_a_damask() -> None:
    light = torch.linspace(0.95, 0.75, 60).expand(3, 40, 60)
    pattern = torch.linspace(0.05, 0.85, 60).expand(3, 40, 60)
    segments = Segments(torch.ones(40, 60, dtype=torch.int64), {1: Region("curtain", confidence=0.9)})
    old, new = (rgb_to_oklab(one)[0] for one in (light, restyle(View(light, segments), View(pattern, segments))))
    assert new.mean() > 0.75 * old.mean()
    assert new.std() < 1.2 * old.std()


def test_a_lamp_in_a_ceiling_that_a_network_is_sure_of_keeps_its_colour() -> None:
    """A brown lamp, a hundredth of a white ceiling that becomes blue; where labels are certain it becomes blue as well."""
    labels = torch.ones(40, 60, dtype=torch.int64)
    image = torch.full((3, 40, 60), 0.85)
    image[:, 18:22, 27:33] = torch.tensor([0.45, 0.3, 0.2])[:, None, None]
    blue = torch.tensor([0.7, 0.78, 0.86])[:, None, None].expand(3, 40, 60)
    moved = []
    for confidence in (0.98, 1.0):
        segments = Segments(labels, {1: Region("ceiling", confidence=confidence)})
        output = restyle(View(image, segments), View(blue, segments))
        moved.append((output - image).abs().sum(0)[19:21, 28:32].mean())
    assert moved[0] < 0.4 * moved[1]


def test_patterns_of_what_was_not_seen_keep_their_contrast() -> None:
    """Planks, whose two tones would go far apart, to the light and the dark half of the style."""
    size = (96, 128)
    tones = torch.where(torch.arange(size[0]) // 2 % 2 == 0, 0.6, 0.68)[:, None].expand(*size)
    image = tones.expand(3, *size).clone()
    image[:, :, :24], image[:, :, 104:] = 0.1, 0.95  # dark and light things beside them
    structure = planes(View(image), torch.zeros(size, dtype=torch.int64))
    two_tones = room((0.8, 0.8, 0.8), (0.3, 0.3, 0.3), size=(40, 56), noise=0.1)
    style = planes(two_tones, torch.zeros(40, 56, dtype=torch.int64))
    output = restyle(structure, style)
    before, after = (rgb_to_oklab(one)[0, 20:76, 40:88].std(0).mean() for one in (image, output))
    assert after < 1.3 * before
