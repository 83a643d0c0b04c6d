"""What a user may choose when a picture is looked at alone (`relook perceive`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from relook.config.words import (
    MACHINE,
    Names,
)
from relook.options import Configuration


@dataclass(frozen=True)
class PerceiveConfig(Configuration):
    """What looks at the picture."""

    segmenter: str = "auto"
    """Which segmenter finds the regions: `embedded`, `ade20k`, a hub id or folder, or a label map. `auto`: the best one here."""
    depth_estimator: str = "auto"
    """Which model estimates depth, or a depth map, or `none`. `auto`: the best one here."""
    layout: str = "auto"
    """The room's floor, walls and ceiling: `auto`, from lines and segments; a layout.json, perhaps edited; or `none`."""
    label: Names = ()
    """Names of things to look for besides, e.g. `ottoman`; separate several by commas or spaces. Needs an open-vocabulary model."""
    labeller: str = "auto"
    """Which open-vocabulary model looks for them, by name, hub id or folder."""
    device: Annotated[str, MACHINE] = "auto"
    """Where networks run: `cpu`, `cuda`, `mps`; `auto`: the first of cuda, mps and cpu that is here."""
