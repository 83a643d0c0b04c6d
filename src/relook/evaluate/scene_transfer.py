"""The public SceneTransfer benchmark of ReStyle3D: `relook evaluate scene-transfer DIR`, every method beside every baseline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from relook.evaluate import folder
from relook.evaluate.photo import run_rows
from relook.evaluate.sources.scene_transfer import SceneTransfer
from relook.evaluate.suite import Report

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class Config(folder.Config):
    """SceneTransfer, as ReStyle3D published it (docs/evaluate.md has the layout). There is no exact answer."""

    out: Path = Path("runs/scene-transfer")
    """Folder of the results; a run that was stopped resumes there."""
    every: int | None = None
    """Take every so manieth frame of a scene. Default: the first alone, as ReStyle3D does in 2D."""


def run(config: Config, report: Report) -> RenderableType:
    """Run the suite; returns the tables. Raises InputError for a folder without that layout."""
    source = SceneTransfer(*folder.known(config), every=config.every)
    lead = f"{len(source.names)} pairs of SceneTransfer at {config.path}, {config.steps or 'preset'} steps."
    return run_rows("scene-transfer", lead, folder.possible_rows(source), source, config, report)
