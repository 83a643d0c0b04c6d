"""StyleMe3D's losses: each against a formula of its own, its gradient, and a descent on a scene whose answer is known; the schedule exactly."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

import tiny
from relook.config import PhotoConfig, RestyleConfig
from relook.errors import InputError, MissingModelError
from relook.gaussians import Gaussians
from relook.lift.losses import distillation, statistics
from relook.lift.losses.denoisers import fitted, styled_denoiser
from relook.lift.losses.descriptor import descriptor_loss
from relook.lift.losses.optimise import Descent, Seen, chooser, optimise, rate_for
from relook.lift.losses.quality import antonym_scores, quality_loss
from relook.lift.losses.schedule import LOSSES, PAPER, RELOOK, Step, steps_of
from relook.lift.losses.smooth import Neighbours, smoothed
from relook.lift.restyled import METHODS
from relook.lift.restyled.scene import Scene, Settings
from relook.lift.restyled.styleme3d import check_losses, how_of
from relook.lift.scene.uplift import graph
from relook.models.image_prompt import adapter
from relook.ops.splats import Blend, Blends, blend, harmonics, seen_colours
from relook.ops.splats.linear import rendered, rendered_harmonics
from relook.session import Session
from relook.transfer.guidance import Condition
from relook.types import Camera, Region, Segments, View

SIZE = (20, 24)
CAMERA = Camera(torch.tensor([[26.0, 0, 12], [0, 26, 10], [0, 0, 1]]), torch.eye(4))
STEP = Step(LOSSES, "global", False, 0.5)


def scene(n: int = 220, degree: int = 0) -> Gaussians:
    """A wall of Gaussians that covers the picture."""
    draw = torch.Generator().manual_seed(0)
    places = torch.rand(n, 3, generator=draw) * torch.tensor([2.4, 2.0, 0.5]) + torch.tensor([-1.2, -1.0, 2.0])
    quats = torch.nn.functional.normalize(torch.randn(n, 4, generator=draw), dim=1)
    sh = torch.randn(n, (degree + 1) ** 2, 3, generator=draw) * 0.05
    return Gaussians(places, quats, torch.full((n, 3), 0.12), torch.full((n,), 0.9), sh)


@pytest.fixture(scope="module")
def view() -> Blend:
    return blend(scene(), CAMERA, SIZE)


def dense(view: Blend) -> torch.Tensor:
    """A, pixels x Gaussians, column by column."""
    return view.render(torch.eye(view.count)).flatten(1).T


def descended(view: Blend, loss, rounds: int = 120, rate: float = 0.03) -> tuple[torch.Tensor, list[dict[str, float]]]:
    """Colours after so many steps from grey, and the curve."""
    start = torch.full((view.count, 3), 0.5)
    start += 0.05 * torch.randn(start.shape, generator=torch.Generator().manual_seed(2))
    one = Seen(view, view.render(start))
    steps = [replace(STEP, progress=number / (rounds - 1)) for number in range(rounds)]
    return optimise(start, [one], lambda *given: {"loss": loss(*given)}, Descent(steps, rate))


# pictures, linear in the colours


def test_what_is_shown_is_the_rendering_and_its_gradient_the_transpose(view):
    values = torch.rand(view.count, 5, requires_grad=True)
    weights = torch.rand(5, *SIZE)
    image = rendered(view, values)
    assert torch.equal(image.detach(), view.render(values))
    (gradient,) = torch.autograd.grad((image * weights).sum(), values)
    assert torch.allclose(gradient, dense(view).T @ weights.flatten(1).T, atol=1e-4)


def test_harmonics_are_shown_as_a_camera_sees_them_and_are_linear(view):
    gaussians = scene(degree=2)
    directions = torch.nn.functional.normalize(gaussians.means, dim=1)
    basis = harmonics(directions, 2)
    expected = view.render(seen_colours(gaussians, CAMERA))  # nothing is below 0 at this strength
    assert torch.allclose(rendered_harmonics(view, gaussians.sh, basis), expected, atol=1e-5)
    twice = rendered_harmonics(view, 2 * gaussians.sh, basis) - 0.5 * view.seen
    assert torch.allclose(twice[:, view.seen], 2 * (expected - 0.5)[:, view.seen], atol=1e-4)


def test_harmonics_descend_to_a_picture():
    """The degree-1 part alone can tell two cameras apart."""
    gaussians = scene(degree=1)
    cameras = [
        CAMERA,
        Camera(CAMERA.K, torch.tensor([[0.8, 0, -0.6, 1.4], [0, 1, 0, 0], [0.6, 0, 0.8, 0.4], [0, 0, 0, 1]])),
    ]
    seen, goals = [], []
    for number, camera in enumerate(cameras):
        one = blend(gaussians, camera, SIZE)
        eye = -camera.world_to_camera[:3, :3].T @ camera.world_to_camera[:3, 3]
        basis = harmonics(torch.nn.functional.normalize(gaussians.means - eye, dim=1), 1)
        seen.append(Seen(one, torch.zeros(3, *SIZE), basis=basis))
        goals.append(torch.full((3, *SIZE), 0.4 + 0.2 * number))
    steps = [STEP] * 160

    def error(image, number, step, known):
        return {"error": (image - goals[number])[:, seen[number].blend.seen].square().mean()}

    found, _ = optimise(gaussians.sh, seen, error, Descent(steps, 0.05))
    for one, goal in zip(seen, goals, strict=True):
        assert float((one.picture(found) - goal)[:, one.blend.seen].abs().mean()) < 0.03


def test_a_smoothed_change_is_its_neighbours_mean_and_its_gradient_the_transpose():
    along = graph(scene(40), 4)
    dense_along = torch.from_numpy(along.matrix.toarray())
    step = (torch.eye(40, dtype=dense_along.dtype) + dense_along) / 2
    change, weights = torch.rand(40, 3, requires_grad=True), torch.rand(40, 3)
    found = smoothed(change, Neighbours(along, 3))
    thrice = torch.linalg.matrix_power(step, 3).float()
    assert torch.allclose(found, thrice @ change, atol=1e-5)
    (gradient,) = torch.autograd.grad((found * weights).sum(), change)
    assert torch.allclose(gradient, thrice.T @ weights, atol=1e-5)
    assert torch.allclose(smoothed(torch.full((40, 3), 0.3), Neighbours(along, 5)), torch.full((40, 3), 0.3), atol=1e-5)


# SOS


def test_gram_moments_and_content_are_the_papers_formulas():
    draw = torch.Generator().manual_seed(0)
    maps = {layer: torch.rand(1, 6, 5, 7, generator=draw) for layer in statistics.STYLE_LAYERS}
    style = {layer: torch.rand(1, 6, 4, 9, generator=draw) for layer in statistics.STYLE_LAYERS}
    wanted = {layer: statistics.statistics(one) for layer, one in style.items()}
    weights = dict(
        zip(
            statistics.STYLE_LAYERS,
            (1000 / 64**2, 1000 / 128**2, 1000 / 256**2, 1000 / 512**2, 1000 / 512**2),
            strict=True,
        )
    )
    grams, moments = 0.0, 0.0
    for layer in statistics.STYLE_LAYERS:
        a, b = (one[layer][0].reshape(6, -1).double().numpy() for one in (maps, style))
        difference = np.array([[(a[i] * a[j]).mean() - (b[i] * b[j]).mean() for j in range(6)] for i in range(6)])
        grams += weights[layer] * (difference**2).mean()
        moments += ((a.mean(1) - b.mean(1)) ** 2).mean() + ((a.std(1) - b.std(1)) ** 2).mean()
    assert float(statistics.gram_loss(maps, wanted)) == pytest.approx(grams, rel=1e-4)
    assert float(statistics.moment_loss(maps, wanted)) == pytest.approx(moments, rel=1e-3)
    one, two = maps["relu1_1"], style["relu1_1"][..., :7].repeat(1, 1, 2, 1)[:, :, :5]
    assert float(statistics.content_loss(one, two)) == pytest.approx(float(np.mean((one - two).numpy() ** 2)), rel=1e-4)


def test_gradients_of_statistics_are_those_of_finite_differences():
    wanted = {"relu1_1": statistics.statistics(torch.rand(1, 3, 4, 4, dtype=torch.float64))}
    maps = torch.rand(1, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: statistics.gram_loss({"relu1_1": x}, wanted), maps)
    assert torch.autograd.gradcheck(lambda x: statistics.moment_loss({"relu1_1": x}, wanted), maps)


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        ((256, 256), {}, (1.0,)),
        ((511, 900), {}, (1.0,)),
        ((512, 900), {}, (1.0, 0.5)),
        ((1100, 1300), {}, (1.0, 0.5, 0.25)),
        ((1100, 1300), {"half_only": True}, (0.5,)),
        ((256, 256), {"extra": 2}, (1.0, 0.5, 0.25)),
        ((40, 40), {"extra": 2}, (1.0,)),
        ((40, 40), {"half_only": True}, (1.0,)),
    ],
)
def test_pictures_are_halved_until_they_are_small(size, options, expected):
    assert statistics.scales(size, **options) == expected
    small = statistics.at_scale(torch.rand(3, *size), expected[-1])
    assert small.shape[1:] == tuple(round(side * expected[-1]) for side in size)


def test_statistics_descend_to_those_of_a_known_scene(view):
    """The style is the same scene in other colours, and a picture is its own features: means, deviations and Gram matrix are reached."""
    colours = torch.rand(view.count, 3, generator=torch.Generator().manual_seed(5))
    wanted = {"relu1_1": statistics.statistics(view.render(colours)[None])}

    def loss(image, *_):
        maps = {"relu1_1": image[None]}
        return statistics.moment_loss(maps, wanted) + statistics.gram_loss(maps, wanted)

    found, curve = descended(view, loss)
    assert curve[-1]["loss"] < 1e-3 * curve[0]["loss"]
    own, goal = statistics.statistics(view.render(found)[None]), wanted["relu1_1"]
    assert torch.allclose(own.mean, goal.mean, atol=0.01)
    assert torch.allclose(own.deviation, goal.deviation, atol=0.01)


# CSD and 3DG-QA


def test_the_descriptor_loss_is_one_minus_the_cosine():
    one, other = (torch.nn.functional.normalize(torch.randn(2, 8, dtype=torch.float64), dim=1) for _ in range(2))
    expected = 1 - cosine_similarity(one, other[:1]).mean()
    assert float(descriptor_loss(one, other[:1])) == pytest.approx(float(expected))
    assert torch.autograd.gradcheck(lambda x: descriptor_loss(x, other[:1]), one.requires_grad_())


def test_a_descriptor_is_reached(view):
    """A descriptor that is the direction of the mean colour: the scene's mean colour turns to the style's."""
    wanted = torch.nn.functional.normalize(torch.tensor([[0.9, 0.5, 0.1]]), dim=1)

    def loss(image, *_):
        return descriptor_loss(torch.nn.functional.normalize(image.mean((1, 2))[None], dim=1), wanted)

    found, curve = descended(view, loss)
    assert curve[-1]["loss"] < 1e-3
    mean = view.render(found).mean((1, 2))
    assert float(cosine_similarity(mean[None], wanted)) > 0.999


def test_quality_is_the_papers_sum():
    scores = torch.tensor([[0.9, 0.5, 0.2], [0.1, 1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    expected = 1 - np.mean([0.4 * 0.9 + 0.4 * 0.5 + 0.2 * 0.2, 0.4 * 0.1 + 0.4 * 1.0])
    assert float(quality_loss(scores.detach())) == pytest.approx(expected)
    assert torch.autograd.gradcheck(quality_loss, scores)


def test_antonyms_are_weighed_by_a_softmax():
    image, good, bad = (torch.nn.functional.normalize(torch.randn(n, 6), dim=1) for n in (2, 3, 3))
    found = antonym_scores(image, good, bad, 10.0)
    for row in range(2):
        for score in range(3):
            up, down = (np.exp(10 * float(image[row] @ side[score])) for side in (good, bad))
            assert float(found[row, score]) == pytest.approx(up / (up + down), rel=1e-4)


def test_quality_descends_to_what_its_judge_likes(view):
    """A judge that likes one picture of this scene best: it is reached."""
    goal = view.render(torch.rand(view.count, 3, generator=torch.Generator().manual_seed(4)))
    found, curve = descended(
        view, lambda image, *_: quality_loss(torch.exp(-(image - goal).square().mean() * 40).expand(1, 3)), 200
    )
    assert curve[-1]["loss"] < 0.02 < 0.5 < curve[0]["loss"]
    assert float((view.render(found) - goal).abs().mean()) < 0.03


# DSSD


def test_timesteps_fall_and_guidance_grows():
    assert [distillation.timestep_at(a, 1000) for a in (0.0, 0.0625, 0.25, 0.81, 1.0)] == [750, 750, 500, 100, 20]
    assert [distillation.scale_at(a) for a in (0.0, 0.5, 0.8, 1.0)] == pytest.approx([7.5, 7.5, 12.8, 20.0])
    assert distillation.guided(7.5) == {Condition(): -6.5, Condition(swap=True): 7.5}
    by_prompt = distillation.guided(3.0, by_prompt=True)
    assert by_prompt == {Condition(prompt=False): -2.0, Condition(prompt=True): 3.0}


def test_the_residual_is_the_papers_and_becomes_the_gradient():
    draw = torch.Generator().manual_seed(1)
    latents, noise, plain, styled = (torch.randn(1, 4, 3, 5, generator=draw) for _ in range(4))
    signal, asked = torch.linspace(0.99, 0.01, 10), []

    def noises(noised, timestep, conditions):
        asked.append((noised, timestep))
        return torch.cat([styled if one.swap else plain for one in conditions])

    found = distillation.residual(latents, noise, 6, signal, distillation.guided(9.0), noises)
    share = float(signal[6])
    assert torch.allclose(found, (1 - share) * (-8 * plain + 9 * styled - noise), atol=1e-5)
    assert torch.allclose(asked[0][0], share**0.5 * latents + (1 - share) ** 0.5 * noise)
    assert asked[0][1] == 6
    free = latents.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(distillation.distillation_loss(free, found), free)
    assert torch.allclose(gradient, found, atol=1e-5)


def test_distillation_descends_to_the_pictures_that_its_denoiser_knows(view):
    """The exact denoiser of pictures N(goal, deviation^2): eps = sqrt(1 - a) (z - sqrt(a) goal) / (a deviation^2 + 1 - a)."""
    goal = view.render(torch.rand(view.count, 3, generator=torch.Generator().manual_seed(4)))[None]
    signal, deviation = torch.linspace(0.999, 0.01, 100), 0.05

    def noises(noised, timestep, conditions):
        share = signal[timestep]
        exact = (1 - share).sqrt() * (noised - share.sqrt() * goal) / (share * deviation**2 + 1 - share)
        return exact.expand(len(conditions), -1, -1, -1)

    def loss(image, number, step, known):
        timestep = distillation.timestep_at(step.progress, 100)
        noise = torch.randn(image[None].shape, generator=torch.Generator().manual_seed(known.number))
        change = distillation.residual(image.detach()[None], noise, timestep, signal, distillation.guided(7.5), noises)
        return distillation.distillation_loss(image[None], change)

    found, _ = descended(view, loss, 200)
    start = float((0.5 - goal).abs().mean())
    assert float((view.render(found) - goal[0])[:, view.seen].abs().mean()) < 0.25 * start


def test_a_denoiser_knows_the_style_by_attention_and_gives_gradients():
    style, other = (tiny.view(40, 36, seed=seed).image for seed in (1, 2))
    family, noised = tiny.family(), torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    known, second = (styled_denoiser(family, one, (20, 20)) for one in (style, other))
    mix = distillation.guided(7.5)
    plain, styled = known.noises(noised, 400, mix)
    again, otherwise = second.noises(noised, 400, mix)
    assert torch.allclose(plain, again, atol=1e-5)
    assert not torch.allclose(styled, plain, atol=1e-4)
    assert not torch.allclose(styled, otherwise, atol=1e-4)
    picture = torch.rand(3, 20, 20, requires_grad=True)
    known.latents(picture).square().sum().backward()
    assert float(picture.grad.abs().sum()) > 0


def test_a_denoiser_knows_the_style_by_an_image_prompt(tmp_path):
    family = tiny.family()
    loaded = adapter(str(tiny.write_adapter(tmp_path / "adapter", family.denoiser)), family)
    denoiser = styled_denoiser(family, tiny.view(40, 36, seed=1).image, (20, 20), adapter=loaded)
    before = dict(family.denoiser.attn_processors)
    noised = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    plain, styled = denoiser.noises(noised, 400, distillation.guided(2.0, by_prompt=denoiser.by_prompt))
    assert denoiser.by_prompt
    assert not torch.allclose(plain, styled, atol=1e-4)
    assert dict(family.denoiser.attn_processors) == before
    assert fitted(torch.rand(3, 1, 1), (8, 8)).shape == (3, 8, 8)


# schedule


def test_the_papers_schedule_is_exact():
    steps = steps_of(PAPER, 2800)
    kinds = ["distillation" if "distillation" in step.losses else "statistics" for step in steps]
    assert len(steps) == 2800
    assert Counter(kinds[:1000]) == {"statistics": 500, "distillation": 500}
    assert all(one != two for one, two in pairwise(kinds[:1000]))
    assert set(kinds[1000:]) == {"distillation"}
    assert [step.view for step in steps[100:600:2]] == 250 * ["local"]  # steps 101, 103 ... 599: those of the picture
    assert {step.view for step in steps[99:600:2]} == {"global"}
    assert {step.view for step in steps[600:1000]} == {"global"}
    assert [step.view for step in steps[1000:1900]] == 450 * ["fixed", "free"]
    assert {step.view for step in steps[1900:]} == {"local"}
    assert [number for number, step in enumerate(steps) if step.half] == list(range(600))
    assert all(set(step.losses) >= {"descriptor", "quality"} for step in steps)
    total = [step.progress for step in steps if step.view != "local"]
    assert total == sorted(total)
    assert steps[0].progress == 0
    assert steps[1899].progress == pytest.approx(1899 / 2799)
    for group in range(4):
        part = [step.progress for step in steps[1900:] if step.group == group]
        assert len(part) == 225
        assert part == pytest.approx(np.linspace(0, 1, 225))


@pytest.mark.parametrize("count", [1, 7, 28, 140, 5600])
def test_a_schedule_is_scaled_to_any_number_of_steps(count):
    for schedule in (PAPER, RELOOK):
        assert len(steps_of(schedule, count)) == count
    local = sum(step.view == "local" for step in steps_of(PAPER, 28))
    assert local == 9 + 2  # steps 1900 to 2800, and every other one of 100 to 600


def test_a_schedule_with_some_losses_spends_its_steps_on_them():
    only = steps_of(PAPER, 100, ["statistics"])
    assert len(only) == 100
    assert all(step.losses == ("statistics",) for step in only)
    assert sum(step.half for step in only) == 60  # of the first 1000 steps, which alone have statistics, 600
    both = steps_of(PAPER, 280, ["statistics", "distillation"])
    assert Counter(step.losses for step in both) == {("statistics",): 50, ("distillation",): 230}
    with pytest.raises(InputError, match="got 5 and gram"):
        steps_of(PAPER, 5, ["gram"])
    with pytest.raises(InputError, match="got 0"):
        steps_of(PAPER, 0)


def test_views_are_chosen_as_the_steps_say():
    steps = [replace(STEP, view="local", group=group) for group in range(3)]
    choose = chooser(7, Descent(steps, 0.1, fixed=(5, 2)))
    assert sorted(choose(number, STEP) for number in range(7)) == list(range(7))
    assert [choose(number, replace(STEP, view="fixed")) for number in range(3)] == [5, 2, 5]
    assert {choose(number, replace(STEP, view="free")) for number in range(60)} == set(range(7))
    sets = [{choose(number, step) for number in range(7)} for step in steps]
    assert sets == [{0, 1}, {2, 3}, {4, 5, 6}]
    assert {chooser(2, Descent(steps, 0.1))(number, step) for number in range(9) for step in steps} == {0, 1}
    assert rate_for(2800, 2800) == pytest.approx(2.5e-3)
    assert rate_for(1400, 2800) == pytest.approx(5e-3)
    assert rate_for(10, 2800) == pytest.approx(2e-2)


def test_a_descent_repeats_and_keeps_to_colours(view):
    first, second = (descended(view, lambda image, *_: -image.mean(), 60)[0] for _ in range(2))
    assert torch.equal(first, second)
    assert float(first.max()) == 1.0
    still = descended(view, lambda image, *_: 0 * image.mean(), 2)[0]
    hidden = dense(view).sum(0) == 0
    assert torch.equal(first[hidden], still[hidden])
    assert not torch.equal(first, still)


def test_a_stopped_descent_goes_on_to_the_same_colours(view, tmp_path):
    goal = view.render(torch.rand(view.count, 3, generator=torch.Generator().manual_seed(4)))
    start, seen, calls = torch.full((view.count, 3), 0.5), Seen(view, torch.zeros(3, *SIZE)), []

    def losses(image, number, step, known):
        calls.append(known.number)
        if known.number == 47 and calls.count(47) == 1:
            raise KeyboardInterrupt
        return {"error": (image - goal).square().mean()}

    descent, keep = Descent(60 * [replace(STEP, view="free")], 0.02), tmp_path / "descent.safetensors"
    with pytest.raises(KeyboardInterrupt):
        optimise(start, [seen, seen], losses, descent, keep=keep)
    again, curve = optimise(start, [seen, seen], losses, descent, keep=keep)
    assert len(curve) == 20  # from step 40 on
    whole, _ = optimise(start, [seen, seen], losses, descent)
    assert torch.equal(again, whole)
    other, _ = optimise(start[:1].expand(view.count, 4, 3) * 0, [seen], lambda *_: {}, Descent([], 0.1), keep=keep)
    assert float(other.abs().max()) == 0  # of another scene


# the whole


def tiny_run(view, **options):
    """A few steps of the embedded family on the wall, towards red."""
    from relook.lift.losses.styleme3d import StyleMe3D, restyled

    red = torch.tensor([0.8, 0.2, 0.1])[:, None, None] + 0.1 * torch.rand(
        3, 48, 48, generator=torch.Generator().manual_seed(3)
    )
    with Session("cpu") as session:
        return restyled(scene(), ([CAMERA], [view]), red, StyleMe3D(**options), session)


@pytest.mark.parametrize("preset", ["paper", "relook"])
def test_a_scene_takes_the_styles_colours_by_any_preset(view, preset):
    before = scene().colours
    after = tiny_run(view, preset=preset, steps=5, losses=("distillation",))
    assert after.shape == before.shape
    assert bool(((after >= 0) & (after <= 1)).all())
    assert float((after[:, 0] - after[:, 2]).mean()) > float((before[:, 0] - before[:, 2]).mean()) + 0.02


def test_a_run_repeats(view):
    first, second = (tiny_run(view, steps=2, losses=("distillation",)) for _ in range(2))
    assert torch.equal(first, second)


def test_without_weights_of_a_loss_one_sentence_says_so(view, monkeypatch, tmp_path):
    monkeypatch.setenv("RELOOK_MODELS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(MissingModelError, match="vgg19"):
        tiny_run(view, steps=1, losses=("statistics",))


def test_the_scenes_method_reads_the_options_of_the_command(view, caplog):
    photo = PhotoConfig(preset="paper", steps=2, seed=3, prompt="a room", family="dollhouse")
    how = how_of(RestyleConfig(photo=photo, method="styleme3d", losses=("distillation",), judge="some/clip"))
    assert (how.preset, how.steps, how.losses, how.seed, how.prompt) == ("paper", 2, ("distillation",), 3, "a room")
    assert (how.family, how.image_prompt, how.judged_by, how.described_by) == (
        "dollhouse",
        None,
        "some/clip",
        "embedded",
    )
    other = how_of(RestyleConfig(photo=replace(photo, family="sd15", preset="relook")))
    assert (other.family, other.image_prompt, other.losses) == ("sd15", "auto", ("statistics", "distillation"))
    drawn = how_of(RestyleConfig(photo=photo))
    assert drawn.losses == LOSSES
    alone, clip = (RestyleConfig(photo=replace(photo, family=None), judge=judge) for judge in ("embedded", "some/clip"))
    assert how_of(alone).losses == ("statistics",)
    check_losses(replace(alone, method="styleme3d"))
    assert "Without descriptor, quality, distillation: the embedded networks know drawn rooms only" in caplog.text
    assert how_of(clip).losses == ("statistics", "quality")
    with pytest.raises(InputError, match="family whose denoiser distils"):
        how_of(replace(alone, losses=("distillation",)))
    with pytest.raises(InputError, match="never released"):
        how_of(RestyleConfig(photo=replace(photo, preset="released")))
    posed = View(torch.rand(3, *SIZE), camera=CAMERA)
    parts = Segments(torch.zeros(1, view.count, dtype=torch.int64), {0: Region("")})
    whole = Scene(scene(), (posed,), Blends(scene(), [CAMERA], SIZE), parts)
    config = RestyleConfig(photo=replace(photo, device="cpu"), method="styleme3d", losses=("quality", "descriptor"))
    with Session("cpu") as session:
        found = METHODS["styleme3d"](whole, View(torch.rand(3, 40, 50)), Settings(config, session))
    assert found.shape == (view.count, 3)
    assert not torch.equal(found, scene().colours)
