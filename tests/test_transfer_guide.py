"""Guidance: weighted conditions, depth, FreeU, and the schedule."""

import pytest
import torch

import tiny
from relook.errors import EditError, InputError
from relook.transfer.edit import AttentionEdit, Rows
from relook.transfer.freeu import freeu
from relook.transfer.guidance import (
    Condition,
    appearance,
    available,
    classifier_free,
    composed,
    eps,
    guidance,
    semantic,
    semantic_released,
)
from relook.transfer.predict import Row, predict_rows, predictor
from relook.transfer.sample import Timing, denoise, posterior, schedule_of, timing_of
from relook.transfer.settings import Denoising, FreeU, Steps


@pytest.fixture(scope="module")
def family():
    return tiny.family()


@pytest.fixture
def parts(family):
    draw = torch.Generator().manual_seed(0)
    text = family.embed(["a living room", ""])
    return torch.randn(1, 4, 8, 12, generator=draw), text[:1], text[1:], torch.rand(1, 3, 32, 48, generator=draw)


MIXES = {
    "prompt": classifier_free(2.5),
    "appearance": appearance(3.5),
    "semantic": semantic(2.0),
    "released": semantic_released(1.5),
}


@pytest.mark.parametrize("name", MIXES)
def test_weights_sum_to_one_also_when_conditions_fall_away(name):
    for swap in (True, False):
        for depth in (True, False):
            mix = available(MIXES[name], prompt=False, swap=swap, depth=depth)
            assert sum(mix.values()) == pytest.approx(1)
            assert all(condition.swap <= swap and condition.depth <= depth for condition in mix)


def test_sums_of_predictions_are_written_as_in_papers():
    mix = 2.0 * (eps(depth=True) + 0.5 * eps(swap=True)) + (1 - 2.0) * eps(depth=True)
    assert mix == {Condition(depth=True): 1.0, Condition(swap=True): 1.0}


def test_semantic_guidance_is_equation_5():
    empty, swapped, deep = torch.randn(3, 1, 4, 2, 2)
    wanted = (1 - 2.0) * empty + 2.0 * (0.4 * swapped + 0.6 * deep)
    mix = MIXES["semantic"]
    noises = {Condition(prompt=False): empty, Condition(swap=True): swapped, Condition(depth=True): deep}
    torch.testing.assert_close(composed(mix, torch.cat([noises[condition] for condition in mix])), wanted)


def test_appearance_guidance_of_one_costs_one_prediction():
    assert available(appearance(1.0), prompt=True, swap=True, depth=True) == {Condition(swap=True, depth=True): 1.0}
    assert available(appearance(3.5), prompt=True, swap=False, depth=True) == {Condition(depth=True): 1.0}


def test_rows_are_predicted_as_if_alone(family, parts):
    latents, text, empty, depth = parts
    rows = [Row(latents, 700, text, depth), Row(latents * 0.5, 300, empty), Row(latents + 1, 100, text, depth * 0.3)]
    with torch.no_grad():
        together = predict_rows(family, rows)
        alone = torch.cat([predict_rows(family, [row]) for row in rows])
        unguided = predict_rows(family, [Row(latents, 700, text)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert (unguided - alone[:1]).abs().max() == 0  # a fresh ControlNet ends in zero convolutions


def test_depth_reaches_the_denoiser_through_the_controlnet(family, parts):
    latents, text, _, depth = parts
    torch.nn.init.normal_(family.control.controlnet_mid_block.weight)
    try:
        with torch.no_grad():
            plain, deep, half = (
                predict_rows(family, [Row(latents, 700, text, image)], control_scale=scale)
                for image, scale in ((None, 1.0), (depth, 1.0), (depth, 0.5))
            )
    finally:
        torch.nn.init.zeros_(family.control.controlnet_mid_block.weight)
    assert (deep - plain).abs().max() > 1e-3
    assert (half - plain).abs().max() > 1e-4
    assert (half - deep).abs().max() > 1e-4


def test_depth_without_a_controlnet_is_an_error(parts):
    latents, text, _, depth = parts
    with pytest.raises(EditError, match="ControlNet"):
        predict_rows(tiny.family(attention=False), [Row(latents, 700, text, depth)])


def test_an_edited_row_takes_from_the_last_row(family, parts):
    latents, text, _, _ = parts
    edit = AttentionEdit(Rows((0,), (1,)), (8, 12))
    with torch.no_grad():
        plain, edited = (
            predict_rows(family, [Row(latents, 500, text), Row(-latents, 100, text)], edits) for edits in ((), (edit,))
        )
    assert (plain[0] - edited[0]).abs().max() > 1e-3
    torch.testing.assert_close(plain[1], edited[1])


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_every_prediction_type_means_the_same_noise(prediction):
    family = tiny.family(prediction=prediction)
    clean, noise = torch.randn(2, 2, 4, 4, 4)
    timestep = torch.tensor([100, 800])
    signal = family.noise_levels()[timestep].view(-1, 1, 1, 1)
    latents = signal.sqrt() * clean + (1 - signal).sqrt() * noise
    output = {"epsilon": noise, "v_prediction": signal.sqrt() * noise - (1 - signal).sqrt() * clean, "sample": clean}
    torch.testing.assert_close(family.noise_of(output[prediction], latents, timestep), noise, atol=1e-4, rtol=1e-4)


def test_the_deterministic_step_agrees_with_diffusers(family, parts):
    from diffusers import DDIMScheduler

    latents, text, empty, _ = parts
    theirs = DDIMScheduler.from_config(family.scheduler.config, set_alpha_to_one=True, timestep_spacing="linspace")
    predict = predictor(family, classifier_free(2.0), text, empty)
    schedule = schedule_of(family, 10)
    with torch.no_grad():
        ours = denoise(latents, schedule, predict, torch.zeros(10, *latents.shape), eta=0.0)
        for index, timestep in enumerate(schedule.timesteps):
            signal = theirs.alphas_cumprod[timestep], schedule.signal[index + 1]
            clean = (latents - (1 - signal[0]).sqrt() * predict(latents, timestep)) / signal[0].sqrt()
            latents = signal[1].sqrt() * clean + (1 - signal[1]).sqrt() * predict(latents, timestep)
    torch.testing.assert_close(ours, latents, atol=1e-4, rtol=1e-4)


def test_ddpm_steps_keep_the_variance_of_the_forward_process(family):
    schedule = schedule_of(family, 10)
    clean, noise = torch.randn(2, 1, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    for index in (0, 5, 8):
        now, then = schedule.signal[index], schedule.signal[index + 1]
        mean, deviation = posterior(schedule.noised(clean, noise, index), noise, now, then, 1.0)
        again = mean + deviation * torch.randn(mean.shape, generator=torch.Generator().manual_seed(1))
        assert float((again - then.sqrt() * clean).var()) == pytest.approx(float(1 - then), rel=0.05)


def test_windows_and_starts_are_fractions(family):
    for steps in (10, 50):
        schedule = schedule_of(family, steps)
        assert schedule.first(1.0) == 0
        assert schedule.timesteps[0] == 999
        assert schedule.timesteps[-1] == 1
        assert schedule.first(0.5) / steps == pytest.approx(0.5, abs=0.5 / steps + 0.01)
        assert schedule.first(1e-6) == steps - 1
        assert schedule.first(0.0) == steps, "no noise, no steps"
        timing = Timing(schedule, 0, steps)
        assert [timing.within((0.4, 0.6), index) for index in (0, steps // 2, steps - 1)] == [False, True, False]
    halfway = guidance(Denoising(guidance="prompt", scale=(3.5, 1.75), depth=False), 0.5)
    assert halfway == pytest.approx(classifier_free(2.625, swap=True))
    with pytest.raises(InputError, match="steps"):
        schedule_of(family, 0)


def test_windows_in_steps_stretch_with_the_number_of_steps(family):
    """Counted from the first step that is run; in as many as the preset has they are exact."""
    released = Denoising(steps=100, skip=32, spacing="leading")
    for steps, factor in ((100, 1), (50, 2), (10, 10)):
        timing = timing_of(family, released, steps)
        assert timing.first == round(32 / factor)
        inside = [i for i in range(len(timing.run)) if timing.within(Steps(10, 40), timing.first + i)]
        assert inside == list(range(10 // factor, 40 // factor + 1))
        assert [timing.ramp(timing.run[0]), timing.ramp(timing.run[-1])] == [0, 1]
    every = [i for i in range(68) if timing_of(family, released).within(Steps(11, 40, every=5), 32 + i)]
    assert every == [11, 16, 21, 26, 31, 36]
    assert timing_of(family, released, strength=0.25).first > 32


def test_leading_timesteps_are_diffusers(family):
    from diffusers import DDIMScheduler

    for steps in (100, 120, 7):
        theirs = DDIMScheduler.from_config(family.scheduler.config, timestep_spacing="leading")
        theirs.set_timesteps(steps)
        schedule = schedule_of(family, steps, "leading")
        assert list(schedule.timesteps) == theirs.timesteps.tolist()
        assert schedule.signal[-1] == family.scheduler.final_alpha_cumprod


def test_freeu_equals_diffusers_and_leaves_no_trace(family, parts):
    latents, text, _, _ = parts
    row = [Row(latents, 400, text)]
    with torch.no_grad():
        plain = predict_rows(family, row)
        with freeu(family.denoiser, FreeU()):
            ours = predict_rows(family, row)
        with freeu(family.denoiser, FreeU(where="inputs")):
            released = predict_rows(family, row)
        with freeu(family.denoiser, FreeU(backbone=(1.0, 1.0), low=(1.0, 1.0))):
            off = predict_rows(family, row)
        again = predict_rows(family, row)
        family.denoiser.enable_freeu(s1=0.9, s2=0.2, b1=1.5, b2=1.6)
        theirs = predict_rows(family, row)
        family.denoiser.disable_freeu()
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(off, plain, atol=1e-5, rtol=1e-4)
    assert torch.equal(plain, again)
    assert (ours - plain).abs().max() > 1e-3
    assert (released - ours).abs().max() > 1e-3
