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
    compose,
    freeu,
    predict_rows,
    simplified,
)
from relook.transfer.invert import Trajectory
from relook.transfer.layers import finest_level
from relook.transfer.memory import StyleMemory, remembering
from relook.transfer.paths import Progress, path_of, predictions, ticker
from relook.transfer.sample import FRESH, Schedule, active, denoise, schedule_of
from relook.transfer.scene import Scene, scene_of
from relook.transfer.settings import Preset, Swap
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
    matcher: str | None = None,
    image_prompt: str = "auto",
    memory: StyleMemory | None = None,
    progress: Progress | None = None,
) -> Float[Tensor, "3 H W"]:
    """The structure picture in the look of the style picture, at the structure's size.

    steps: of a whole run (the preset's if None). strength: 1 is the preset, 0 the structure unchanged; between, the run
    starts at less noise and statistics and guidance are weaker. Locked pixels are the caller's to put back.
    memory: keeps what the denoiser makes of the style, for the next structure (see relook.transfer.memory).
    matcher: in place of the preset's, for presets that rearrange features (see Preset.matcher).
    image_prompt: the adapter of presets that make the style a prompt (see `relook.models.image_prompt.find`).
    Raises InputError for a strength outside [0, 1] or a matcher that nothing would ask, and EditError when the preset's edits cannot fire.
    """
    if not 0 <= strength <= 1:
        raise InputError(f"Expected a strength from 0 (unchanged) to 1 (full), got {strength}; choose one between.")
    if strength == 0:
        return structure.image
    preset = preset if matcher is None else _matched_by(preset, matcher)
    if family.few_steps:
        preset = replace(preset, steps=FEW, eta=FRESH)
    shows = adapter(image_prompt, family) if preset.image_scale > 0 else None
    scene = scene_of(
        family, structure, style, correspondence, prompt="" if preset.wordless else prompt, depth=preset.depth,
        style_depth=preset.style_depth, matcher=preset.matcher if preset.rearrange is not None else "hidden",
        describe=None if shows is None else shows.embed,
    )  # fmt: skip
    schedule = schedule_of(family, steps or preset.steps)
    _check_windows(preset, schedule)
    run = replace(_begin(scene, preset, schedule, seed, strength, progress), memory=memory)
    with freeu(family.denoiser, preset.freeu), prompted(family.denoiser, shows, preset.image_scale * strength):
        latents = denoise(
            run.start, schedule, run.predict, run.noise, eta=preset.eta, first=run.first, after=[run.match_statistics]
        )
    image = family.decode(latents + run.trajectory.rest if preset.rest and preset.inverted > 0 else latents)
    height, width = structure.size
    image = image[0, :, :height, :width]
    return finished(image, structure, style, correspondence, preset, strength)


@dataclass(frozen=True)
class _Run:
    """What one run reads while it denoises."""

    scene: Scene
    preset: Preset
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
        swaps = [swap for swap in self.preset.attention if active(swap.window, fraction)]
        mix = simplified(
            self.preset.mix(fraction, self.strength),
            prompt=bool(self.scene.prompt) or self.scene.image is not None,
            swap=bool(swaps),
            depth=self.scene.depth is not None,
        )
        rows = [self._row(latents, timestep, condition) for condition in mix]
        inject = bool(swaps) and self.preset.injects(index, fraction)
        edits = self._edits(mix, swaps, inject)
        if edits and (inject or self.preset.query_share > 0):
            rows.append(self._structure_row(index))
        if edits and not inject:
            noises = remembering(
                self.memory, self.scene.family, rows, self._style_row(index), edits,
                setting=self.preset.freeu, control_scale=self.preset.control_scale,
            )  # fmt: skip
        else:
            noises = predict_rows(self.scene.family, rows, edits, control_scale=self.preset.control_scale)
        self.report()
        return compose(mix, noises)

    def match_statistics(self, latents: Tensor, index: int) -> Tensor:
        """AdaIN to the style's latents at the same noise level."""
        fraction = (
            1.0 if index == len(self.schedule.timesteps) else self.schedule.fraction(self.schedule.timesteps[index])
        )
        if self.preset.adain == "none" or not active(self.preset.adain_window, fraction):
            return latents
        strength = self.preset.adain_strength * self.strength
        if self.preset.adain == "foreground" and self.shown is not None:
            return adain(latents, self.style[index], *self.shown, strength=strength)
        return _statistics(self.scene, self.preset.adain, latents, self.style[index], strength)

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
        if self.preset.style_noise < 1:
            timestep = round(self.preset.style_noise * timestep)
            signal = self.scene.family.noise_levels()[timestep]
            latents = signal.sqrt() * self.scene.style + (1 - signal).sqrt() * self.style_noise
        return Row(latents, timestep, self.scene.text, self.scene.style_depth, self.scene.image)

    def _edits(self, mix: Mix, swaps: Sequence[Swap], inject: bool) -> list[AttentionEdit]:
        output = [place for place, condition in enumerate(mix) if condition.swap]
        if not output:
            return []
        preset, structure, finest = self.preset, (len(mix),), finest_level(self.scene.family.denoiser)
        giver = (len(mix) + 1,) if preset.query_share > 0 else (len(mix),)
        return [
            AttentionEdit(
                rows=Rows(output, giver, structure),
                size=self.scene.size,
                keys="structure" if inject else preset.keys,
                mask=self.scene.mask if preset.masked and self.scene.correspondence is not None else None,
                rearrange=preset.rearrange,
                places=None if self.scene.descriptors is None else partial(self.scene.places, masked=preset.masked),
                levels=tuple(level * finest for level in swap.levels),
                contrast=1.0 if inject else preset.contrast,
                masking=preset.masking,
                clip=preset.clip and not inject,
                query_share=0.0 if inject else preset.query_share,
                temperature=1.0 if inject else preset.temperature,
            )
            for swap in swaps
        ]


def _begin(
    scene: Scene, preset: Preset, schedule: Schedule, seed: int, strength: float, progress: Progress | None
) -> _Run:
    """Noise or invert both pictures and mix the noise of the run."""
    generator = torch.Generator().manual_seed(seed)
    first = schedule.first(preset.start * strength**0.5)
    report = ticker(progress, predictions(preset, len(schedule.timesteps), first))
    clean = scene.structure
    if preset.recolour > 0:
        clean = _statistics(scene, "class", clean, scene.style, preset.recolour * strength)
    style = path_of(scene, preset, schedule, first, scene.style, scene.style_depth, False, generator, report)
    own = path_of(scene, preset, schedule, first, clean, scene.depth, preset.inverted > 0, generator, report)
    fresh = torch.randn(own.noise.shape, generator=generator).to(clean)
    recorded = _whitened(scene, own.noise, fresh, preset.whiten)
    noise = preset.inverted**0.5 * recorded + (1 - preset.inverted) ** 0.5 * fresh
    blank = first == 0 and preset.inverted == 0 and preset.recolour == 0 and strength == 1
    start = torch.randn(clean.shape, generator=generator).to(clean) if blank else own.latents[first]
    if preset.start_adain != "none":
        start = _statistics(scene, preset.start_adain, start, style.latents[first], strength)
    apart = torch.randn(clean.shape, generator=generator).to(clean)
    shown = scene.foreground(generator) if preset.adain == "foreground" else None
    return _Run(scene, preset, schedule, strength, first, own, style.latents, apart, start, noise, shown, report)


def _whitened(scene: Scene, noise: Tensor, fresh: Tensor, strength: float) -> Tensor:
    """Recorded noise with the statistics of fresh noise, class by class."""
    classes = scene.classes()
    if strength == 0:
        return noise
    if classes is None:
        return adain(noise, fresh, strength=strength)
    return adain_by_class(noise, fresh, classes[0], classes[0], unmatched=True, strength=strength)


def _statistics(scene: Scene, kind: str, latents: Tensor, style: Tensor, strength: float) -> Tensor:
    """AdaIN of latents to style latents: class by class, or whole (also where no classes are known)."""
    classes = scene.classes()
    if classes is None or kind != "class":
        return adain(latents, style, strength=strength)
    ours, theirs = classes
    everywhere = scene.correspondence is not None and scene.correspondence.unmatched != "keep"
    return adain_by_class(latents, style, ours, theirs, unmatched=everywhere, strength=strength)


def _matched_by(preset: Preset, matcher: str) -> Preset:
    """The preset with another matcher."""
    if preset.rearrange is None:
        raise InputError(
            f"Expected a matcher only for methods that rearrange features, got {matcher!r}; use eye-for-an-eye or leave it out."
        )
    return replace(preset, matcher=matcher)


def _check_windows(preset: Preset, schedule: Schedule) -> None:
    """EditError when no step of a run at full strength lies in a window of the preset."""
    fractions = [schedule.fraction(timestep) for timestep in schedule.timesteps[schedule.first(preset.start) :]]
    for swap in preset.attention:
        if not any(active(swap.window, fraction) for fraction in fractions):
            raise EditError(
                f"Expected a step within the attention window {swap.window} of a run from noise level {preset.start}, got none "
                f"in {len(schedule.timesteps)} steps; take more steps or a wider window."
            )
