"""Inversion: the noise from which a denoiser makes a given picture again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from relook.transfer.sample import Predictor, Schedule, denoise, posterior


@dataclass(frozen=True)
class Trajectory:
    """The latents of a run and the noise that leads from each to the next."""

    latents: Float[Tensor, "P B C h w"]
    """At every schedule point; the last are the picture's own."""
    noise: Float[Tensor, "T B C h w"]
    """Noise of every step in units of its deviation; zero where that is zero (the last step, and all of DDIM)."""
    rest: Float[Tensor, "B C h w"]
    """What the deterministic last step misses of the picture."""
    eta: float
    """The stochasticity that the noise was recorded for."""

    def replay(self, schedule: Schedule, predict: Predictor, first: int = 0, exact: bool = True) -> Tensor:
        """The picture's latents again, from schedule point `first`; exact adds `rest`."""
        made = denoise(self.latents[first], schedule, predict, self.noise, eta=self.eta, first=first)
        return made + self.rest if exact else made


def invert_ddpm(
    clean: Float[Tensor, "B C h w"],
    schedule: Schedule,
    predict: Predictor,
    generator: torch.Generator,
    *,
    eta: float = 1.0,
    first: int = 0,
) -> Trajectory:
    """Edit-friendly DDPM inversion (Huberman-Spiegelglas et al. 2023, algorithm 1).

    Every x_t is drawn independently from q(x_t | x_0); then z_t = (x_{t-1} - mean_t(x_t)) / deviation_t. Steps before
    `first` get zero noise and cost no prediction. With the same predictor the noise reproduces the latents.
    """
    steps = len(schedule.timesteps)
    draws = torch.randn((steps, *clean.shape), generator=generator).to(clean)
    path = torch.stack([*(schedule.noised(clean, draws[index], index) for index in range(steps)), clean])
    noise, rest = torch.zeros_like(draws), torch.zeros_like(clean)
    for index in range(first, steps):
        predicted = predict(path[index], schedule.timesteps[index])
        mean, deviation = posterior(path[index], predicted, schedule.signal[index], schedule.signal[index + 1], eta)
        if deviation > 0:
            noise[index] = (path[index + 1] - mean) / deviation
            path[index + 1] = mean + deviation * noise[index]  # no drift from rounding
        elif index == steps - 1:
            rest = clean - mean
    return Trajectory(path, noise, rest, eta)


def invert_ddim(
    clean: Float[Tensor, "B C h w"], schedule: Schedule, predict: Predictor, *, refinements: int = 4
) -> Trajectory:
    """DDIM inversion: the latents from which the deterministic sampler makes the picture.

    A step asks for x_t = f(x_{t-1}, eps(x_t)), which is implicit; it starts at eps(x_{t-1}) and iterates `refinements`
    times (fixed point, Pan et al. 2023).
    """
    path = [clean]
    for index in reversed(range(len(schedule.timesteps))):
        now, then, timestep = schedule.signal[index], schedule.signal[index + 1], schedule.timesteps[index]
        latents = path[-1]
        for _ in range(refinements + 1):
            predicted = predict(latents, timestep)
            made = (path[-1] - (1 - then).sqrt() * predicted) / then.sqrt()
            latents = now.sqrt() * made + (1 - now).sqrt() * predicted
        path.append(latents)
    stacked = torch.stack(path[::-1])
    again = denoise(stacked[0], schedule, predict, torch.zeros_like(stacked[1:]), eta=0.0)
    return Trajectory(stacked, torch.zeros_like(stacked[1:]), clean - again, 0.0)
