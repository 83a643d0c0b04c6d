"""The noise schedule, one denoising step, and the loop; timesteps fall from noise to picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from relook.errors import InputError
from relook.models.families import Family

Predictor = Callable[[Tensor, int], Tensor]
"""(latents [B C h w], timestep) -> predicted noise [B C h w]."""

FRESH = float("inf")
"""The eta at which every step draws all of its noise anew."""

FAINTEST = 1e-4
"""Runs start at the last timestep with more signal than this: from none at all, a noise prediction says nothing."""


@dataclass(frozen=True)
class Schedule:
    """The timesteps of a run and the share of signal at each."""

    timesteps: tuple[int, ...]
    """Falling, one per step."""
    signal: Float[Tensor, " P"]
    """alpha-bar at every timestep, then 1 for the finished picture."""
    total: int
    """Number of timesteps that the family was trained on."""

    def fraction(self, timestep: int) -> float:
        """How much of the run is over at a timestep, in [0, 1]."""
        return 1 - timestep / (self.total - 1)

    def first(self, level: float) -> int:
        """Index of the first step at or below a noise level (1 = from pure noise), at least the last step; past it for level 0."""
        if level <= 0:
            return len(self.timesteps)
        below = [index for index, timestep in enumerate(self.timesteps) if timestep <= level * (self.total - 1) + 1e-6]
        return below[0] if below else len(self.timesteps) - 1

    def noised(self, clean: Tensor, noise: Tensor, index: int) -> Tensor:
        """A draw from q(x_t | x_0) = N(sqrt(a) x_0, 1 - a) at a schedule point."""
        signal = self.signal[index]
        return signal.sqrt() * clean + (1 - signal).sqrt() * noise


def schedule_of(family: Family, steps: int) -> Schedule:
    """`steps` timesteps evenly spread over the family's training timesteps; those of few-step families are counted back from the
    noisiest (trailing: 4 of 1000 are 999, 749, 499, 249).

    Raises InputError unless 1 <= steps < the number of training timesteps.
    """
    signal = family.noise_levels()
    total = len(signal)
    if not 1 <= steps < total:
        raise InputError(f"Expected 1 to {total - 1} steps, got {steps}; 20 to 100 are usual.")
    highest = int((signal > FAINTEST).nonzero().max())
    timesteps = torch.linspace(highest, 1, steps).round().long().tolist()
    if family.few_steps:
        timesteps = [min(round(total * (steps - index) / steps) - 1, highest) for index in range(steps)]
    return Schedule(tuple(timesteps), torch.cat([signal[timesteps], signal.new_ones(1)]), total)


def posterior(
    latents: Tensor, noise: Tensor, now: Tensor, then: Tensor, eta: float
) -> tuple[Float[Tensor, "B C h w"], Float[Tensor, ""]]:
    """Mean and deviation of the next latents (DDIM, Song et al. 2021, eq. 12 and 16); eta 0 is DDIM, 1 is DDPM.

    eta FRESH noises the predicted picture anew, with none of the old noise (consistency models, Song et al. 2023, algorithm 1).
    now, then: alpha-bar before and after the step.
    """
    if eta == FRESH:
        deviation = (1 - then).sqrt()
    else:
        deviation = eta * ((1 - then) / (1 - now) * (1 - now / then)).clamp_min(0).sqrt()
    clean = (latents - (1 - now).sqrt() * noise) / now.sqrt()
    return then.sqrt() * clean + (1 - then - deviation**2).clamp_min(0).sqrt() * noise, deviation


def denoise(
    latents: Float[Tensor, "B C h w"],
    schedule: Schedule,
    predict: Predictor,
    noise: Float[Tensor, "T B C h w"],
    *,
    eta: float = 1.0,
    first: int = 0,
    tick: Callable[[int], None] | None = None,
) -> Float[Tensor, "B C h w"]:
    """Run the steps from index `first` on, with noise of unit deviation, recorded or fresh; `tick` hears how many are done."""
    for index in range(first, len(schedule.timesteps)):
        predicted = predict(latents, schedule.timesteps[index])
        mean, deviation = posterior(latents, predicted, schedule.signal[index], schedule.signal[index + 1], eta)
        latents = mean + deviation * noise[index]
        if tick is not None:
            tick(index + 1 - first)
    return latents
