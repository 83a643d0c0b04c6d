"""Restyle one picture: invert, denoise with edited attention, decode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from relook.correspond.semantic import Correspondence
from relook.errors import EditError, InputError
from relook.models.families import FEW, Family
from relook.models.image_prompt import adapter, prompted
from relook.ops.statistics import adain, adain_by_class
from relook.transfer.edit import AttentionEdit, Rows
from relook.transfer.finish import finished
from relook.transfer.guide import (
    Condition,
    Mix,
    Row,
    appearance,
    classifier_free,
    compose,
    freeu,
    linear,
    predict_rows,
    semantic,
    semantic_released,
    simplified,
)
from relook.transfer.invert import Trajectory
from relook.transfer.layers import finest_level
from relook.transfer.memory import StyleMemory, remembering
from relook.transfer.paths import Progress, path_of, predictions, ticker
from relook.transfer.sample import FRESH, Schedule, active, denoise, schedule_of
from relook.transfer.scene import Scene, scene_of
from relook.transfer.settings import Denoising, Preset, Swap
from relook.types import View


@torch.no_grad()
def restyle(
    family: Family,
    structure: View,
    style: View,
    correspondence: Correspondence | None,
    preset: Preset,
    *,
    steps: int | None = None,
    seed: int = 0,
    strength: float = 1.0,
    prompt: str = "",
    image_prompt: str = "auto",
    memory: StyleMemory | None = None,
    progress: Progress | None = None,
) -> Float[Tensor, "3 H W"]:
    """The structure picture in the look of the style picture, at the structure's size.

    steps: of a whole run (the preset's if None). strength: 1 is the preset, 0 the structure unchanged; between, the run
    starts at less noise and statistics and guidance are weaker. Locked pixels are the caller's to put back.
    memory: keeps what the denoiser makes of the style, for the next structure (see relook.transfer.memory).
    image_prompt: the adapter of presets that make the style a prompt (see `relook.models.image_prompt.find`).
    Raises InputError for a strength outside [0, 1], and EditError when the preset's edits cannot fire.
    """
    if not 0 <= strength <= 1:
        raise InputError(f"Expected a strength from 0 (unchanged) to 1 (full), got {strength}; choose one between.")
    if strength == 0:
        return structure.image
    denoising = preset.denoising
    if family.few_steps:
        denoising = replace(denoising, steps=FEW, eta=FRESH)
    shows = adapter(image_prompt, family) if denoising.image_scale > 0 else None
    scene = scene_of(
        family, structure, style, correspondence, prompt="" if denoising.no_prompt else prompt, depth=denoising.depth,
        matcher=denoising.matcher if denoising.rearrange is not None else "hidden",
        describe=None if shows is None else shows.embed,
    )  # fmt: skip
    schedule = schedule_of(family, steps or denoising.steps)
    _check_windows(denoising, schedule)
    run = replace(_begin(scene, denoising, schedule, seed, strength, progress), memory=memory)
    with freeu(family.denoiser, denoising.freeu), prompted(family.denoiser, shows, denoising.image_scale * strength):
        latents = denoise(
            run.start, schedule, run.predict, run.noise, eta=denoising.eta, first=run.first,
            after=[run.match_statistics],
        )  # fmt: skip
    height, width = structure.size
    image = family.decode(latents)[0, :, :height, :width]
    return finished(image, structure, style, correspondence, preset.finish, strength)


@dataclass(frozen=True)
class _Run:
    """What one run reads while it denoises."""

    scene: Scene
    denoising: Denoising
    schedule: Schedule
    strength: float
    first: int
    """Index of the first step."""
    trajectory: Trajectory
    """The structure's latents and noise."""
    style: Float[Tensor, "P 1 C h w"]
    """The style's latents at every schedule point."""
    style_noise: Float[Tensor, "1 C h w"]
    """Noise of a style row that is at a lower timestep than the output."""
    start: Float[Tensor, "1 C h w"]
    noise: Float[Tensor, "T 1 C h w"]
    """Recorded and fresh noise, mixed."""
    shown: tuple[Tensor, Tensor] | None
    """Foreground of the structure and the style, for AdaIN inside it."""
    report: Callable[[], None]
    """Called after every prediction."""
    memory: StyleMemory | None = None
    """Where the style row's hidden states are kept, if anywhere."""

    def predict(self, latents: Tensor, timestep: int) -> Tensor:
        """The guided noise of the output: one pass over a row per condition and the row that attention goes to."""
        index, fraction = self.schedule.timesteps.index(timestep), self.schedule.fraction(timestep)
        swaps = [swap for swap in self.denoising.attention if active(swap.window, fraction)]
        mix = simplified(
            _mix(self.denoising, fraction, self.strength),
            prompt=bool(self.scene.prompt) or self.scene.image is not None,
            swap=bool(swaps),
            depth=self.scene.depth is not None,
        )
        rows = [self._row(latents, timestep, condition) for condition in mix]
        inject = bool(swaps) and self.denoising.injects(index, fraction)
        edits = self._edits(mix, swaps, inject)
        if edits and (inject or self.denoising.query_share > 0):
            rows.append(self._structure_row(index))
        if edits and not inject:
            noises = remembering(
                self.memory, self.scene.family, rows, self._style_row(index), edits,
                setting=self.denoising.freeu,
            )  # fmt: skip
        else:
            noises = predict_rows(self.scene.family, rows, edits)
        self.report()
        return compose(mix, noises)

    def match_statistics(self, latents: Tensor, index: int) -> Tensor:
        """AdaIN to the style's latents at the same noise level."""
        fraction = (
            1.0 if index == len(self.schedule.timesteps) else self.schedule.fraction(self.schedule.timesteps[index])
        )
        if self.denoising.adain == "none" or not active(self.denoising.adain_window, fraction):
            return latents
        if self.denoising.adain == "foreground" and self.shown is not None:
            return adain(latents, self.style[index], *self.shown, strength=self.strength)
        return _statistics(self.scene, self.denoising.adain, latents, self.style[index], self.strength)

    def _row(self, latents: Tensor, timestep: int, condition: Condition) -> Row:
        text = self.scene.text if condition.prompt else self.scene.empty
        image = self.scene.image if condition.prompt else self.scene.no_image
        return Row(latents, timestep, text, self.scene.depth if condition.depth else None, image)

    def _structure_row(self, index: int) -> Row:
        return self._row(
            self.trajectory.latents[index],
            self.schedule.timesteps[index],
            Condition(depth=self.scene.depth is not None),
        )

    def _style_row(self, index: int) -> Row:
        timestep, latents = self.schedule.timesteps[index], self.style[index]
        if self.denoising.style_noise < 1:
            timestep = round(self.denoising.style_noise * timestep)
            signal = self.scene.family.noise_levels()[timestep]
            latents = signal.sqrt() * self.scene.style + (1 - signal).sqrt() * self.style_noise
        return Row(latents, timestep, self.scene.text, self.scene.style_depth, self.scene.image)

    def _edits(self, mix: Mix, swaps: Sequence[Swap], inject: bool) -> list[AttentionEdit]:
        output = [place for place, condition in enumerate(mix) if condition.swap]
        if not output:
            return []
        denoising, structure, finest = self.denoising, (len(mix),), finest_level(self.scene.family.denoiser)
        giver = (len(mix) + 1,) if denoising.query_share > 0 else (len(mix),)
        return [
            AttentionEdit(
                rows=Rows(output, giver, structure),
                size=self.scene.size,
                keys="structure" if inject else "style",
                mask=self.scene.mask if denoising.masked and self.scene.correspondence is not None else None,
                rearrange=denoising.rearrange,
                places=None if self.scene.descriptors is None else partial(self.scene.places, masked=denoising.masked),
                levels=tuple(level * finest for level in swap.levels),
                contrast=1.0 if inject else denoising.contrast,
                masking=denoising.masking,
                clip=denoising.clip and not inject,
                query_share=0.0 if inject else denoising.query_share,
                temperature=1.0 if inject else denoising.temperature,
            )
            for swap in swaps
        ]


def _mix(denoising: Denoising, fraction: float, strength: float) -> Mix:
    """The guidance at a fraction of the run; strength below 1 weakens appearance guidance."""
    scale = linear(*denoising.scale, fraction)
    if denoising.guidance == "appearance":
        return appearance(1 + (scale - 1) * strength)
    if denoising.guidance == "prompt":
        return classifier_free(scale, swap=True, depth=denoising.depth)
    return (semantic if denoising.guidance == "semantic" else semantic_released)(scale)


def _begin(
    scene: Scene, denoising: Denoising, schedule: Schedule, seed: int, strength: float, progress: Progress | None
) -> _Run:
    """Noise or invert both pictures and mix the noise of the run."""
    generator = torch.Generator().manual_seed(seed)
    first = schedule.first(denoising.start * strength**0.5)
    report = ticker(progress, predictions(denoising, len(schedule.timesteps), first))
    clean = scene.structure
    if denoising.recolour:
        clean = _statistics(scene, "class", clean, scene.style, strength)
    style = path_of(scene, denoising, schedule, first, scene.style, scene.style_depth, False, generator, report)
    own = path_of(
        scene, denoising, schedule, first, clean, scene.depth, denoising.inversion != "none", generator, report
    )
    fresh = torch.randn(own.noise.shape, generator=generator).to(clean)
    noise = fresh if denoising.inversion == "none" else own.noise
    blank = first == 0 and denoising.inversion == "none" and not denoising.recolour and strength == 1
    start = torch.randn(clean.shape, generator=generator).to(clean) if blank else own.latents[first]
    if denoising.start_adain != "none":
        start = _statistics(scene, denoising.start_adain, start, style.latents[first], strength)
    apart = torch.randn(clean.shape, generator=generator).to(clean)
    shown = scene.foreground(generator) if denoising.adain == "foreground" else None
    return _Run(scene, denoising, schedule, strength, first, own, style.latents, apart, start, noise, shown, report)


def _statistics(scene: Scene, kind: str, latents: Tensor, style: Tensor, strength: float) -> Tensor:
    """AdaIN of latents to style latents: class by class, or whole (also where no classes are known)."""
    classes = scene.classes()
    if classes is None or kind != "class":
        return adain(latents, style, strength=strength)
    ours, theirs = classes
    everywhere = scene.correspondence is not None and scene.correspondence.unmatched != "keep"
    return adain_by_class(latents, style, ours, theirs, unmatched=everywhere, strength=strength)


def _check_windows(denoising: Denoising, schedule: Schedule) -> None:
    """EditError when no step of a run at full strength lies in a window of the denoising."""
    fractions = [schedule.fraction(timestep) for timestep in schedule.timesteps[schedule.first(denoising.start) :]]
    for swap in denoising.attention:
        if not any(active(swap.window, fraction) for fraction in fractions):
            raise EditError(
                f"Expected a step within the attention window {swap.window} of a run from noise level {denoising.start}, got none "
                f"in {len(schedule.timesteps)} steps; take more steps or a wider window."
            )
