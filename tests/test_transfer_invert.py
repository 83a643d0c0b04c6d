"""Inversion: the recorded noise makes the picture again."""

import pytest
import torch

import tiny
from relook.models.families import padded
from relook.transfer.guidance import classifier_free, eps
from relook.transfer.invert import invert_ddim, invert_ddpm
from relook.transfer.predict import predictor
from relook.transfer.sample import denoise, posterior, schedule_of


@pytest.fixture(params=["epsilon", "v_prediction", "sample"])
def family(request):
    return tiny.family(prediction=request.param)


def prepared(family, mix, seed=0):
    view = tiny.view(30, 44, seed=seed)
    image, _ = padded(view.image, family.multiple)
    depth = torch.nn.functional.interpolate(family.control_image(view.depth), image.shape[1:])
    with torch.no_grad():
        text = family.embed(["a living room", ""])
        return family.encode(image[None]), predictor(family, mix, text[:1], text[1:], depth)


def draws(latents, steps):
    return torch.randn(steps, *latents.shape, generator=torch.Generator().manual_seed(0))


def decibels(truth, other):
    return 10 * torch.log10(1 / (truth - other).square().mean())


@pytest.mark.parametrize("start", [1.0, 0.6])
def test_recorded_noise_reproduces_the_autoencoders_own_round_trip(family, start):
    latents, predict = prepared(family, classifier_free(3.5, depth=True))
    schedule = schedule_of(family, 12)
    first = schedule.first(start)
    with torch.no_grad():
        path = invert_ddpm(latents, schedule, predict, draws(latents, 12), first=first)
        made = steps_of(path.latents[first], schedule, predict, path.noise, first)
        assert decibels(family.decode(path.latents[-2]), family.decode(made[-2])) > 60, "the last step has no noise"
        other = steps_of(path.latents[first], schedule, predict, torch.randn_like(path.noise), first)
        assert decibels(family.decode(path.latents[-2]), family.decode(other[-2])) < 60
    assert (made[-2] - path.latents[-2]).abs().max() < 1e-4


def steps_of(latents, schedule, predict, noise, first):
    """The latents after every step."""
    made = [latents]
    for index in range(first, len(schedule.timesteps)):
        signals = schedule.signal[index], schedule.signal[index + 1]
        mean, deviation = posterior(made[-1], predict(made[-1], schedule.timesteps[index]), *signals, 1.0)
        made.append(mean + deviation * noise[index])
    assert torch.equal(made[-1], denoise(latents, schedule, predict, noise, first=first))
    return made


def test_latents_are_drawn_independently_and_the_last_noise_is_zero():
    family = tiny.family()
    latents, predict = prepared(family, eps())
    schedule = schedule_of(family, 12)
    path = invert_ddpm(latents, schedule, predict, draws(latents, 12))
    assert torch.equal(path.latents[-1], latents)
    assert path.noise[-1].abs().max() == 0
    drawn = (path.latents[:-1] - schedule.signal[:-1].sqrt().view(-1, 1, 1, 1, 1) * latents).flatten(1)
    assert torch.corrcoef(drawn).fill_diagonal_(0).abs().max() < 0.35  # 352 values each


def test_ddim_inversion_is_deterministic_and_more_steps_help():
    family = tiny.family(prediction="v_prediction")
    latents, predict = prepared(family, eps())
    errors = []
    with torch.no_grad():
        for steps in (15, 60):
            schedule = schedule_of(family, steps)
            path = invert_ddim(latents, schedule, predict)
            again = denoise(path.latents[0], schedule, predict, path.noise, eta=0.0)
            errors.append((again - latents).square().mean())
            assert path.noise.abs().max() == 0
            assert torch.equal(path.latents, invert_ddim(latents, schedule, predict).latents)
    assert errors[1] < errors[0] / 4
