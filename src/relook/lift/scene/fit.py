"""A capture as a scene of Gaussians: surfels from depth, colours by least squares, finer where pictures are, then a few rounds of descent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from relook.config import SceneConfig
from relook.gaussians import Gaussians
from relook.lift.scene.colours import gain_of, residual, solved_colours
from relook.lift.scene.divide import shrink_worst, split_worst, without_floating
from relook.lift.scene.fuse import fused_surfels
from relook.lift.scene.refine import refined
from relook.lift.scene.sources import SceneViews, scene_views
from relook.lift.scene.surfels import surfels
from relook.lift.source import Walk
from relook.ops.splats import Blend, Blends, seen_colours, solve_harmonics, uplift
from relook.progress import SILENT, Progress
from relook.record import Clock
from relook.session import Session, opened
from relook.types import Camera

Pictures = list[Float[Tensor, "3 _ _"]]


@dataclass(frozen=True)
class Fit:
    """A capture as a scene, and how good it is."""

    gaussians: Gaussians
    error: Float[Tensor, " N"]
    """Of every Gaussian: the mean squared error (RGB) of the pixels that show it, those of held-out views counted as often as all others."""
    cameras: tuple[Camera, ...]
    """Of the views that it was fitted to and measured on, for pictures of `size`."""
    size: tuple[int, int]
    held: tuple[int, ...]
    """Numbers of the views that were left out of the fit."""
    gains: Float[Tensor, "V 3"]
    """Of every view: its picture is the scene's times this (exposure and white balance)."""
    psnr: float | None
    """dB over the pixels of held-out views that the scene shows, after their gains; None where none was held out, or the scene shows none."""
    seen: float
    """The share of the pixels of held-out views (of all, where none was) that the scene shows."""
    record: dict[str, Any]
    """How it was made, and these numbers."""

    def confidence(self, blend: Blend, level: float = 0.1) -> Float[Tensor, "H W"]:
        """How far a view's picture of the scene may be trusted, pixel by pixel: coverage exp(-error / level^2), 0 where it is unseen."""
        return blend.coverage * torch.exp(-blend.render(self.error[:, None])[0] / level**2) * blend.seen


def fit(
    walk: Walk, config: SceneConfig | None = None, session: Session | None = None, progress: Progress = SILENT
) -> Fit:
    """The Gaussians that show what a capture's views show. walk: as `relook.lift.restyle_views` takes it, with cameras or where they can be found.

    Raises an error of relook.errors, one sentence, for captures without cameras and depth.
    """
    config, clock = config or SceneConfig(), Clock()
    config.check()
    with opened(session, config.device) as session:
        with clock.part("read"):
            posed = scene_views(walk, config, session, progress)
        return fit_posed(posed, config, progress, clock)


def fit_posed(posed: SceneViews, config: SceneConfig, progress: Progress = SILENT, clock: Clock | None = None) -> Fit:
    """`fit` for views that were read already. clock: goes on counting."""
    clock = clock or Clock()
    with clock.part("fit"):
        gaussians = closed_form(posed, config, progress)
        if config.refine:
            gaussians = _refined(gaussians, posed, config, progress)
    with clock.part("measure"):
        return _measured(gaussians, posed, config, clock)


def closed_form(posed: SceneViews, config: SceneConfig, progress: Progress = SILENT) -> Gaussians:
    """Surfels in solved colours; where depth is exact the worst of them shrink, then the worst become four."""
    views = [posed.views[number] for number in posed.fitted]
    gaussians = (fused_surfels if posed.noisy else surfels)(views, config.cell)
    changes = (
        (without_floating, None) if posed.noisy else (shrink_worst, split_worst, None)
    )  # noisy: exposure is better known the second time
    with progress.stage("fitting", len(changes)) as tick:
        for number, change in enumerate(changes):
            blends = _blends(gaussians, posed, posed.fitted)
            pictures = _even(gaussians, posed, blends)
            gaussians = _coloured(gaussians, posed, blends, pictures, config.degree)
            if change is not None:
                cameras = [posed.cameras[number] for number in posed.fitted]
                gaussians = change(gaussians, *residual(blends, pictures, gaussians, cameras))
            tick(number + 1)
    return gaussians


def _coloured(gaussians: Gaussians, posed: SceneViews, blends: Blends, pictures: Pictures, degree: int) -> Gaussians:
    """The same geometry in the colours that are nearest to the fitted views' pictures; those of exact depth are the same from everywhere."""
    if not degree or not posed.noisy:
        return gaussians.coloured(solved_colours(blends, pictures))
    cameras = [posed.cameras[number] for number in posed.fitted]
    mean = gaussians.coloured(uplift(blends, pictures).values)
    return replace(mean, sh=solve_harmonics(mean, cameras, blends, pictures, degree))


def _refined(gaussians: Gaussians, posed: SceneViews, config: SceneConfig, progress: Progress) -> Gaussians:
    """The scene after `config.refine` rounds of descent, its colours solved again."""
    cameras = [posed.cameras[number] for number in posed.fitted]
    before = _even(gaussians, posed, _blends(gaussians, posed, posed.fitted))
    gaussians = refined(gaussians, cameras, before, config.refine, progress=progress)
    blends = _blends(gaussians, posed, posed.fitted)
    return _coloured(gaussians, posed, blends, _even(gaussians, posed, blends), config.degree)


def _gains(
    gaussians: Gaussians, posed: SceneViews, numbers: Sequence[int], blends: Sequence[Blend]
) -> Float[Tensor, "V 3"]:
    """By how much views are brighter than the scene, for R, G and B; with exact depth comes exact light, and it is 1."""
    if not posed.noisy:
        return torch.ones(len(numbers), 3)
    return torch.stack(
        [
            gain_of(one.render(seen_colours(gaussians, posed.cameras[number])), posed.views[number].image, one.seen)
            for number, one in zip(numbers, blends, strict=True)
        ]
    )


def _even(gaussians: Gaussians, posed: SceneViews, blends: Blends) -> Pictures:
    """The fitted views' pictures in one exposure, that of them all together."""
    gains = _gains(gaussians, posed, posed.fitted, blends)
    gains = gains / gains.log().mean(0).exp()
    return [posed.views[number].image / gain[:, None, None] for number, gain in zip(posed.fitted, gains, strict=True)]


def _blends(gaussians: Gaussians, posed: SceneViews, numbers: Sequence[int]) -> Blends:
    return Blends(gaussians, [posed.cameras[number] for number in numbers], posed.size)


def _measured(gaussians: Gaussians, posed: SceneViews, config: SceneConfig, clock: Clock) -> Fit:
    """The scene with its errors."""
    parts, gains = [], torch.ones(len(posed.views), 3)
    squares, shown = [], []
    for numbers in (posed.fitted, posed.held):
        blends = _blends(gaussians, posed, numbers)
        if numbers:
            gains[list(numbers)] = _gains(gaussians, posed, numbers, blends)
        even = [posed.views[number].image / gains[number][:, None, None] for number in numbers]
        parts.append(residual(blends, even, gaussians, [posed.cameras[number] for number in numbers]))
    for number, one in zip(posed.held, blends, strict=True):
        colours = seen_colours(gaussians, posed.cameras[number])
        picture = (one.render(colours) * gains[number][:, None, None]).clamp(0, 1)
        if one.seen.any():
            squares.append((picture - posed.views[number].image).square().mean(0)[one.seen].mean())
        shown.append(one.seen.float().mean())
    total, pixels = ([part[k] for part in parts] for k in (0, 1))
    often = float(pixels[0].sum() / pixels[1].sum().clamp_min(1)) if posed.held else 0.0
    error = (total[0] + often * total[1]) / (pixels[0] + often * pixels[1]).clamp_min(1e-6)
    psnr = float((-10 * torch.stack(squares).log10()).mean()) if squares else None
    seen = float(torch.stack(shown).mean()) if shown else 1.0
    record = {
        "configuration": config.as_json(), "geometry": posed.geometry, "views": len(posed.views), "held_out": list(posed.held),
        "gaussians": len(gaussians), "psnr": psnr, "seen": seen, "timings": dict(clock.seconds),
    }  # fmt: skip
    return Fit(gaussians, error, posed.cameras, posed.size, posed.held, gains, psnr, seen, record)
