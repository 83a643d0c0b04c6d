"""How the view refiner paints a frame: the holes of its carried look, or all of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from relook.models.families import Family, padded
from relook.models.text import Text
from relook.models.view_refiner import ViewRefiner, condition_pictures, encoded
from relook.ops.released_views import released_histogram
from relook.perceive.depth import DepthEstimator
from relook.transfer.sample import denoise, schedule_of
from relook.transfer.working import shrunk, working_side
from relook.types import View

Said = Callable[[Tensor, int], Tensor]
"""(noised latents [1 C h w], timestep) -> what the network says of them under guidance, in the family's own terms."""


@dataclass(frozen=True)
class Painting:
    """How the view refiner paints."""

    sampler: Literal["ddim", "euler"] = "ddim"
    """`ddim`: over the family's timesteps, from its first guess noised; `euler`: from pure noise, over timesteps that are evenly spread
    from the cleanest (leading: 991, 981, ... 1 of 100), in noise levels (Karras et al. 2022, without churn)."""
    steps: int = 8
    """Denoising steps of a whole run from pure noise; `ddim` takes those below `start`."""
    start: float = 0.3
    """Noise level from which `ddim` paints over the first guess. .3 was chosen on 18 rooms that no suite draws; where the network does not
    see what the frame was, its guess is only the nearest colour, and it paints from pure noise (1)."""
    guidance: float = 1.0
    """Classifier-free guidance towards the prompt; 1: none."""
    sees_structure: bool = True
    """Whether the network sees the frame as it was before."""
    whole: bool = False
    """Whether all of the frame is what the network paints, at the length of its family's pictures, with the histogram of the carried look;
    else only the holes are, by what the network changes of its guess."""


PAINTING: Mapping[str, Painting] = {
    "relook": Painting(),
    "paper": Painting(start=1.0, sees_structure=False),
    "released": Painting("euler", steps=100, start=1.0, guidance=5.0, sees_structure=False, whole=True),
}
"""For each way of carrying looks (`relook.lift.carry`): Relook's own, ReStyle3D's with as few steps, and what its authors' code does."""


def painting_of(carry: str) -> Painting:
    """How it paints for a way of carrying."""
    return PAINTING.get(carry, PAINTING["relook"])


@dataclass(frozen=True)
class Refining:
    """The view refiner and how it paints."""

    refiner: ViewRefiner
    painting: Painting = Painting()
    prompt: str = ""
    depth: DepthEstimator | None = None
    """Asked for frames that bring no depth."""


@torch.no_grad()
def refined(
    view: View, look: Float[Tensor, "3 H W"], holes: Bool[Tensor, "H W"], seed: int, how: Refining
) -> Float[Tensor, "3 H W"]:
    """What the view refiner paints, at its working size, carried to the view's.

    Of holes, what it changes of its first guess (`condition_pictures`) is added to the guess itself, so nothing is lost on the way
    through the autoencoder.
    """
    refiner, painting = how.refiner, how.painting
    if view.depth is None and how.depth is not None:
        view = replace(view, depth=how.depth(view))
    family = refiner.family
    pictures = _shown(view, look, holes, how)
    size, small = view.size, pictures["guess"].shape[-2:]
    even = {name: padded(picture, family.multiple)[0] for name, picture in pictures.items()}
    conditions = encoded(family, even, refiner.conditions)
    guess = conditions[:, : int(refiner.network.config["out_channels"])]
    if not refiner.conventions.guessed:
        guess = encoded(family, even, ("guess",))
    noise = torch.randn(guess.shape, generator=torch.Generator().manual_seed(seed)).to(guess)
    text = refiner.embed(how.prompt, empty=painting.guidance != 1)
    latents = painted(refiner, conditions, guess, text, noise, painting)
    if painting.whole:
        picture = family.decode(latents)[..., : small[0], : small[1]].cpu()
        return released_histogram(_enlarged(picture, size)[0].clamp(0, 1), look, holes)
    change = (family.decode(latents) - family.decode(guess))[..., : small[0], : small[1]].cpu()
    whole = pictures if small == size else _conditions(view, look, holes, how)
    return (whole["guess"] + _enlarged(change, size)[0]).clamp(0, 1)


def painted(
    refiner: ViewRefiner,
    conditions: Float[Tensor, "1 K h w"],
    guess: Float[Tensor, "1 C h w"],
    text: Text,
    noise: Float[Tensor, "1 C h w"],
    painting: Painting,
) -> Float[Tensor, "1 C h w"]:
    """The latents of a frame, from those of the conditions and of the first guess. text: the prompt, after none where there is guidance."""

    def said(latents: Tensor, timestep: int) -> Tensor:
        rows = refiner.denoise(latents, conditions, timestep, text)
        return rows if len(text) == 1 else rows[:1] + painting.guidance * (rows[1:] - rows[:1])

    if painting.sampler == "euler":
        return _by_euler(euler(refiner.family, painting.steps), said, noise)
    return _by_ddim(refiner.family, said, guess, noise, painting)


def euler(family: Family, steps: int) -> EulerDiscreteScheduler:
    """Euler's method over the family's noise levels, with the spacing of SDXL."""
    scheduler = EulerDiscreteScheduler.from_config(family.scheduler.config, timestep_spacing="leading")
    with warnings.catch_warnings():  # a way of making an array that numpy 2 advises against
        warnings.simplefilter("ignore", DeprecationWarning)
        scheduler.set_timesteps(steps, device=family.device)
    return scheduler


def euler_step(
    scheduler: EulerDiscreteScheduler, latents: Float[Tensor, "1 C h w"], timestep: Tensor, said: Said
) -> Float[Tensor, "1 C h w"]:
    """One step along what the network says; latents are as noisy as the scheduler's sigma says, of unit variance only for the network."""
    scaled = scheduler.scale_model_input(latents, timestep)
    return scheduler.step(said(scaled, int(timestep)), timestep, latents).prev_sample


def _by_euler(scheduler: EulerDiscreteScheduler, said: Said, noise: Tensor) -> Tensor:
    """All steps, from pure noise."""
    latents = noise.float() * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        latents = euler_step(scheduler, latents, timestep, said)
    return latents


def _by_ddim(family: Family, said: Said, guess: Tensor, noise: Tensor, painting: Painting) -> Tensor:
    """The steps below a noise level, from the guess noised to it."""

    def predict(latents: Tensor, timestep: int) -> Tensor:
        return family.noise_of(said(latents, timestep), latents, torch.tensor([timestep], device=latents.device))

    schedule = schedule_of(family, painting.steps)
    first = schedule.first(painting.start)
    still = noise.new_zeros(1).expand(painting.steps, *noise.shape)
    return denoise(schedule.noised(guess, noise, first), schedule, predict, still, eta=0.0, first=first)


def _shown(
    view: View, look: Float[Tensor, "3 H W"], holes: Bool[Tensor, "H W"], how: Refining
) -> Mapping[str, Float[Tensor, "3 h w"]]:
    """The conditions and the first guess at the size at which the network works."""
    trained = how.refiner.family.size
    side = trained if how.painting.whole else working_side(trained)
    small = shrunk(view, side)
    if small.size == view.size:
        return _conditions(view, look, holes, how)
    gone = interpolate(holes.float()[None, None], small.size, mode="area")[0, 0] > 0.01
    return _conditions(small, _unmixed(look, holes, gone), gone, how)


def _conditions(
    view: View, look: Float[Tensor, "3 H W"], holes: Bool[Tensor, "H W"], how: Refining
) -> Mapping[str, Float[Tensor, "3 H W"]]:
    """The conditions and the first guess by the network's conventions, without the frame as it was where it may not see that."""
    before = view.image if how.painting.sees_structure else None
    return condition_pictures(look, holes, view.depth, before, how.refiner.conventions)


def _unmixed(
    look: Float[Tensor, "3 H W"], holes: Bool[Tensor, "H W"], gone: Bool[Tensor, "h w"]
) -> Float[Tensor, "3 h w"]:
    """The look at the size of `gone`, the holes there, with the black of holes kept out of the rest."""
    known = (~holes).float()[None]
    maps = interpolate(torch.cat([look * known, known])[None], gone.shape, mode="area")[0]
    return torch.where(gone, torch.zeros_like(maps[:3]), maps[:3] / maps[3:].clamp_min(1e-6))


def _enlarged(picture: Float[Tensor, "1 3 h w"], size: tuple[int, int]) -> Float[Tensor, "1 3 H W"]:
    """The picture at a view's size."""
    same = (picture.shape[-2], picture.shape[-1]) == size
    return picture if same else interpolate(picture, size, mode="bicubic", align_corners=False)
