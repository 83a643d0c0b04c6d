"""`relook train perceiver`: the embedded perception network, from nothing but seeds."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class TrainPerceiver:
    """Train the network for classes, depth, object centres and descriptors; a stopped run goes on from its last checkpoint."""

    out: Path = Path("runs/perceiver")
    """Folder for checkpoints, the curve and the finished network (`perceiver/`)."""
    scale: float = 1.0
    """Factor on the steps of both stages; 0.01 is a dry run."""
    seed: int = 0
    """Seed of weights, rooms, styles and order."""


def train_perceiver_folder(config: TrainPerceiver) -> Path:
    """Train and save in half precision; returns the folder that `load_perceiver` reads."""
    from relook.training import perceiver

    stages = [replace(stage, steps=max(1, round(stage.steps * config.scale))) for stage in perceiver.STAGES]
    network = perceiver.train_perceiver(config.out / "run", stages=stages, seed=config.seed)
    folder = config.out / "perceiver"
    network.save(folder)
    _write_papers(config.out, folder, CARD.format(**vars(config)))
    return folder


def _write_papers(out: Path, folder: Path, card: str) -> None:
    """The learning curve and the model card, beside the weights."""
    curves = sorted((out / "run").glob("**/curve.jsonl"))
    for curve in curves:
        shutil.copy(curve, folder / f"curve-{curve.parent.name}.jsonl")
    last = json.loads(curves[-1].read_text().splitlines()[-1])
    reached = ", ".join(f"{name} {value}" for name, value in last.items() if name not in ("step", "seconds"))
    (folder / "README.md").write_text(card + f"- Last line of the curve (training data): {reached}.\n")


CARD = """# dollhouse / perceiver

Residual encoder with a UPerNet pyramid (3.3 M parameters in all, half precision, Apache-2.0) and heads for twenty classes, geometry (log depth in metres, way to the
middle of the object) and descriptors of 48 numbers. config.json and model.safetensors are a plain `UperNetForSemanticSegmentation`.

- Data: the procedural world `relook.dollhouse` only, seeds below 1,000,000; no photograph was used.
- Recipe: `relook train perceiver --scale {scale} --seed {seed}`, 128 pixels first, then 256; the curves lie beside it.
- Measured: `relook evaluate perception` and `relook evaluate dollhouse-correspondence`, see docs/results.md.
- Limits: it knows these rooms. On photographs it is a last resort; metres hold for rooms like these only.
"""
