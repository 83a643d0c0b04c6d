"""`relook train perceiver` and `relook train flow`: the embedded perception networks, from nothing but seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from relook.training.cards import write_papers


@dataclass(frozen=True)
class TrainPerceiver:
    """Train the network for classes, depth, object centres and descriptors; a stopped run goes on from its last checkpoint."""

    out: Path = Path("runs/perceiver")
    """Folder for checkpoints, the curve and the finished network (`perceiver/`)."""
    scale: float = 1.0
    """Factor on the steps of both stages; 0.01 is a dry run."""
    seed: int = 0
    """Seed of weights, rooms, styles and order."""


@dataclass(frozen=True)
class TrainFlow:
    """Train the network that mends optical flow; a stopped run goes on from its last checkpoint."""

    out: Path = Path("runs/flow")
    """Folder for checkpoints, the curve and the finished network (`flow/`)."""
    steps: int = 1600
    """Optimiser steps."""
    batch: int = 4
    """Pairs of pictures per step."""
    pool: int = 1600
    """Pairs that are drawn once, before the training; a quarter are dead leaves."""
    rooms: int = 400
    """Rooms, each seen from two positions."""
    styles: int = 800
    """Styles that colour them."""
    seed: int = 0
    """Seed of weights, rooms, styles and order."""


def train_perceiver_folder(config: TrainPerceiver) -> Path:
    """Train and save in half precision; returns the folder that `load_perceiver` reads."""
    from relook.training import perceiver

    stages = [replace(stage, steps=max(1, round(stage.steps * config.scale))) for stage in perceiver.STAGES]
    network = perceiver.train_perceiver(config.out / "run", stages=stages, seed=config.seed)
    folder = config.out / "perceiver"
    network.save(folder)
    write_papers(config.out / "run", folder, PERCEIVER_CARD.format(**vars(config)))
    return folder


def train_flow_folder(config: TrainFlow) -> Path:
    """Train and save in half precision; returns the folder that `load_flow_refiner` reads."""
    from relook.training.flow import train_flow

    network = train_flow(
        config.out / "run", steps=config.steps, batch=config.batch, pool=config.pool, rooms=config.rooms,
        styles=config.styles, seed=config.seed,
    )  # fmt: skip
    folder = config.out / "flow"
    network.save(folder)
    write_papers(config.out / "run", folder, FLOW_CARD.format(**vars(config)))
    return folder


PERCEIVER_CARD = """# dollhouse / perceiver

Residual encoder with a UPerNet pyramid (3.3 M parameters in all, half precision, Apache-2.0) and heads for twenty classes, geometry (log depth in metres, way to the
middle of the object) and descriptors of 48 numbers. config.json and model.safetensors are a plain `UperNetForSemanticSegmentation`.

- Data: the procedural world `relook.dollhouse` only, seeds below 1,000,000; no photograph was used.
- Recipe: `relook train perceiver --scale {scale} --seed {seed}`, 128 pixels first, then 256; the curves lie beside it.
- Measured: `relook evaluate perception` and `relook evaluate dollhouse-correspondence`, see docs/results.md.
- Limits: it knows these rooms. On photographs it is a last resort; metres hold for rooms like these only.
"""
FLOW_CARD = """# dollhouse / flow

Mends dense flow made of SIFT matches (0.24 M parameters, half precision, Apache-2.0): features at a quarter of the side, windows of correlations,
three rounds; says how sure it is and what is hidden.

- Data: pairs of views of `relook.dollhouse` rooms with exact flow, and dead leaves bent smoothly; seeds below 1,000,000; no photograph was used.
- Recipe: `relook train flow --steps {steps} --batch {batch} --pool {pool} --rooms {rooms} --styles {styles} --seed {seed}`; the curve lies beside it.
- Measured: `relook evaluate matching`, see docs/results.md.
"""
