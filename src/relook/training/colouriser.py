"""Train a small network that gives grey pictures colours, on drawn rooms in the colours of their palettes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from relook.models.colouriser import CELL, Colouriser, shares
from relook.ops.oklab import rgb_to_oklab
from relook.training.cards import write_network
from relook.training.data import World, check_side, rooms_in
from relook.training.loop import LoopConfig, train
from relook.training.subjects import TrainColouriser

ROOMS, STYLES, SIZE = 400, 800, 160
"""Rooms, styles, and the side of the rooms' pictures in pixels."""
PALE = 0.02
"""Chroma that counts half as much as twice as much does: most of a room is pale, and colours would drown in it."""


def colouring_loss(network: Colouriser, pictures: Float[Tensor, "B 3 S S"]) -> dict[str, Tensor]:
    """Cross entropy of the colour of every cell, the more the stronger it is; `error` is the mean colour's squared error / that of grey."""
    lab = rgb_to_oklab(pictures)
    wanted = functional.avg_pool2d(lab[:, 1:], CELL)
    features = network.encode(lab[:, :1])
    strength = PALE + wanted.norm(dim=1)
    each = -(shares(wanted) * network.scores(features).log_softmax(1)).sum(1)
    with torch.no_grad():
        error = (network.decode(features, 1.0)[1] - wanted).square().mean() / wanted.square().mean()
    return {"loss": (each * strength).sum() / strength.sum(), "error": error}


def pictures(config: TrainColouriser) -> Iterator[Float[Tensor, "B 3 S S"]]:
    """Endless restyled rooms."""
    generator = torch.Generator().manual_seed(config.seed)
    world = World.build(ROOMS, STYLES, (SIZE, SIZE), seed=config.seed, wild=0.0)
    return rooms_in(world, config.batch, config.side, generator)


def run(config: TrainColouriser) -> Path:
    """Train and save in half precision; returns the folder that `load_colouriser` reads. Raises InputError for a side that is no multiple of 16."""
    check_side(config.side)
    torch.manual_seed(config.seed)
    network = Colouriser().train()
    loop = LoopConfig(config.steps, rate=config.rate, average=0.995, every=config.every)
    averaged = train(network, pictures(config), lambda one: colouring_loss(network, one), loop, config.out / "run")
    return write_network(averaged.eval(), config.out, "colouriser", CARD.format(**vars(config)))


CARD = """# dollhouse / colouriser

Gives grey pictures colours (0.4 M parameters, half precision, Apache-2.0): a U-Net at a quarter of the side with a look at the whole picture chooses among
169 colours in every cell; its features can be lifted to other views (`relook lift --operator colourise`).

- Data: restyled rooms of the procedural world `relook.dollhouse`, in the colours of its palettes, seeds below 1,000,000; no photograph was used.
- Recipe: `relook train colouriser --steps {steps} --batch {batch} --side {side} --rate {rate} --seed {seed}`; the curve lies beside it.
- Limits: what a thing's colour is can hardly be seen in a drawn room, so it guesses; of photographs it knows nothing.
- Measured: `relook evaluate dollhouse-lift --parts colours`, see docs/results.md.
"""
