"""The public SceneTransfer benchmark of ReStyle3D: `relook evaluate scene-transfer DIR`, every method beside every baseline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from relook.evaluate import folder
from relook.evaluate.photo import PhotoSuite
from relook.evaluate.sources.scene_transfer import SceneTransfer


@dataclass(frozen=True)
class Config(folder.Config):
    """SceneTransfer, as ReStyle3D published it (docs/evaluate.md has the layout). There is no exact answer."""

    out: Path = Path("runs/scene-transfer")
    """Folder of the results; a run that was stopped resumes there."""
    every: int | None = None
    """Take every Nth frame of a scene. Default: the first alone, as ReStyle3D does in 2D."""


def suite(config: Config) -> PhotoSuite:
    """Every row on every pair. Raises InputError for a folder without that layout."""
    source = SceneTransfer(*folder.known(config), every=config.every)
    return folder.of(config, "scene-transfer", source, f"SceneTransfer at {config.path}")
