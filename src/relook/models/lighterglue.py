"""LighterGlue (Potje et al. 2024): LightGlue (Lindenberger et al. 2023) with one head of 96 channels, for XFeat's descriptors.

Written so that the names of its tensors are those under `matcher.` of the authors' checkpoint; it runs all its layers on all points.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from relook.models.xfeat import CHANNELS

WIDTH, LAYERS = 96, 6
"""Channels of a token, and number of layers."""


class LighterGlue(nn.Module):
    """Log-probabilities that points of two pictures match."""

    def __init__(self) -> None:
        super().__init__()
        self.input_proj = nn.Linear(CHANNELS, WIDTH)
        self.posenc = nn.ModuleDict({"Wr": nn.Linear(2, WIDTH // 2, bias=False)})
        self.transformers = nn.ModuleList(
            nn.ModuleDict({"self_attn": SelfBlock(), "cross_attn": CrossBlock()}) for _ in range(LAYERS)
        )
        self.log_assignment = nn.ModuleList(Assignment() for _ in range(LAYERS))

    def forward(
        self,
        first: Float[Tensor, "N 64"],
        second: Float[Tensor, "M 64"],
        first_places: Float[Tensor, "N 2"],
        second_places: Float[Tensor, "M 2"],
    ) -> Float[Tensor, "N M"]:
        """Log-probabilities for descriptors of unit length at places that are centred and scaled to [-1, 1] by the longer side."""
        x, y = self.input_proj(first), self.input_proj(second)
        turns = [self.posenc["Wr"](places).repeat_interleave(2, dim=-1) for places in (first_places, second_places)]
        for layer in self.transformers:
            assert isinstance(layer, nn.ModuleDict)
            x, y = layer["self_attn"](x, turns[0]), layer["self_attn"](y, turns[1])
            x, y = layer["cross_attn"](x, y)
        return self.log_assignment[-1](x, y)


class SelfBlock(nn.Module):
    """Points of one picture attend to each other; their places turn queries and keys (rotary encoding)."""

    def __init__(self) -> None:
        super().__init__()
        self.Wqkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out_proj = nn.Linear(WIDTH, WIDTH)
        self.ffn = _mixer()

    def forward(self, x: Float[Tensor, "N 96"], turns: Float[Tensor, "N 96"]) -> Float[Tensor, "N 96"]:
        """Updated tokens."""
        query, key, value = self.Wqkv(x).unflatten(-1, (WIDTH, 3)).unbind(-1)
        message = _attend(_turned(query, turns), _turned(key, turns), value)
        return x + self.ffn(torch.cat([x, self.out_proj(message)], -1))


class CrossBlock(nn.Module):
    """Points of each picture attend to those of the other one; queries and keys are the same."""

    def __init__(self) -> None:
        super().__init__()
        self.to_qk, self.to_v, self.to_out = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.ffn = _mixer()

    def forward(
        self, x: Float[Tensor, "N 96"], y: Float[Tensor, "M 96"]
    ) -> tuple[Float[Tensor, "N 96"], Float[Tensor, "M 96"]]:
        """Updated tokens of both."""
        a, b, u, v = self.to_qk(x), self.to_qk(y), self.to_v(x), self.to_v(y)
        to_x, to_y = self.to_out(_attend(a, b, v)), self.to_out(_attend(b, a, u))
        return x + self.ffn(torch.cat([x, to_x], -1)), y + self.ffn(torch.cat([y, to_y], -1))


class Assignment(nn.Module):
    """Double softmax of similarities, times the probability that both points can be matched at all."""

    def __init__(self) -> None:
        super().__init__()
        self.matchability = nn.Linear(WIDTH, 1)
        self.final_proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Float[Tensor, "N 96"], y: Float[Tensor, "M 96"]) -> Float[Tensor, "N M"]:
        """Log-probabilities."""
        alike = self.final_proj(x) @ self.final_proj(y).T / WIDTH**0.5
        both = functional.logsigmoid(self.matchability(x)) + functional.logsigmoid(self.matchability(y)).T
        return alike.log_softmax(1) + alike.log_softmax(0) + both


@lru_cache(maxsize=1)
def load_lighterglue(path: Path) -> LighterGlue:
    """The matcher of a checkpoint (safetensors), frozen; the checkpoint's copy of XFeat and its unused layers' heads are left out."""
    from safetensors.torch import load_file

    network = LighterGlue()
    wanted = network.state_dict()
    tensors = {name.removeprefix("matcher."): value for name, value in load_file(path).items()}
    network.load_state_dict({name: value for name, value in tensors.items() if name in wanted})
    return network.eval().requires_grad_(False)


def _mixer() -> nn.Sequential:
    """The feed-forward part over a token and its message."""
    return nn.Sequential(
        nn.Linear(2 * WIDTH, 2 * WIDTH), nn.LayerNorm(2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH)
    )


def _attend(
    query: Float[Tensor, "N 96"], key: Float[Tensor, "M 96"], value: Float[Tensor, "M 96"]
) -> Float[Tensor, "N 96"]:
    return functional.scaled_dot_product_attention(query[None, None], key[None, None], value[None, None])[0, 0]


def _turned(x: Float[Tensor, "N 96"], angles: Float[Tensor, "N 96"]) -> Float[Tensor, "N 96"]:
    """Every pair of channels turned by its angle."""
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    return x * angles.cos() + torch.stack([-odd, even], -1).flatten(-2) * angles.sin()
