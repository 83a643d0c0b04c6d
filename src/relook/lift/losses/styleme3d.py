"""StyleMe3D (Zhuang et al. 2025): a scene's colours descend on four losses of one style picture. Two presets: the paper's, and Relook's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from relook.gaussians import Gaussians
from relook.lift.losses.denoisers import styled_denoiser
from relook.lift.losses.judges import EMBEDDED, descriptor, quality
from relook.lift.losses.nearest import Counterparts
from relook.lift.losses.optimise import Descent, Seen, optimise, rate_for
from relook.lift.losses.schedule import LOSSES, PAPER, RELOOK, Schedule, Step, steps_of
from relook.lift.losses.smooth import Neighbours
from relook.lift.losses.together import Described, StyleLosses, Weights
from relook.lift.scene.distil import key_views
from relook.lift.scene.uplift import graph, likeness, spread
from relook.models.families import load_family
from relook.models.image_prompt import adapter
from relook.ops.fill import filled
from relook.ops.splats import Blend
from relook.ops.statistics import adain, lab_to_rgb, rgb_to_lab
from relook.progress import SILENT, Progress
from relook.session import Session
from relook.types import Camera

PresetName = Literal["paper", "relook"]
FIXED = 4
"""Key views of the steps that look at fixed views alone."""


@dataclass(frozen=True)
class Preset:
    """Everything that is a number."""

    schedule: Schedule
    weights: Weights
    from_statistics: bool = False
    """Whether the descent begins with the scene's colours moved to the mean and deviation (CIE Lab) of the style's."""
    rounds: int = 0
    """How often the change is averaged over neighbours that were alike (`smoothed`)."""


PRESETS: Mapping[PresetName, Preset] = {
    "paper": Preset(PAPER, Weights()),
    "relook": Preset(
        RELOOK, Weights(gram=0.5, content=0.1, distillation=4e-3, guidance=(2.0, 4.0), depth=True, halvings=1), True, 12
    ),
}


@dataclass(frozen=True)
class StyleMe3D:
    """How a run is made."""

    preset: PresetName = "relook"
    steps: int | None = None
    """The preset's schedule scaled to so many; None: as it is (paper 2800, relook 80)."""
    losses: Sequence[str] = LOSSES
    """Of `statistics` (SOS), `descriptor` (CSD), `quality` (3DG-QA), `distillation` (DSSD): some of them for an ablation; `nearest` features (ARF),
    or those of the `counterpart` alone."""
    counterparts: Counterparts | None = None
    """For `counterpart`."""
    family: str = "dollhouse"
    """Whose denoiser distils."""
    image_prompt: str | None = None
    """An IP-Adapter by which the denoiser knows the style (`auto`: the published one for the family); None: by attention to it."""
    described_by: str = EMBEDDED
    """Style descriptor: `embedded`, or a CLIP vision model."""
    judged_by: str = EMBEDDED
    """Judge of quality: `embedded`, or a CLIP model for CLIP-IQA."""
    seed: int = 0
    prompt: str = ""
    """Words for the denoiser."""

    def planned(self) -> list[Step]:
        """The steps of a run. Raises InputError for losses or a number of steps that cannot be."""
        schedule = PRESETS[self.preset].schedule
        return steps_of(schedule, self.steps or schedule.steps, self.losses)


def restyled(
    scene: Gaussians,
    posed: tuple[Sequence[Camera], Sequence[Blend]],
    style: Float[Tensor, "3 H W"],
    how: StyleMe3D,
    session: Session,
    progress: Progress = SILENT,
    keep: Path | None = None,
) -> Float[Tensor, "N 3"]:
    """New RGB of the Gaussians, the part that is the same from everywhere.

    posed: cameras of one size of pictures, and their matrices. keep: a file from which a stopped run goes on. What no view shows changes as what is most like it does.
    Raises MissingModelError where a network is not on this machine, InputError for losses or steps that cannot be.
    """
    preset, blends = PRESETS[how.preset], posed[1]
    steps = how.planned()
    losses = losses_of(style, blends[0].size, how, session)
    before = scene.colours.clamp(0, 1)
    start = moved(before, style) if preset.from_statistics else before
    fixed = key_views(blends, FIXED) if any(step.view == "fixed" for step in steps) else ()
    neighbours = Neighbours(graph(scene), preset.rounds) if preset.rounds else None
    descent = Descent(steps, rate_for(len(steps), PAPER.steps), fixed, how.seed, neighbours)
    views = _Views(scene, before, posed, depth=preset.weights.depth and losses.denoiser is not None)
    found, _ = optimise(start, views, losses, descent, progress, keep)
    touched = torch.stack([one.transposed(torch.ones(1, *one.size))[:, 0] for one in blends]).sum(0) > 1e-3
    change = spread(found - before, touched, likeness(scene))
    return (before + change).clamp(0, 1)


def losses_of(style: Float[Tensor, "3 H W"], size: tuple[int, int], how: StyleMe3D, session: Session) -> StyleLosses:
    """The networks that a run needs, loaded, and what they say of the style."""
    denoiser = None
    if "distillation" in how.losses:
        family = session.loaded(("family", how.family), partial(load_family, how.family, session.place))
        image = None if how.image_prompt is None else adapter(how.image_prompt, family)
        denoiser = styled_denoiser(family, style, size, adapter=image, prompt=how.prompt, seed=how.seed)
    described = Described.of(style, descriptor(how.described_by, session)) if "descriptor" in how.losses else None
    judge = quality(how.judged_by, session) if "quality" in how.losses else None
    weights = PRESETS[how.preset].weights
    return StyleLosses(weights, session, style, described, judge, denoiser, how.counterparts, how.seed)


def moved(colours: Float[Tensor, "N 3"], style: Float[Tensor, "3 H W"]) -> Float[Tensor, "N 3"]:
    """Colours with the mean and deviation, in CIE Lab, of the style picture's."""
    lab = adain(rgb_to_lab(colours.T[..., None]), rgb_to_lab(style))
    return lab_to_rgb(lab)[..., 0].T.contiguous()


class _Views(Sequence[Seen]):
    """The views of a scene, made when they are asked for: memory does not grow with their number."""

    def __init__(
        self, scene: Gaussians, before: Tensor, posed: tuple[Sequence[Camera], Sequence[Blend]], *, depth: bool
    ) -> None:
        self.scene, self.before, self.depth = scene, before, depth
        self.cameras, self.blends = posed

    def __len__(self) -> int:
        return len(self.cameras)

    def __getitem__(self, number):  # type: ignore[no-untyped-def]
        blend = self.blends[number]
        before = filled(blend.render(self.before), ~blend.seen)
        return Seen(blend, before, self._depth(number, blend) if self.depth else None)

    def _depth(self, number: int, blend: Blend) -> Float[Tensor, "H W"]:
        """What the scene itself says, along the camera's axis."""
        pose = self.cameras[number].world_to_camera.to(self.scene.means)
        depth = blend.render((self.scene.means @ pose[2, :3] + pose[2, 3])[:, None])
        return filled(depth, ~blend.seen)[0].clamp_min(1e-3)
