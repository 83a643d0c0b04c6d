"""The noise schedule, where steps lie in a preset's windows, one denoising step, and the loop; timesteps fall from noise to picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from relook.errors import InputError
from relook.models.families import FEW, Family
from relook.transfer.settings import Denoising, Steps, Window

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
    """alpha-bar at every timestep, then the finished picture's."""
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


def schedule_of(family: Family, steps: int, spacing: Literal["linspace", "leading"] = "linspace") -> Schedule:
    """`steps` of the family's training timesteps, by diffusers' names for how they are spaced (Lin et al. 2023, table 2).

    `linspace`: evenly, from the noisiest to 1, and the finished picture has no noise. `leading`: every so many, counted from the
    scheduler's offset, and the finished picture is the scheduler's, which in Stable Diffusion 1.5 has the noise of timestep 0: 100 of 1000
    are 991, 981 ... 1. Those of few-step families are counted back from the noisiest (trailing: 4 of 1000 are 999, 749, 499, 249).

    Raises InputError unless 1 <= steps < the number of training timesteps.
    """
    signal = family.noise_levels()
    total, last = len(signal), signal.new_ones(1)
    if not 1 <= steps < total:
        raise InputError(f"Expected 1 to {total - 1} steps, got {steps}; 20 to 100 are usual.")
    highest = int((signal > FAINTEST).nonzero().max())
    timesteps = torch.linspace(highest, 1, steps).round().long().tolist()
    if family.few_steps:
        timesteps = [min(round(total * (steps - index) / steps) - 1, highest) for index in range(steps)]
    elif spacing == "leading":
        offset = int(family.scheduler.config["steps_offset"])
        timesteps = [min(index * (total // steps) + offset, highest) for index in reversed(range(steps))]
        last = family.scheduler.final_alpha_cumprod.to(signal).view(1)
    return Schedule(tuple(timesteps), torch.cat([signal[timesteps], last]), total)


@dataclass(frozen=True)
class Timing:
    """Where the steps of one run lie in the windows of its preset."""

    schedule: Schedule
    first: int
    """Index of the first step that is run."""
    preset_steps: int
    """Steps of a whole run in the preset, which its windows in steps are meant for; they stretch with the schedule's."""

    @property
    def run(self) -> range:
        """Indices of the steps that are run."""
        return range(self.first, len(self.schedule.timesteps))

    def ramp(self, index: int) -> float:
        """How many of the steps that are run lie behind a step, from 0 to 1."""
        return (index - self.first) / max(len(self.run) - 1, 1)

    def within(self, window: Window, index: int, *, after: bool = False) -> bool:
        """Whether a step lies in a window; after: whether what it leads to does, where the window is in fractions."""
        if isinstance(window, Steps):
            stretch, step = len(self.schedule.timesteps) / self.preset_steps, index - self.first
            first, last = round(window.first * stretch), round(window.last * stretch)
            return first <= step <= last and (step - first) % window.every == 0
        reached = index + after
        over = reached == len(self.schedule.timesteps)
        fraction = 1.0 if over else self.schedule.fraction(self.schedule.timesteps[reached])
        return window[0] <= fraction <= window[1]


def timing_of(family: Family, denoising: Denoising, steps: int | None = None, strength: float = 1.0) -> Timing:
    """The steps of a run: the preset's number, or another; strength below 1 starts at less noise (see `Options`).

    Raises InputError for a number of steps that the family cannot take.
    """
    usual = FEW if family.few_steps else denoising.steps
    schedule = schedule_of(family, steps or usual, denoising.spacing)
    count, level = len(schedule.timesteps), denoising.start
    if denoising.skip:
        skipped = min(round(denoising.skip * count / denoising.steps), count - 1)
        level = max(schedule.timesteps[skipped], 1) / (schedule.total - 1)
    return Timing(schedule, schedule.first(level * strength**0.5), denoising.steps)


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
