"""Restyle one picture by diffusion: encode, invert, denoise with edited attention, decode, finish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count

import torch
from jaxtyping import Float
from torch import Tensor

from relook.correspond.semantic import Correspondence
from relook.errors import EditError, InputError
from relook.models.families import Family
from relook.models.image_prompt import prompted
from relook.progress import SILENT, Progress
from relook.transfer.finish import finished
from relook.transfer.freeu import freeu
from relook.transfer.guidance import available, classifier_free
from relook.transfer.invert import Trajectory, invert_ddim, invert_ddpm
from relook.transfer.memory import remembering
from relook.transfer.predict import Predict, predict_rows, predictor
from relook.transfer.sample import FRESH, Predictor, Schedule, Timing, timing_of
from relook.transfer.scene import Options, Scene, scene_of
from relook.transfer.settings import Denoising, Preset
from relook.transfer.step import Process, step
from relook.types import View

Draw = Callable[[Sequence[int]], Tensor]
"""Normal noise of a shape."""


@torch.no_grad()
def restyle(
    family: Family,
    structure: View,
    style: View,
    correspondence: Correspondence,
    preset: Preset,
    options: Options = Options(),  # noqa: B008  frozen
    progress: Progress = SILENT,
) -> Float[Tensor, "3 H W"]:
    """The structure picture in the look of the style picture, at the structure's size. Locked pixels are the caller's to put back.

    Raises InputError for a missing adapter or descriptor, and EditError when the preset's edits cannot fire.
    """
    if preset.denoising.image_scale > 0 and options.adapter is None:
        raise InputError("Expected an adapter that makes the style picture a prompt, got none; name an IP-Adapter.")
    if preset.denoising.described and options.descriptor is None:
        raise InputError("Expected a descriptor of both pictures, got none; give the one that the preset names.")
    if options.strength == 0:
        return structure.image
    denoising = replace(preset.denoising, eta=FRESH) if family.few_steps else preset.denoising
    timing = timing_of(family, denoising, options.steps, options.strength)
    _check_windows(denoising, timing_of(family, denoising, options.steps))
    scene = scene_of(family, structure, style, correspondence, denoising, options)
    scale = denoising.image_scale * options.strength
    with freeu(family.denoiser, denoising.freeu), prompted(family.denoiser, options.adapter, scale):
        run = prepared(scene, denoising, timing, options, progress)
        latents = denoised(run, progress)[:1]
    height, width = structure.size
    image = family.decode(latents)[0, :, :height, :width]
    with progress.stage("finishing"):
        return finished(image, structure, style, correspondence, preset.finish, options.strength, options.textures)


def prepared(
    scene: Scene,
    denoising: Denoising,
    timing: Timing,
    options: Options,
    progress: Progress = SILENT,
    draw: Draw | None = None,
) -> Process:
    """Both pictures' latents at every noise level, the noise of the run, and where it starts.

    draw: where noise comes from (None: the seed). It is asked for the style's path, the structure's, fresh noise of every step, and the
    noise of a style row of its own timestep, in this order.
    """
    draw = draw or partial(torch.randn, generator=torch.Generator().manual_seed(options.seed))
    inversion = _Inversion(scene, denoising, timing.schedule, draw, progress)
    first, steps = timing.first, len(timing.schedule.timesteps)
    drawn = denoising.inversion == "none"
    clean = scene.structure
    if denoising.recolour:
        clean = scene.with_statistics("class", clean, scene.style, options.strength)
    style = inversion.path(scene.style, scene.style_depth, first if denoising.replay else steps)
    own = inversion.path(clean, scene.depth, steps if drawn else first)
    noise = draw(own.noise.shape).to(clean) if drawn else own.noise
    start = own.latents[first]
    if first == 0 and drawn and not denoising.recolour and options.strength == 1:
        start = draw(clean.shape).to(clean)
    if denoising.start_adain != "none":
        start = scene.with_statistics(denoising.start_adain, start, style.latents[first], options.strength)
    if denoising.replay:
        start = torch.cat([start, style.latents[first], own.latents[first]])
        noise = torch.cat([noise, style.noise, own.noise], dim=1)
    predict: Predict = partial(predict_rows, scene.family)
    if options.memory is not None and not denoising.replay:
        predict = remembering(predict, options.memory, scene.family, denoising.freeu)
    return Process(
        scene, denoising, timing, options.strength, predict=predict, start=start, noise=noise,
        structure=own.latents, style=style.latents, style_noise=draw(clean.shape).to(clean),
    )  # fmt: skip


@dataclass(frozen=True)
class _Inversion:
    """The paths from clean pictures to noise that a run begins with."""

    scene: Scene
    denoising: Denoising
    schedule: Schedule
    draw: Draw
    progress: Progress

    def path(self, clean: Float[Tensor, "1 C h w"], depth: Float[Tensor, "1 3 H W"] | None, first: int) -> Trajectory:
        """A picture's latents at every schedule point, and its noise from step `first` on.

        DDPM inversion draws the latents without the denoiser, so a path whose noise nobody needs costs nothing.
        """
        scene, deterministic = self.scene, self.denoising.inversion == "ddim"
        mix = classifier_free(self.denoising.inversion_guidance, depth=True)
        mix = available(mix, prompt=bool(scene.prompt), swap=False, depth=depth is not None)
        predict = predictor(scene.family, mix, scene.text, scene.empty, depth)
        steps = len(self.schedule.timesteps)
        asked = steps if deterministic else max(steps - 1 - first, 0)
        with (self.progress if asked else SILENT).stage("inverting", asked) as tick:
            predict = _counted(predict, tick)
            if deterministic:
                return invert_ddim(clean, self.schedule, predict)
            draws = self.draw((steps, *clean.shape)).to(clean)
            return invert_ddpm(clean, self.schedule, predict, draws, eta=self.denoising.eta, first=first)


def _counted(predict: Predictor, tick: Callable[[int], None]) -> Predictor:
    """The predictor, with a tick after every prediction."""
    done = count(1)

    def counted(latents: Tensor, timestep: int) -> Tensor:
        noise = predict(latents, timestep)
        tick(next(done))
        return noise

    return counted


def denoised(run: Process, progress: Progress = SILENT) -> Float[Tensor, "Z C h w"]:
    """The steps from the first to the last."""
    z, steps = run.start, run.timing.run
    with (progress if steps else SILENT).stage("restyling", len(steps)) as tick:
        for done, index in enumerate(steps, start=1):
            z = step(run, z, index)
            tick(done)
    return z


def _check_windows(denoising: Denoising, timing: Timing) -> None:
    """EditError when no step of a run at full strength lies in a window of the preset."""
    for swap in denoising.attention:
        if not any(timing.within(swap.window, index) for index in timing.run):
            raise EditError(
                f"Expected a step within the attention window {swap.window} of the {len(timing.run)} that are run, got none in "
                f"{len(timing.schedule.timesteps)} steps; take more steps or a wider window."
            )
