"""Changes that vary slowly over what was alike: pixel-wise losses then cannot speckle a surface, whose own detail stays."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from scipy.sparse import csr_array
from torch import Tensor


class Neighbours:
    """W = (I + along) / 2, of N x N weights whose rows sum to one (`relook.lift.scene.uplift.graph`), and how often it is applied."""

    def __init__(self, along: csr_array, rounds: int) -> None:
        self.along, self.back, self.rounds = along, along.T.tocsr(), rounds


def smoothed(change: Float[Tensor, "N D"], by: Neighbours) -> Float[Tensor, "N D"]:
    """W^rounds c, differentiable in c: so many times the mean of itself and its neighbours. A constant change stays what it is."""
    return _Smoothed.apply(change, by)


def _averaged(values: Tensor, along: csr_array, rounds: int) -> Tensor:
    found = values.detach().float().cpu().numpy()
    for _ in range(rounds):
        found = (found + along @ found) / 2
    return torch.from_numpy(found).to(values)


class _Smoothed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, change: Tensor, by: Neighbours) -> Tensor:
        ctx.by = by
        return _averaged(change, by.along, by.rounds)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        return _averaged(gradients[0], ctx.by.back, ctx.by.rounds), None
