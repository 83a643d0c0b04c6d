"""A capture as a scene of Gaussians, without a step of gradient: surfels from depth, colours by least squares, finer where pictures are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from relook.config import SceneConfig
from relook.gaussians import Gaussians
from relook.lift.scene.colours import residual, solved_colours
from relook.lift.scene.divide import shrunk, split, worst
from relook.lift.scene.sources import Posed, posed_views
from relook.lift.scene.surfels import surfels
from relook.lift.source import Walk
from relook.ops.splats import Blend, Blends
from relook.progress import SILENT, Progress
from relook.record import Clock
from relook.session import Session, opened
from relook.types import Camera


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
    psnr: float | None
    """dB over the pixels of held-out views that the scene shows; None where none was held out."""
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
            posed = posed_views(walk, config, session, progress)
        with clock.part("fit"):
            gaussians = closed_form(posed, config, progress)
        with clock.part("measure"):
            return _measured(gaussians, posed, config, clock)


def closed_form(posed: Posed, config: SceneConfig, progress: Progress = SILENT) -> Gaussians:
    """Surfels in solved colours; the worst shrink, then the worst become four."""
    views = [posed.views[number] for number in posed.fitted]
    pictures = [view.image for view in views]
    gaussians = surfels(views, config.cell)
    with progress.stage("fitting", 3) as tick:
        for number in range(3):
            blends = _blends(gaussians, posed, posed.fitted)
            colours = solved_colours(blends, pictures)
            tick(number + 1)
            if number < 2:
                total, pixels = residual(blends, pictures, colours)
                gaussians = (
                    split(gaussians, worst(total))
                    if number
                    else shrunk(gaussians, worst(total / pixels.clamp_min(1e-6)))
                )
    return gaussians.coloured(colours)


def _blends(gaussians: Gaussians, posed: Posed, numbers: Sequence[int]) -> Blends:
    return Blends(gaussians, [posed.cameras[number] for number in numbers], posed.size)


def _measured(gaussians: Gaussians, posed: Posed, config: SceneConfig, clock: Clock) -> Fit:
    """The scene with its errors."""
    colours = gaussians.colours
    parts = [
        residual(_blends(gaussians, posed, numbers), [posed.views[number].image for number in numbers], colours)
        for numbers in (posed.fitted, posed.held)
    ]
    total, pixels = ([part[k] for part in parts] for k in (0, 1))
    often = float(pixels[0].sum() / pixels[1].sum().clamp_min(1)) if posed.held else 0.0
    error = (total[0] + often * total[1]) / (pixels[0] + often * pixels[1]).clamp_min(1e-6)
    squares, shown = [], []
    for number, one in zip(posed.held, _blends(gaussians, posed, posed.held), strict=True):
        wrong = (one.render(colours).clamp(0, 1) - posed.views[number].image).square().mean(0)
        squares.append(wrong[one.seen].mean())
        shown.append(one.seen.float().mean())
    psnr = float((-10 * torch.stack(squares).log10()).mean()) if squares else None
    seen = float(torch.stack(shown).mean()) if shown else 1.0
    record = {
        "configuration": config.as_json(), "geometry": posed.geometry, "views": len(posed.views), "held_out": list(posed.held),
        "gaussians": len(gaussians), "psnr": psnr, "seen": seen, "timings": dict(clock.seconds),
    }  # fmt: skip
    return Fit(gaussians, error, posed.cameras, posed.size, posed.held, psnr, seen, record)
