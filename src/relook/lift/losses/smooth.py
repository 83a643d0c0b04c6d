"""Changes that vary slowly over what was alike: pixel-wise losses then cannot speckle a surface, whose own detail stays."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from scipy.sparse import csr_array
from torch import Tensor


def smoothed(change: Float[Tensor, "N D"], along: csr_array, rounds: int) -> Float[Tensor, "N D"]:
    """W^rounds c, differentiable in c: `rounds` times the mean of itself and its neighbours; W = (I + along) / 2.

    along: N x N, rows sum to one (`relook.lift.scene.uplift.graph`): a constant change stays what it is.
    """
    return _Smoothed.apply(change, along, rounds)


def averaged(values: Tensor, along: csr_array, rounds: int) -> Tensor:
    """W^rounds of values."""
    found = values.detach().float().cpu().numpy()
    for _ in range(rounds):
        found = (found + along @ found) / 2
    return torch.from_numpy(found).to(values.device)


class _Smoothed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, change: Tensor, along: csr_array, rounds: int) -> Tensor:
        ctx.along, ctx.rounds = along, rounds
        return averaged(change, along, rounds)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None, None]:
        return averaged(gradients[0], ctx.along.T.tocsr(), ctx.rounds), None, None
