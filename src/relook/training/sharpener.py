"""Train a small network that sharpens soft pictures, on crops of restyled rooms and dead leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from relook.models.sharpener import Sharpener
from relook.ops.blur import softened
from relook.training.cards import write_network
from relook.training.data import World, check_side, crops
from relook.training.loop import LoopConfig, train
from relook.training.subjects import TrainSharpener

ROOMS, STYLES, SIZE = 160, 320, 192
"""Rooms, styles, and the side of the rooms' pictures in pixels."""


def sharpening_loss(
    network: Sharpener, soft: Float[Tensor, "B 3 S S"], sharp: Float[Tensor, "B 3 S S"]
) -> dict[str, Tensor]:
    """Mean absolute error of what comes out."""
    error = network(soft) - sharp
    return {"loss": error.abs().mean(), "psnr": -10 * torch.log10(error.detach().square().mean())}


def pairs(config: TrainSharpener) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless (soft, sharp)."""
    generator = torch.Generator().manual_seed(config.seed)
    world = World.build(ROOMS, STYLES, (SIZE, SIZE), seed=config.seed, wild=0.3)
    for picture in crops(world, config.batch, config.side, generator):
        yield softened(picture, generator), picture


def run(config: TrainSharpener) -> Path:
    """Train and save in half precision; returns the folder that `load_sharpener` reads. Raises InputError for a side that is no multiple of 16."""
    check_side(config.side)
    torch.manual_seed(config.seed)
    network = Sharpener().train()
    loop = LoopConfig(config.steps, rate=config.rate, average=0.995, every=config.every)
    averaged = train(network, pairs(config), lambda pair: sharpening_loss(network, *pair), loop, config.out / "run")
    return write_network(averaged.eval(), config.out, "sharpener", CARD.format(**vars(config)))


CARD = """# dollhouse / sharpener

Gives soft pictures their edges back (0.46 M parameters, half precision, Apache-2.0): a residual U-Net at a quarter of the side, whose features can be lifted to
other views (`relook lift --operator sharpen`).

- Data: crops of restyled rooms of the procedural world `relook.dollhouse` and dead leaves, seeds below 1,000,000; no photograph was used.
- Recipe: `relook train sharpener --steps {steps} --batch {batch} --side {side} --rate {rate} --seed {seed}`; the curve lies beside it.
- Measured: `relook evaluate dollhouse-lift --parts sharpness`, see docs/results.md.
"""
