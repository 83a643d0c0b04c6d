"""The two paths from a clean picture to noise that a run begins with: the structure's and the style's."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import torch
from jaxtyping import Float
from torch import Tensor

from relook.transfer.guide import classifier_free, predictor, simplified
from relook.transfer.invert import Trajectory, invert_ddim, invert_ddpm
from relook.transfer.sample import Schedule
from relook.transfer.scene import Scene
from relook.transfer.settings import Denoising

Progress = Callable[[int, int], None]
"""(predictions done, predictions in all)."""


def path_of(
    scene: Scene,
    denoising: Denoising,
    schedule: Schedule,
    first: int,
    clean: Float[Tensor, "1 C h w"],
    depth: Float[Tensor, "1 3 H W"] | None,
    record: bool,
    generator: torch.Generator,
    report: Callable[[], None],
) -> Trajectory:
    """A picture's latents at every schedule point, and its noise from step `first` on if it is to be recorded.

    DDPM inversion draws the latents without the denoiser, so a path whose noise nobody needs costs nothing.
    """
    has = {"prompt": bool(scene.prompt), "swap": False, "depth": depth is not None}
    mix = simplified(classifier_free(denoising.inversion_guidance, depth=True), **has)
    plain = predictor(scene.family, mix, scene.text, scene.empty, depth)

    def predict(latents: Tensor, timestep: int) -> Tensor:
        report()
        return plain(latents, timestep)

    if denoising.inversion == "ddim":
        return invert_ddim(clean, schedule, predict)
    last = len(schedule.timesteps)
    return invert_ddpm(clean, schedule, predict, generator, eta=denoising.eta, first=first if record else last)


def predictions(denoising: Denoising, steps: int, first: int) -> int:
    """How many predictions a run from step `first` on makes, those of the inversion included."""
    return steps - first + {"ddim": 2 * steps, "ddpm": steps - first, "none": 0}[denoising.inversion]


def ticker(progress: Progress | None, total: int) -> Callable[[], None]:
    """A function to call after every prediction."""
    done = count(1)
    return (lambda: progress(next(done), total)) if progress is not None else (lambda: None)
