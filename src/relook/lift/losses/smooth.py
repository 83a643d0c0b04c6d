"""Changes that vary slowly over what was alike: pixel-wise losses then cannot speckle a surface, whose own detail stays."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from relook.lift.scene.uplift import Graph


class Neighbours:
    """W = (I + along) / 2, whose rows sum to one, and how often it is applied."""

    def __init__(self, along: Graph, rounds: int) -> None:
        self.along, self.back, self.rounds = along, along.back, rounds


def smoothed(change: Float[Tensor, "N D"], by: Neighbours) -> Float[Tensor, "N D"]:
    """W^rounds c, differentiable in c: so many times the mean of itself and its neighbours. A constant change stays what it is."""
    return _Smoothed.apply(change, by)


class _Smoothed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, change: Tensor, by: Neighbours) -> Tensor:
        ctx.by = by
        return by.along.smoothed(change.detach(), by.rounds)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        return ctx.by.back.smoothed(gradients[0], ctx.by.rounds), None
