"""DSSD, dynamic style score distillation: what a denoiser that knows the style picture would change in a rendered picture's latents.

Score distillation (Poole et al. 2023, equation 3) with timesteps that fall and guidance that grows over the run (StyleMe3D's supplement).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from relook.transfer.guidance import Condition, Mix, composed, eps

NOISIEST, CLEANEST = 0.75, 0.02
"""T_max and T_min as parts of T."""
LEAST_SCALE, MOST_SCALE = 7.5, 20.0
"""Guidance at the start, and at the end."""

Noises = Callable[[Tensor, int, Mapping[Condition, float]], Tensor]
"""(noised latents [1 C h w], timestep, conditions) -> the noise predicted under each condition [R C h w], in their order."""


def timestep_at(progress: float, total: int) -> int:
    """t = round((1 - sqrt(a)) T), clipped to [T_min, T_max]; progress a from 0 to 1."""
    low, high = round(CLEANEST * total), round(NOISIEST * total)
    return min(max(round((1 - progress**0.5) * total), low), high)


def scale_at(progress: float, least: float = LEAST_SCALE, most: float = MOST_SCALE) -> float:
    """g = max(least, most a^2)."""
    return max(least, most * progress**2)


def guided(scale: float, *, by_prompt: bool = False, depth: bool = False) -> Mix:
    """(1 - g) eps(z | y, t) + g eps(z | y, style, t).

    by_prompt: the style is an image prompt, so that what is without it has no prompt; else attention goes to it.
    """
    plain = eps(prompt=not by_prompt, depth=depth)
    styled = eps(swap=not by_prompt, depth=depth)
    return (1 - scale) * plain + scale * styled


def residual(
    latents: Float[Tensor, "1 C h w"],
    noise: Float[Tensor, "1 C h w"],
    timestep: int,
    signal: Float[Tensor, " T"],
    mix: Mix,
    noises: Noises,
) -> Float[Tensor, "1 C h w"]:
    """w(t) (guided noise - noise) at z_t = sqrt(a_t) z + sqrt(1 - a_t) noise, w(t) = 1 - a_t; no gradient passes the denoiser.

    signal: alpha-bar of every timestep.
    """
    with torch.no_grad():
        share = signal[timestep]
        noised = share.sqrt() * latents + (1 - share).sqrt() * noise
        return (1 - share) * (composed(mix, noises(noised, timestep, mix)) - noise)


def distillation_loss(latents: Float[Tensor, "1 C h w"], change: Float[Tensor, "1 C h w"]) -> Float[Tensor, ""]:
    """A loss whose gradient with respect to the latents is the residual `change`: |z - (z - change)|^2 / 2, its target held fixed."""
    return (latents - (latents - change).detach()).square().sum() / 2
