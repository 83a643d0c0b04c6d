"""`relook train warp-refine`: the network that completes carried looks, from walks through the dollhouse and from captures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from relook.errors import InputError
from relook.training.cards import write_papers

if TYPE_CHECKING:
    from relook.training.loop import Stage
    from relook.training.quadruplets import Source


@dataclass(frozen=True)
class TrainWarpRefine:
    """Train a family's view refiner (ReStyle3D's warp-and-refine network); a stopped run goes on from its last checkpoint."""

    out: Path = Path("runs/warp-refine")
    """Folder for checkpoints, curves and the finished network (`view_refiner/`)."""
    family: str = "dollhouse"
    """The family whose denoiser is widened: its name, folder or hub id."""
    captures: tuple[Path, ...] = ()
    """Captures (posed RGB-D, folders of frames, videos) to train on; they are recoloured at random. Default: the dollhouse."""
    matcher: str = "auto"
    """What says where frames of captures show the same."""
    scale: float = 1.0
    """Factor on the steps of every stage; 0.01 is a dry run."""
    size: int | None = None
    """Side of the pictures, in one stage. Default: the stages of the shipped network for the dollhouse, else the family's size."""
    steps: int = 20000
    """Optimiser steps where a size or captures are named (the paper's number)."""
    batch: int = 8
    """Quadruplets per step and process where a size or captures are named (the paper: 256 in all)."""
    rate: float = 1e-4
    """Learning rate of AdamW where a size or captures are named (the paper's)."""
    device: str = "auto"
    """Where to train."""
    precision: Literal["no", "bf16"] = "no"
    """Mixed precision."""
    seed: int = 0
    """Seed of weights, rooms, styles and order."""


def train_warp_refine(config: TrainWarpRefine) -> Path:
    """Train and save in half precision; returns the folder that `load_view_refiner` reads. Raises InputError for numbers that cannot be."""
    from relook.models.families import load_family
    from relook.session import placement
    from relook.training import warp_refine
    from relook.training.loop import Stage

    if config.scale <= 0 or config.steps < 1 or config.batch < 1 or config.rate <= 0:
        raise InputError(
            "Expected a scale, steps, a batch and a rate above 0, got less; the defaults are a good start."
        )
    family = load_family(config.family, placement(config.device, "fp32"))
    stages = warp_refine.STAGES
    if config.captures or config.size is not None or config.family != "dollhouse":
        stages = (Stage(config.size or family.size, config.steps, config.batch, config.rate, 500, 900),)
    stages = tuple(replace(stage, steps=max(1, round(stage.steps * config.scale))) for stage in stages)
    network = warp_refine.train_view_refiner(
        config.out / "run", family, _source(config), stages=stages, seed=config.seed, precision=config.precision
    )
    folder = config.out / "view_refiner"
    network.half().save_pretrained(folder)
    write_papers(config.out / "run", folder, _card(config))
    return folder


def _source(config: TrainWarpRefine) -> Callable[[Stage, int], Source]:
    """Where quadruplets come from."""
    from relook.captures import read_capture
    from relook.training.quadruplets import Captures
    from relook.training.warp_refine import walks

    if not config.captures:
        return walks
    captures = [
        read_capture(path, workspace=config.out / "input" / str(number)) for number, path in enumerate(config.captures)
    ]
    return lambda stage, _: Captures(captures, (stage.size, stage.size), config.matcher)


def _card(config: TrainWarpRefine) -> str:
    """The model card, but for what the training reached."""
    data = "walks through rooms of `relook.dollhouse`, seeds below 1,000,000; no photograph was used"
    if config.captures:
        data = f"{len(config.captures)} captures, recoloured at random"
    words = f"--family {config.family} --scale {config.scale} --seed {config.seed}"
    if config.captures or config.size is not None or config.family != "dollhouse":
        words += f" --size {config.size} --steps {config.steps} --batch {config.batch} --rate {config.rate}"
    return CARD.format(family=config.family, data=data, words=words)


CARD = """# {family} / view_refiner

UNet2DConditionModel (half precision, Apache-2.0): the denoiser of the family, its first convolution widened with zeros for the latents of four further pictures: the
carried look with its holes guessed, the mask of holes, disparity, and the view as it looked before. It paints what no earlier frame shows.

- Data: {data}.
- Recipe: `relook train warp-refine {words}`; the curves lie beside it.
- Measured: `relook evaluate dollhouse-views`, see docs/results.md.
"""
