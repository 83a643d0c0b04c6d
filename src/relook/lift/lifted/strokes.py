"""What strokes on one thing mark in all views: what is liker to them than to the other parts of the capture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from relook.errors import InputError
from relook.lift.lifted.sources import Posed
from relook.lift.operators.operator import Kind

PARTS, ROUNDS, SAMPLES = 32, 12, 8192
"""Parts of a capture, alike in their features, that are told apart; rounds in which they settle; places that they are found from."""
ALIKE = 0.8
"""Cosine with a stroke from which a part is the thing itself."""
SHARP = 12.0
"""How steeply being liker to the strokes than to all else turns into 1."""
TELLING: tuple[Kind, ...] = ("features", "labels")
"""Predictions that tell by more than one number what a pixel is."""


@dataclass(frozen=True)
class Strokes:
    """Features of a thing and of what is beside it, unit vectors."""

    touched: Float[Tensor, "N C"]
    thing: Float[Tensor, "T C"]
    """What the strokes touch, and parts of the capture that are like it."""
    others: Float[Tensor, "P C"]

    @staticmethod
    def of(strokes: Sequence[tuple[int, int, int]], answers: Sequence[tuple[Tensor, Tensor]]) -> Strokes:
        """(x, y, frame) of places on the thing, within the pictures (`check_strokes`); answers: of every view, features and the prediction
        that is marked."""
        touched = normalize(torch.stack([answers[frame][1][:, y, x] for x, y, frame in strokes]), dim=1)
        parts = parts_of([prediction for _, prediction in answers])
        likeness = touched @ parts.T
        own = likeness.amax(0) >= ALIKE
        own[likeness.argmax(1)] = True
        return Strokes(touched, torch.cat([touched, parts[own]]), parts[~own])

    def mark(self, features: Float[Tensor, "C H W"]) -> Float[Tensor, "1 H W"]:
        """How much each pixel is the thing: more than 1/2 where it is liker to it than to any other part, and liker to a stroke than those are."""
        unit = normalize(features, dim=0)
        touched, thing, others = (_nearest(unit, some) for some in (self.touched, self.thing, self.others))
        besides = (self.touched @ self.others.T).max() if len(self.others) else touched.new_tensor(ALIKE)
        return torch.sigmoid(SHARP * torch.minimum(thing - others, touched - besides))[None]


def check_strokes(strokes: Sequence[tuple[int, int, int]], kind: Kind, source: Posed) -> None:
    """Raise InputError for strokes (x, y, frame) outside of the views, and for an operator whose predictions tell nothing apart."""
    if strokes and kind not in TELLING:
        raise InputError(
            f"Expected an operator of {' or '.join(TELLING)} for --stroke, got one of {kind}; choose e.g. --operator descriptors."
        )
    height, width = source.size
    for x, y, frame in strokes:
        if x >= width or y >= height or frame >= len(source.views):
            raise InputError(
                f"Expected strokes within {width} x {height} pixels and {len(source.views)} frames, got {x}:{y}:{frame}; move it."
            )


def parts_of(maps: Sequence[Float[Tensor, "C H W"]]) -> Float[Tensor, "P C"]:
    """Directions of up to PARTS groups of alike features: spherical k-means from starts that are as unlike as can be."""
    rows = torch.cat([one[:, 2::4, 2::4].flatten(1).T for one in maps])
    rows = normalize(rows[:: 1 + len(rows) // SAMPLES], dim=1)
    parts = rows[:1]
    while len(parts) < min(PARTS, len(rows)):
        parts = torch.cat([parts, rows[(rows @ parts.T).amax(1).argmin()][None]])
    for _ in range(ROUNDS):
        parts = normalize(torch.zeros_like(parts).index_add_(0, (rows @ parts.T).argmax(1), rows), dim=1)
    return parts


def _nearest(unit: Float[Tensor, "C H W"], some: Float[Tensor, "N C"]) -> Float[Tensor, "H W"]:
    """Cosine with the nearest of some vectors; -1 without any."""
    if not len(some):
        return unit.new_full(unit.shape[1:], -1.0)
    return torch.einsum("nc,chw->nhw", some, unit).amax(0)
