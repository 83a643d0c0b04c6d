"""StyleMe3D as a way to restyle a scene: its colours descend on four losses of the style picture (`relook.lift.losses`)."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from relook.errors import InputError
from relook.io import read_image
from relook.lift.losses.styleme3d import PRESETS, StyleMe3D, restyled
from relook.lift.restyled.scene import Scene, Settings
from relook.lift.scene.sources import camera_of
from relook.restyle_config import RestyleConfig
from relook.transfer.photo import Styles
from relook.types import View

ATTENDING = "dollhouse"
"""The family whose denoiser knows the style by attention to it; others by an image prompt."""


def styleme3d(scene: Scene, style: Styles, settings: Settings) -> Float[Tensor, "N 3"]:
    """The Gaussians' colours after the descent; of several style pictures, the first is what they descend to.

    Raises InputError for a preset that this method does not have, MissingModelError where a network is not on this machine.
    """
    first = style if isinstance(style, str | Path | View) else style[0]
    picture = first.image if isinstance(first, View) else read_image(first)
    cameras = [camera_of(view) for view in scene.views]
    keep = None if settings.work is None else settings.work / "descent.safetensors"
    return restyled(
        scene.gaussians,
        (cameras, scene.blends),
        picture,
        how_of(settings.config),
        settings.session,
        settings.progress,
        keep,
    )


def how_of(config: RestyleConfig) -> StyleMe3D:
    """What the user's options say of a run."""
    photo = config.photo
    if photo.preset not in PRESETS:
        raise InputError(
            f"Expected the preset {' or '.join(PRESETS)} for styleme3d, whose code was never released, got {photo.preset}; choose one."
        )
    family = photo.family or ATTENDING
    return StyleMe3D(
        preset=photo.preset, steps=photo.steps, losses=config.losses or StyleMe3D.losses, family=family,  # type: ignore[arg-type]
        image_prompt=None if family == ATTENDING else photo.image_prompt, described_by=config.style_descriptor,
        judged_by=config.judge, seed=photo.seed, prompt=photo.prompt,
    )  # fmt: skip
