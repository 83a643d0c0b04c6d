"""Inversion: the noise from which a denoiser makes a given picture again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from relook.transfer.sample import Predictor, Schedule, posterior


@dataclass(frozen=True)
class Trajectory:
    """The latents of a run and the noise that leads from each to the next."""

    latents: Float[Tensor, "P B C h w"]
    """At every schedule point; the last are the picture's own."""
    noise: Float[Tensor, "T B C h w"]
    """Noise of every step in units of its deviation; zero in the last step, and in all of DDIM."""


def invert_ddpm(
    clean: Float[Tensor, "B C h w"],
    schedule: Schedule,
    predict: Predictor,
    draws: Float[Tensor, "T B C h w"],
    *,
    eta: float = 1.0,
    first: int = 0,
) -> Trajectory:
    """Edit-friendly DDPM inversion (Huberman-Spiegelglas et al. 2023, algorithm 1).

    Every x_t is drawn independently from q(x_t | x_0), with the noise `draws`; then z_t = (x_{t-1} - mean_t(x_t)) / deviation_t, and
    the last is zero. Steps before `first` get zero noise and cost no prediction. With the same predictor the noise reproduces the latents.
    """
    steps = len(schedule.timesteps)
    path = torch.stack([*(schedule.noised(clean, draws[index], index) for index in range(steps)), clean])
    noise = torch.zeros_like(draws)
    for index in range(first, steps - 1):
        predicted = predict(path[index], schedule.timesteps[index])
        mean, deviation = posterior(path[index], predicted, schedule.signal[index], schedule.signal[index + 1], eta)
        if deviation > 0:
            noise[index] = (path[index + 1] - mean) / deviation
            path[index + 1] = mean + deviation * noise[index]  # no drift from rounding
    return Trajectory(path, noise)


def invert_ddim(clean: Float[Tensor, "B C h w"], schedule: Schedule, predict: Predictor) -> Trajectory:
    """DDIM inversion: the latents from which the deterministic sampler makes the picture, about.

    A step back asks for x_t = f(x_{t-1}, eps(x_t)), which is implicit: eps(x_{t-1}) stands in for eps(x_t).
    """
    path = [clean]
    for index in reversed(range(len(schedule.timesteps))):
        now, then = schedule.signal[index], schedule.signal[index + 1]
        predicted = predict(path[-1], schedule.timesteps[index])
        made = (path[-1] - (1 - then).sqrt() * predicted) / then.sqrt()
        path.append(now.sqrt() * made + (1 - now).sqrt() * predicted)
    stacked = torch.stack(path[::-1])
    return Trajectory(stacked, torch.zeros_like(stacked[1:]))
