"""What kind of furniture a thing is by its shape alone: where nobody who looks at it knows it, its level surfaces and its sides still tell."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

CELLS = 12
"""Of the map of a thing from above, along each side."""
LEVEL, UPRIGHT = 0.8, 0.4
"""Cosine of a normal to up from which on a surface is level, and up to which it is upright."""
TOP, SEAT, BELOW = 0.85, (0.25, 0.75), (0.1, 0.7)
"""In parts of the height: from where on something is on top; where seats and mattresses are; where legs and sides are."""
LAYER = 0.1
"""The height, in parts of the thing's, within which a seat lies."""
TALL, THIN = 1.4, 0.4
"""Height over the longer side from which on a thing is a chair, a lamp or a plant; share of the map that a lamp has halfway up at most."""
COVERED, SAT, LAIN = 0.6, 0.4, 0.8
"""Shares of the map that a table's or a cupboard's top covers at least, a seat, and a mattress."""
OPEN, LONG = 0.85, 0.6
"""Surface of a table's legs over that of its box's sides at most; height over the longer side of sofas at most."""
FEWEST = 100
"""Gaussians of a thing, at least."""


class Measures(NamedTuple):
    """Of a thing that stands; shares are of its map from above, or of the sides of its box."""

    tall: float
    """Height over the longer side."""
    top: float
    seat: float
    """Level surface of what is not on top, at about one height."""
    middle: float
    """What is halfway up."""
    sides: float


def by_shape(places: Float[Tensor, "N 3"], normals: Float[Tensor, "N 3"], areas: Float[Tensor, " N"]) -> str | None:
    """A common name, or None for what looks like nothing that is known. The third axis is up; areas are of the surface that each place stands for."""
    if len(places) < FEWEST:
        return None
    found = measured(places, normals, areas)
    if found.top > COVERED:
        return "table" if found.sides < OPEN else "cabinet"
    if found.tall > TALL:
        other = "lamp" if found.middle < THIN else "plant"
        return "chair" if found.seat > SAT else other
    if found.seat < SAT:
        return None
    if found.seat > LAIN:
        return "bed"
    return "sofa" if found.tall < LONG else "armchair"


def measured(places: Float[Tensor, "N 3"], normals: Float[Tensor, "N 3"], areas: Float[Tensor, " N"]) -> Measures:
    """What `by_shape` goes by."""
    step = max(1, len(places) // 100_000)
    low, high = places[::step].quantile(torch.tensor([0.005, 0.995]), 0)
    sides, height = (high - low)[:2].clamp_min(1e-6), float((high - low)[2].clamp_min(1e-6))
    up, facing = (places[:, 2] - low[2]) / height, normals[:, 2].abs()
    cell = ((places[:, :2] - low[:2]) / sides * CELLS).long().clamp(0, CELLS - 1)
    there = cell[:, 0] * CELLS + cell[:, 1]
    whole = len(there.unique())

    def share(some: Tensor) -> float:
        return len(np.unique(there[some].numpy())) / whole

    level, legs = facing > LEVEL, (facing < UPRIGHT) & (up > BELOW[0]) & (up < BELOW[1])
    seat = max(
        share(level & (up > foot) & (up < foot + LAYER)) for foot in np.arange(SEAT[0], SEAT[1] - LAYER, LAYER / 2)
    )
    around = 2 * float(sides.sum()) * height * (BELOW[1] - BELOW[0])
    return Measures(
        height / float(sides.max()), share(level & (up > TOP)), seat, share((up > 0.4) & (up < 0.6)), float(areas[legs].sum()) / around
    )  # fmt: skip
