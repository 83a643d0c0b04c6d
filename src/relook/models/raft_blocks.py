"""The parts of RAFT: encoders, and the recurrent unit that updates the flow. Attribute names are those of the checkpoints' tensors."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Norm = Literal["instance", "batch", "none"]


def normalisation(kind: Norm, channels: int) -> nn.Module:
    """Instance (without learned scale), batch, or no normalisation."""
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.InstanceNorm2d(channels) if kind == "instance" else nn.Identity()


class Block(nn.Module):
    """Convolutions beside a shortcut: two of 3 x 3, or 1 x 1, 3 x 3 and 1 x 1 with a quarter of the channels between (a bottleneck)."""

    def __init__(self, before: int, after: int, norm: Norm, stride: int, *, bottleneck: bool) -> None:
        super().__init__()
        narrow = after // 4
        sides, channels = (
            ((1, 3, 1), (before, narrow, narrow, after)) if bottleneck else ((3, 3), (before, after, after))
        )
        self.count = len(sides)
        for number, (side, inputs, outputs) in enumerate(zip(sides, channels[:-1], channels[1:], strict=True), start=1):
            step = stride if number == sides.index(3) + 1 else 1
            self.add_module(f"conv{number}", nn.Conv2d(inputs, outputs, side, step, side // 2))
            self.add_module(f"norm{number}", normalisation(norm, outputs))
        self.downsample: nn.Module | None = None
        if stride > 1:
            last = normalisation(norm, after)
            self.add_module(f"norm{self.count + 1}", last)  # the checkpoints hold it under both names
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride), last)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """The block's output, rectified."""
        y = x
        for number in range(1, self.count + 1):
            y = functional.relu(self.get_submodule(f"norm{number}")(self.get_submodule(f"conv{number}")(y)))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class Encoder(nn.Module):
    """A picture (RGB in [-1, 1]) as features at an eighth of its side."""

    def __init__(self, channels: int, *, small: bool, norm: Norm) -> None:
        super().__init__()
        block = partial(Block, norm=norm, bottleneck=small)
        a, b, c = (32, 64, 96) if small else (64, 96, 128)
        self.conv1 = nn.Conv2d(3, a, 7, 2, 3)
        self.norm1 = normalisation(norm, a)
        self.layer1 = nn.Sequential(block(a, a, stride=1), block(a, a, stride=1))
        self.layer2 = nn.Sequential(block(a, b, stride=2), block(b, b, stride=1))
        self.layer3 = nn.Sequential(block(b, c, stride=2), block(c, c, stride=1))
        self.conv2 = nn.Conv2d(c, channels, 1)

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        """Features."""
        x = functional.relu(self.norm1(self.conv1(x)))
        return self.conv2(self.layer3(self.layer2(self.layer1(x))))


class Motion(nn.Module):
    """What the correlations and the flow so far say, with the flow itself as the last two channels."""

    def __init__(self, places: int, *, small: bool) -> None:
        super().__init__()
        self.convc1 = nn.Conv2d(places, 96 if small else 256, 1)
        self.convc2 = None if small else nn.Conv2d(256, 192, 3, padding=1)
        self.convf1 = nn.Conv2d(2, 64 if small else 128, 7, padding=3)
        self.convf2 = nn.Conv2d(64 if small else 128, 32 if small else 64, 3, padding=1)
        self.conv = nn.Conv2d(128 if small else 256, 80 if small else 126, 3, padding=1)

    def forward(self, seen: Float[Tensor, "B K h w"], flow: Float[Tensor, "B 2 h w"]) -> Float[Tensor, "B C h w"]:
        """Motion features."""
        x = functional.relu(self.convc1(seen))
        x = x if self.convc2 is None else functional.relu(self.convc2(x))
        y = functional.relu(self.convf2(functional.relu(self.convf1(flow))))
        return torch.cat([functional.relu(self.conv(torch.cat([x, y], 1))), flow], 1)


class Gru(nn.Module):
    """A convolutional gated recurrent unit: windows of 3 x 3, or (`separable`) a row of five, then a column of five."""

    def __init__(self, hidden: int, inputs: int, *, separable: bool) -> None:
        super().__init__()
        self.windows = {"1": (1, 5), "2": (5, 1)} if separable else {"": (3, 3)}
        for name, window in self.windows.items():
            for gate in ("convz", "convr", "convq"):
                border = (window[0] // 2, window[1] // 2)
                self.add_module(gate + name, nn.Conv2d(hidden + inputs, hidden, window, padding=border))

    def forward(self, h: Float[Tensor, "B C h w"], x: Float[Tensor, "B D h w"]) -> Float[Tensor, "B C h w"]:
        """The next state: (1 - z) h + z tanh(q(r h, x)) with gates z and r, once per window."""
        for name in self.windows:
            update, reset, candidate = (self.get_submodule(gate + name) for gate in ("convz", "convr", "convq"))
            both = torch.cat([h, x], 1)
            z, r = torch.sigmoid(update(both)), torch.sigmoid(reset(both))
            h = (1 - z) * h + z * torch.tanh(candidate(torch.cat([r * h, x], 1)))
        return h


class FlowHead(nn.Module):
    """The change of the flow that a state asks for."""

    def __init__(self, hidden: int, between: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(hidden, between, 3, padding=1)
        self.conv2 = nn.Conv2d(between, 2, 3, padding=1)

    def forward(self, state: Float[Tensor, "B C h w"]) -> Float[Tensor, "B 2 h w"]:
        """(dx, dy) in places."""
        return self.conv2(functional.relu(self.conv1(state)))


class Update(nn.Module):
    """One step of the recurrence."""

    def __init__(self, places: int, hidden: int, context: int, *, small: bool) -> None:
        super().__init__()
        self.encoder = Motion(places, small=small)
        self.gru = Gru(hidden, context + (82 if small else 128), separable=not small)
        self.flow_head = FlowHead(hidden, 128 if small else 256)
        self.mask = (
            None if small else nn.Sequential(nn.Conv2d(hidden, 256, 3, padding=1), nn.ReLU(), nn.Conv2d(256, 576, 1))
        )

    def forward(
        self,
        state: Float[Tensor, "B C h w"],
        context: Float[Tensor, "B D h w"],
        seen: Float[Tensor, "B K h w"],
        flow: Float[Tensor, "B 2 h w"],
    ) -> tuple[Float[Tensor, "B C h w"], Float[Tensor, "B 2 h w"]]:
        """The next state and the change of the flow."""
        state = self.gru(state, torch.cat([context, self.encoder(seen, flow)], 1))
        return state, self.flow_head(state)

    def enlargement(self, state: Float[Tensor, "B C h w"]) -> Float[Tensor, "B 576 h w"] | None:
        """Logits of the weights that enlarge the flow; none in the small network."""
        return None if self.mask is None else 0.25 * self.mask(state)
