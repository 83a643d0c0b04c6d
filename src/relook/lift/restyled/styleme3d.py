"""StyleMe3D as a way to restyle a scene: its colours descend on four losses of the style picture (`relook.lift.losses`)."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import cast

from jaxtyping import Float
from torch import Tensor

from relook.config import RestyleConfig
from relook.errors import InputError
from relook.io import read_image
from relook.lift.losses.judges import EMBEDDED
from relook.lift.losses.nearest import Counterparts
from relook.lift.losses.schedule import LOSSES
from relook.lift.losses.styleme3d import PRESETS, PresetName, StyleMe3D, restyled
from relook.lift.restyled.matching import matched
from relook.lift.restyled.scene import Scene, Settings
from relook.lift.scene.sources import camera_of
from relook.transfer.references import Styles, listed
from relook.types import View

ATTENDING = "dollhouse"
"""The family whose denoiser knows the style by attention to it; others by an image prompt."""
log = logging.getLogger("relook")


def check_losses(config: RestyleConfig) -> None:
    """Say which losses a run leaves out unprompted, before it begins. Raises InputError for a preset, family, steps or losses that it cannot
    descend by."""
    how = how_of(config)
    how.planned()
    missing = [name for name in LOSSES if name not in how.losses]
    if missing and not config.losses:
        log.warning(
            "Without %s: the embedded networks know drawn rooms only; name --family, --style-descriptor and --judge, or --family %s for such rooms.",
            ", ".join(missing), ATTENDING,
        )  # fmt: skip


def styleme3d(scene: Scene, style: Styles, settings: Settings) -> Float[Tensor, "N 3"]:
    """The Gaussians' colours after the descent; of several style pictures, the first is what they descend to.

    Raises InputError for a preset that this method does not have, MissingModelError where a network is not on this machine.
    """
    first = listed(style)[0]
    picture = first.image if isinstance(first, View) else read_image(first)
    cameras = [camera_of(view) for view in scene.views]
    how = how_of(settings.config)
    if "counterpart" in how.losses:
        how = replace(how, counterparts=_counterparts(scene, style, settings))
    keep = None if settings.work is None else settings.work / "descent.safetensors"
    return restyled(
        scene.gaussians,
        (cameras, scene.blends),
        picture,
        how,
        settings.session,
        settings.progress,
        keep,
    )


def _counterparts(scene: Scene, style: Styles, settings: Settings) -> Counterparts:
    """Which pixels of every key view take from which of the style picture."""
    found = matched(scene, style, settings).found
    return Counterparts(found.structure_classes.chunk(len(scene.views)), found.style_classes)


def how_of(config: RestyleConfig) -> StyleMe3D:
    """What the user's options say of a run.

    Networks that know drawn rooms only are never asked of a photograph unprompted: without a family, a CLIP for descriptor and judge, or
    losses by name, the statistics of VGG19 are all that is descended on (`check_losses` says so).
    """
    photo, family = config.photo, config.photo.family
    if photo.preset not in PRESETS:
        raise InputError(
            f"Expected the preset {' or '.join(PRESETS)} for styleme3d, whose code was never released, got {photo.preset}; choose one."
        )
    losses = config.losses or _suitable(config)
    if "distillation" in losses and family is None:
        raise InputError(
            f"Expected a family whose denoiser distils, got none; name one (sd15, or {ATTENDING} for its own rooms) or leave distillation out."
        )
    return StyleMe3D(
        preset=cast(PresetName, photo.preset), steps=photo.steps, losses=losses, family=family or ATTENDING,
        image_prompt=None if family in (None, ATTENDING) else photo.image_prompt, described_by=config.style_descriptor,
        judged_by=config.judge, seed=photo.seed, prompt=photo.prompt,
    )  # fmt: skip


def _suitable(config: RestyleConfig) -> tuple[str, ...]:
    """All four losses for the embedded family's own rooms, else those whose networks know photographs."""
    family = config.photo.family
    if family == ATTENDING:
        return tuple(LOSSES)
    knowing = {
        "statistics": True, "descriptor": config.style_descriptor != EMBEDDED, "quality": config.judge != EMBEDDED,
        "distillation": family is not None,
    }  # fmt: skip
    return tuple(name for name, known in knowing.items() if known)
