"""The papers' ablations on exact truth: `relook evaluate ablation --of attention`, one command each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from relook.evaluate import dollhouse_photo
from relook.evaluate.methods.ablations import ABLATIONS
from relook.evaluate.photo import PhotoSuite
from relook.evaluate.run import Suite
from relook.evaluate.sources.dollhouse import Dollhouse


@dataclass(frozen=True)
class Config(dollhouse_photo.Config):
    """One part of the methods off, or changed, on unseen pairs of rooms against the exact answer."""

    of: Literal[
        "attention", "guidance", "contrast", "adain", "mask", "unmatched", "seeing", "steps", "history", "losses"
    ] = "attention"
    """What is off or changed. `seeing`: what layout, masks, depth and materials bring on the
    pictures alone. `history`: from how many frames a walk's next frame takes its look. `losses`: StyleMe3D's,
    added in turn to scenes of Gaussians."""
    out: Path = Path("runs/ablation")
    """Folder of the results, one folder for each ablation; a run that was stopped resumes there."""
    pairs: int = 24
    """Number of pairs."""
    walks: int | None = None
    """Walks of `history` (default: 2), or rooms of `losses` (12)."""
    frames: int | None = None
    """Frames of each walk (default: 16, of `losses` 6)."""
    descent: float = 0.5
    """Steps of every descent of `losses`, as a share of those that the suite of restyled scenes takes (by the paper's schedule 280)."""


def suite(config: Config) -> Suite:
    """One ablation."""
    if config.of == "history":
        return _history(config)
    if config.of == "losses":
        return _losses(config)
    ablation = ABLATIONS[config.of]
    where = "that the style picture lacks" if ablation.scored == "unmatched" else "that both pictures show"
    lead = f"{ablation.claim} Here: {config.pairs} unseen pairs, seed {config.seed}, scored over the classes {where}."
    return PhotoSuite(
        f"ablation-{config.of}", config, config.device, lead, rows=ablation.rows,
        source=Dollhouse(config.seed, config.pairs, config.size, ablation.scored),
        columns=tuple(ablation.rows), reference=ablation.references, against="what it changes",
    )  # fmt: skip


def _history(config: Config) -> Suite:
    """Walks whose frames take their look from one, two or three frames before."""
    from relook.evaluate import dollhouse_views
    from relook.evaluate.views.walks import ALONE, BY_HISTORY

    views = dollhouse_views.Config(
        out=config.out, parts=("walks",), seed=config.seed, size=config.size, ways=(ALONE, *BY_HISTORY), walks=config.walks or 2,
        frames=config.frames or 16, steps=config.steps, family=config.family, device=config.device, engine=config.engine,
    )  # fmt: skip
    return dollhouse_views.suite(views)


def _losses(config: Config) -> Suite:
    """StyleMe3D's losses in turn, by Relook's preset and by the paper's schedule, beside what has no such loss."""
    from relook.evaluate import dollhouse_restyle3d
    from relook.evaluate.scene.product import ADDED

    scenes = dollhouse_restyle3d.Config(
        out=config.out, rows=config.rows, rooms=config.walks or 12, seed=config.seed, frames=config.frames or 6, held=2,
        size=config.size, steps=config.steps, descent=config.descent, family=config.family, device=config.device, engine=config.engine,
    )  # fmt: skip
    return dollhouse_restyle3d.suite(scenes, ADDED)
