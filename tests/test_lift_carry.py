"""What earlier frames show of a new one: which are chosen, how their colours age, and what is thrown away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from relook.config import PhotoConfig, ViewsConfig
from relook.lift import carry
from relook.lift.carry import CARRYING, Carrying, best_first, carried, carrying_of, glance, looked_back_on, seen
from relook.lift.look import Look, RestyledFrame
from relook.perceive.match import exact
from relook.types import Depth, Matches, View
from strolls import SIZE, stroll

PLAIN = Carrying(checked=False)


def painted(number: int, view: View, image: torch.Tensor | None = None, age: float = 0) -> RestyledFrame:
    look = Look.painted(view.image if image is None else image, view)
    return RestyledFrame(number, view, replace(look, age=torch.full(view.size, float(age))))


def columns(shown: dict[float, range]):
    """A matcher of still views that are told apart by their red: which columns each of them shows."""

    def match(first: View, second: View) -> Matches:
        height, width = first.size
        confidence = torch.zeros(height, width)
        confidence[:, [*shown[round(float(second.image[0, 0, 0]), 2)]]] = 1
        return Matches(torch.zeros(2, height, width), confidence, confidence == 0)

    return match


def grey(value: float) -> View:
    return View(torch.full((3, 8, 12), value))


def test_history_is_chosen_by_what_is_missing() -> None:
    """The previous frame shows columns 0 to 5; of the others, first the one that adds most, then the next that adds."""
    shown = {0.1: range(0, 6), 0.2: range(0, 8), 0.3: range(6, 12), 0.4: range(5, 7)}
    frames = {value: painted(number, grey(value)) for number, value in enumerate(shown)}
    others = [frames[0.2], frames[0.3], frames[0.4]]
    words = (columns(shown), CARRYING["relook"], np.random.default_rng(0))
    # 0.3 adds 6 columns and shows 6: 30; 0.2 adds 2 and shows 8: 16; 0.4 adds 1 and shows 2: 6
    assert [frame.number for frame in looked_back_on(grey(0.5), frames[0.1], others, 2, *words)] == [2, 0]
    # with 0.3 nothing is missing: 0.2 shows 8, 0.4 shows 2
    assert [frame.number for frame in looked_back_on(grey(0.5), frames[0.1], others, 3, *words)] == [2, 1, 0]
    assert [frame.number for frame in looked_back_on(grey(0.5), frames[0.1], others, 9, *words)] == [2, 1, 3, 0]
    assert [frame.number for frame in looked_back_on(grey(0.5), frames[0.1], others, 1, *words)] == [0]
    assert [frame.number for frame in looked_back_on(grey(0.5), frames[0.1], [frames[0.1]], 3, *words)] == [0]


def test_the_papers_history_is_the_previous_and_random_ones() -> None:
    frames = [painted(number, grey(0.1)) for number in range(8)]

    def drawn(seed: int) -> list[int]:
        found = looked_back_on(
            grey(0.5),
            frames[7],
            frames,
            3,
            lambda *views: pytest.fail("looked"),
            CARRYING["paper"],
            np.random.default_rng(seed),
        )
        return [frame.number for frame in found]

    picks = [drawn(seed) for seed in range(20)]
    assert all(pick[0] == 7 and len(set(pick)) == 3 for pick in picks)
    assert {number for pick in picks for number in pick} == set(range(8))
    assert picks == [drawn(seed) for seed in range(20)]


def test_the_key_frame_shows_most_of_the_others() -> None:
    """Five views of a row; the middle one shows most, and every one shows itself."""
    shown = {0.1: range(0, 4), 0.2: range(0, 6), 0.3: range(0, 10), 0.4: range(6, 12), 0.5: range(9, 12)}
    views = [grey(value) for value in shown]
    assert best_first(5, views.__getitem__, columns(shown)) == 2
    assert best_first(1, views.__getitem__, columns(shown)) == 0
    assert best_first(2, views.__getitem__, columns(shown)) == 0


def test_a_carried_view_is_the_exact_one() -> None:
    """The second frame as the first shows it, against the renderer, and ages that grow only where colours came from."""
    first, second = stroll()[:2]
    look = carried([painted(0, first, age=2)], second, exact, CARRYING["relook"])
    known = ~look.holes
    assert 0.7 < float(known.float().mean()) < 1
    error = (look.image - second.image)[:, known].square().mean()
    assert float(error) < 0.1 * float((first.image - second.image)[:, known].square().mean())
    torch.testing.assert_close(look.age[known], torch.full_like(look.age[known], 2.0))
    assert not any(bool(values[..., look.holes].any()) for values in (look.image, look.age, look.styled))


def test_the_freshest_colours_win_and_place_decides_between_equals() -> None:
    view = stroll()[0]
    red, blue = (torch.zeros(3, *SIZE) for _ in range(2))
    red[0], blue[2] = 1, 1
    old, new = painted(0, view, red, age=3), painted(1, view, blue, age=1)
    weight = 1 / (1 + np.exp(4 * (3 - 1 - 0.25)))
    for order, expected in (([old, new], weight), ([new, old], 1 / (1 + np.exp(4 * (3 - 1 + 0.25))))):
        look = carried(order, view, exact, PLAIN)
        torch.testing.assert_close(look.image[0], torch.full(SIZE, float(expected)), atol=1e-5, rtol=1e-3)
    look = carried([painted(0, view, red), painted(1, view, blue)], view, exact, PLAIN)
    torch.testing.assert_close(look.image[0], torch.full(SIZE, 1 / (1 + np.exp(-1.0))), atol=1e-5, rtol=1e-4)
    paper = replace(CARRYING["paper"], warp="look up")  # the previous one first, whatever its age
    look = carried([old, new], view, exact, paper)
    torch.testing.assert_close(look.image[0], torch.full(SIZE, 1 / (1 + np.exp(-1.0))), atol=1e-5, rtol=1e-4)


def test_nothing_to_look_back_on_is_all_holes() -> None:
    look = carried([], stroll()[0], exact, CARRYING["relook"])
    assert bool(look.holes.all())
    assert look.image.shape == (3, *SIZE)


@pytest.mark.parametrize("preset", ["relook", "paper"])
def test_what_may_not_be_carried_is_not(preset: str) -> None:
    first, second = stroll()[:2]
    half = torch.ones(SIZE, dtype=torch.bool)
    half[:, 32:] = False
    image = torch.where(half, first.image, torch.tensor([1.0, 0.0, 1.0])[:, None, None])
    frame = painted(0, first, image)
    frame = replace(frame, look=replace(frame.look, confidence=half.float()))
    look = carried([frame], second, exact, CARRYING[preset])
    assert 0.2 < float(look.holes.float().mean()) < 0.9
    assert float((look.image - second.image).abs()[:, ~look.holes].mean()) < 0.05


def test_splatting_takes_flow_without_depth() -> None:
    first, second = stroll()[:2]
    look = carried(
        [painted(0, View(first.image))], View(second.image),
        lambda one, other: Matches(torch.zeros(2, *SIZE), torch.ones(SIZE), torch.zeros(SIZE, dtype=torch.bool)), CARRYING["paper"],
    )  # fmt: skip
    torch.testing.assert_close(look.image, first.image, atol=1e-5, rtol=1e-4)


def test_a_wrongly_moved_patch_is_removed_and_a_brighter_picture_kept() -> None:
    view, known = stroll()[0], torch.ones(SIZE, dtype=torch.bool)
    picture = 0.2 + 0.5 * view.image
    assert bool(carry._alike(picture + 0.2, picture, known).all())
    wrong = picture + 0.2
    wrong[0, 10:30, 20:40] -= 0.3
    kept = carry._alike(wrong, picture, known)
    assert not bool(kept[12:28, 22:38].any())
    outside = known.clone()
    outside[8:32, 18:42] = False
    assert bool(kept[outside].all())
    nothing = torch.zeros(SIZE, dtype=torch.bool)
    assert not bool(carry._alike(picture, picture, nothing).any())


def test_wrong_depth_leaves_holes_where_the_pictures_differ() -> None:
    """A frame whose depth is wrong in a patch carries wrong colours there; the check throws out most of those that show."""
    first, second = stroll()[0], stroll()[3]
    assert second.depth is not None
    values = second.depth.values.clone()
    values[8:40, 16:48] *= 0.5
    spoilt = replace(second, depth=Depth(values, "metric"))
    loose, strict = (
        carried([painted(0, first)], spoilt, exact, replace(CARRYING["relook"], checked=checked))
        for checked in (False, True)
    )
    bad = ((loose.image - second.image).abs().amax(0) > 0.3) & ~loose.holes
    assert int(bad.sum()) > 50
    assert int((bad & ~strict.holes).sum()) < 0.35 * int(bad.sum())
    good = ((loose.image - second.image).abs().amax(0) < 0.05) & ~loose.holes
    assert float((strict.holes & good).float().sum()) < 0.15 * float(good.float().sum())


def test_a_glance_is_the_same_view_smaller() -> None:
    """Flow between glances is the flow between the views, scaled."""
    from walks import two_views

    views = [room.view() for room in two_views(size=(96, 128))]
    small = [glance(view, 64) for view in views]
    assert [view.size for view in small] == [(48, 64)] * 2
    large, little = exact(*views), exact(*small)
    both = (little.confidence > 0.5) & (large.confidence[::2, ::2] > 0.5)
    off = (2 * little.flow - large.flow[:, ::2, ::2]).abs()[:, both]
    assert float(off.median()) < 0.3
    assert float(seen(*views, exact).float().mean()) == pytest.approx(
        float((large.confidence > 0.5).float().mean()), abs=0.06
    )
    assert glance(views[0], 128) is views[0]


def test_the_released_way_carries_all_that_lands() -> None:
    """The previous frame alone, in 8 bits, with holes where any colour is exactly 0; hidden points land too, under what hides them."""
    first, second = stroll()[:2]
    image = first.image.clamp_min(0.01)
    look = carried([painted(0, first, image)], second, exact, CARRYING["released"])
    known = ~look.holes
    assert 0.7 < float(known.float().mean()) < 1
    assert float((look.image - second.image).abs()[:, known].mean()) < 0.05
    assert torch.equal((look.image * 255).round() / 255, look.image)
    image[0, 20:28, 30:40] = 0
    spoilt = carried([painted(0, first, image)], second, exact, CARRYING["released"])
    assert 20 < int((spoilt.holes & known).sum()) < 100


def test_the_released_way_takes_flow_without_depth() -> None:
    first, second = stroll()[:2]
    sure = torch.ones(SIZE)
    sure[:, 40:] = 0
    look = carried(
        [painted(0, View(first.image.clamp_min(0.01)))], View(second.image),
        lambda one, other: Matches(torch.zeros(2, *SIZE), sure, sure == 0), CARRYING["released"],
    )  # fmt: skip
    assert torch.equal(look.holes, sure == 0)
    torch.testing.assert_close(look.image[:, :, :40], first.image.clamp_min(0.01)[:, :, :40], atol=1.01 / 255, rtol=0)


def test_a_way_of_carrying_decides_what_the_user_does_not() -> None:
    photo = PhotoConfig(family="sdxl")
    defaults = {"relook": (3, 0.2, "recolour"), "paper": (3, 0.2, "recolour"), "released": (1, 0.0, "refiner")}
    for name, expected in defaults.items():
        found = carrying_of(ViewsConfig(photo, carry=name))
        assert (found.history, found.key_frame_below, found.fill) == expected
        assert found == replace(CARRYING[name], history=found.history)
        own = carrying_of(ViewsConfig(photo, carry=name, history=2, key_frame_below=0.0, fill="inpaint"))
        assert (own.history, own.key_frame_below, own.fill) == (2, 0.0, "inpaint")
