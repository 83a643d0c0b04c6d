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

    of: Literal["attention", "guidance", "contrast", "adain", "mask", "unmatched", "seeing", "steps", "history"] = (
        "attention"
    )
    """What is off or changed. `seeing`: what layout, masks, depth and materials bring on the
    pictures alone. `history`: from how many frames a walk's next frame takes its look."""
    out: Path = Path("runs/ablation")
    """Folder of the results, one folder for each ablation; a run that was stopped resumes there."""
    pairs: int = 24
    """Number of pairs."""
    walks: int = 2
    """Walks of `history`."""
    frames: int = 16
    """Frames of each walk."""


def suite(config: Config) -> Suite:
    """One ablation."""
    if config.of == "history":
        return _history(config)
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
        out=config.out, parts=("walks",), seed=config.seed, size=config.size, ways=(ALONE, *BY_HISTORY), walks=config.walks,
        frames=config.frames, steps=config.steps, family=config.family, device=config.device, engine=config.engine,
    )  # fmt: skip
    return dollhouse_views.suite(views)
