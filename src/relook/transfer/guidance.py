"""Guidance: predicted noises under several conditions, composed linearly, in the papers' own formulas.

Every published guidance here is a weighted sum of noises predicted with or without prompt, swapped attention and depth. `eps` stands for
one of them, sums and multiples of it are a `Mix`, and conditions of weight 0 cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from relook.transfer.settings import Denoising

DEPTH_SHARE = 0.6
"""lambda_d: share of depth against semantic attention in ReStyle3D's guidance (its code's)."""


@dataclass(frozen=True)
class Condition:
    """What the denoiser knows when it predicts the noise of the output."""

    prompt: bool = True
    """The prompt (else the empty one)."""
    swap: bool = False
    """Attention to the style picture."""
    depth: bool = False
    """The structure's depth, through the ControlNet."""


class Mix(dict[Condition, float]):
    """A weighted sum of the noises predicted under each condition; the weights of a guidance sum to 1."""

    def __add__(self, other: Mapping[Condition, float]) -> Mix:
        return Mix({one: self.get(one, 0.0) + other.get(one, 0.0) for one in {**self, **other}})

    def __rmul__(self, scale: float) -> Mix:
        return Mix({condition: scale * weight for condition, weight in self.items()})


def eps(*, prompt: bool = True, swap: bool = False, depth: bool = False) -> Mix:
    """The noise predicted under one condition."""
    return Mix({Condition(prompt, swap, depth): 1.0})


def classifier_free(scale: float, *, swap: bool = False, depth: bool = False) -> Mix:
    """eps_empty + s (eps_prompt - eps_empty) (Ho and Salimans 2022)."""
    return (1 - scale) * eps(prompt=False, swap=swap, depth=depth) + scale * eps(swap=swap, depth=depth)


def appearance(alpha: float) -> Mix:
    """eps_self + alpha (eps_cross - eps_self) (Cross-Image Attention, eq. 4), both with depth."""
    return alpha * eps(swap=True, depth=True) + (1 - alpha) * eps(depth=True)


def semantic(alpha: float) -> Mix:
    """(1 - alpha) eps_uncond + alpha (lambda_s eps_semantic + lambda_d eps_depth) (ReStyle3D, eq. 5), lambda_s + lambda_d = 1."""
    both = (1 - DEPTH_SHARE) * eps(swap=True) + DEPTH_SHARE * eps(depth=True)
    return (1 - alpha) * eps(prompt=False) + alpha * both


def semantic_released(scale: float) -> Mix:
    """(1 - s) (lambda_d eps[no swap, depth] + lambda_s eps[swap, no depth]) + s eps[swap, depth]: ReStyle3D's code."""
    apart = DEPTH_SHARE * eps(depth=True) + (1 - DEPTH_SHARE) * eps(swap=True)
    return (1 - scale) * apart + scale * eps(swap=True, depth=True)


def depth_guided() -> Mix:
    """eps_depth + (eps_depth - eps): ReStyle3D's code outside its window."""
    return 2.0 * eps(depth=True) + (-1.0) * eps()


def prompt_released(scale: float, *, injects: bool = False) -> Mix:
    """Classifier-free guidance whose prompted prediction alone is swapped: Eye-for-an-eye's code.

    In steps of injection the empty one is, from the structure, and the prompted one is plain: likely a bug, reproduced.
    """
    return (1 - scale) * eps(prompt=False, swap=injects) + scale * eps(swap=not injects)


def guidance(
    denoising: Denoising, ramp: float, *, strength: float = 1.0, inside: bool = True, injects: bool = False
) -> Mix:
    """A method's guidance of the output.

    ramp: how much of the run is over. strength below 1 weakens appearance guidance. inside: whether the step is in the guidance's window.
    injects: whether attention goes to the structure.
    """
    start, end = denoising.scale
    scale = start + (end - start) * ramp
    if denoising.guidance == "appearance":
        return appearance(1 + (scale - 1) * strength if inside else 1.0)
    if denoising.guidance == "semantic":
        return semantic(scale)
    if denoising.guidance == "semantic-released":
        return semantic_released(scale) if inside else depth_guided()
    if denoising.guidance == "prompt-released":
        return prompt_released(scale, injects=injects)
    return classifier_free(scale, swap=True, depth=denoising.depth)


def replayed_guidance(denoising: Denoising, ramp: float) -> Mix:
    """The same of the style's and the structure's rows, whose attention is never swapped: with prompt and depth, in released code."""
    if denoising.guidance == "prompt-released":
        start, end = denoising.scale
        return classifier_free(start + (end - start) * ramp)
    return eps(depth=True)


def available(mix: Mapping[Condition, float], *, prompt: bool, swap: bool, depth: bool) -> Mix:
    """The mix where some conditions are not to be had: they are dropped, equal ones merged, zero weights left out."""
    merged: dict[Condition, float] = {}
    for condition, weight in mix.items():
        there = Condition(condition.prompt and prompt, condition.swap and swap, condition.depth and depth)
        merged[there] = merged.get(there, 0.0) + weight
    return Mix({condition: weight for condition, weight in merged.items() if abs(weight) > 1e-9})


def composed(mix: Mapping[Condition, float], noises: Float[Tensor, "R C h w"]) -> Float[Tensor, "1 C h w"]:
    """The weighted sum of the first rows, which are in the order of the mix."""
    weights = torch.tensor(list(mix.values()), device=noises.device, dtype=noises.dtype)
    return (weights.view(-1, 1, 1, 1) * noises[: len(weights)]).sum(0, keepdim=True)
