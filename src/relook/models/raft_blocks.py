"""The parts of RAFT: encoders, and the recurrent unit that updates the flow. Attribute names are those of the checkpoints' tensors."""

from __future__ import annotations

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


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut."""

    def __init__(self, before: int, after: int, norm: Norm, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1)
        self.norm1, self.norm2 = normalisation(norm, after), normalisation(norm, after)
        self.downsample: nn.Module | None = None
        if stride > 1:
            self.norm3 = normalisation(norm, after)  # the checkpoints hold it under both names
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride), self.norm3)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """The block's output, rectified."""
        y = functional.relu(self.norm1(self.conv1(x)))
        y = functional.relu(self.norm2(self.conv2(y)))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions with a quarter of the channels between, beside a shortcut."""

    def __init__(self, before: int, after: int, norm: Norm, stride: int) -> None:
        super().__init__()
        narrow = after // 4
        self.conv1 = nn.Conv2d(before, narrow, 1)
        self.conv2 = nn.Conv2d(narrow, narrow, 3, stride, 1)
        self.conv3 = nn.Conv2d(narrow, after, 1)
        self.norm1, self.norm2 = normalisation(norm, narrow), normalisation(norm, narrow)
        self.norm3 = normalisation(norm, after)
        self.downsample: nn.Module | None = None
        if stride > 1:
            self.norm4 = normalisation(norm, after)
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride), self.norm4)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """The block's output, rectified."""
        y = functional.relu(self.norm1(self.conv1(x)))
        y = functional.relu(self.norm2(self.conv2(y)))
        y = functional.relu(self.norm3(self.conv3(y)))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class Encoder(nn.Module):
    """A picture (RGB in [-1, 1]) as features at an eighth of its side."""

    def __init__(self, channels: int, *, small: bool, norm: Norm) -> None:
        super().__init__()
        block: type[Residual] | type[Bottleneck] = Bottleneck if small else Residual
        a, b, c = (32, 64, 96) if small else (64, 96, 128)
        self.conv1 = nn.Conv2d(3, a, 7, 2, 3)
        self.norm1 = normalisation(norm, a)
        self.layer1 = nn.Sequential(block(a, a, norm, 1), block(a, a, norm, 1))
        self.layer2 = nn.Sequential(block(a, b, norm, 2), block(b, b, norm, 1))
        self.layer3 = nn.Sequential(block(b, c, norm, 2), block(c, c, norm, 1))
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
    """A convolutional gated recurrent unit with 3 x 3 windows."""

    def __init__(self, hidden: int, context: int) -> None:
        super().__init__()
        self.convz, self.convr, self.convq = (nn.Conv2d(hidden + context, hidden, 3, padding=1) for _ in range(3))

    def forward(self, h: Float[Tensor, "B C h w"], x: Float[Tensor, "B D h w"]) -> Float[Tensor, "B C h w"]:
        """The next state."""
        return gated(h, x, self.convz, self.convr, self.convq)


class SeparableGru(nn.Module):
    """The same with a row of five, then a column of five."""

    def __init__(self, hidden: int, context: int) -> None:
        super().__init__()
        row, column = ((1, 5), (0, 2)), ((5, 1), (2, 0))
        total = hidden + context
        self.convz1, self.convr1, self.convq1 = (nn.Conv2d(total, hidden, row[0], padding=row[1]) for _ in range(3))
        self.convz2, self.convr2, self.convq2 = (
            nn.Conv2d(total, hidden, column[0], padding=column[1]) for _ in range(3)
        )

    def forward(self, h: Float[Tensor, "B C h w"], x: Float[Tensor, "B D h w"]) -> Float[Tensor, "B C h w"]:
        """The next state."""
        h = gated(h, x, self.convz1, self.convr1, self.convq1)
        return gated(h, x, self.convz2, self.convr2, self.convq2)


def gated(
    h: Float[Tensor, "B C h w"], x: Float[Tensor, "B D h w"], update: nn.Module, reset: nn.Module, candidate: nn.Module
) -> Float[Tensor, "B C h w"]:
    """(1 - z) h + z tanh(candidate(r h, x)) with gates z and r."""
    both = torch.cat([h, x], 1)
    z, r = torch.sigmoid(update(both)), torch.sigmoid(reset(both))
    return (1 - z) * h + z * torch.tanh(candidate(torch.cat([r * h, x], 1)))


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
        inputs = context + (82 if small else 128)
        self.gru: nn.Module = Gru(hidden, inputs) if small else SeparableGru(hidden, inputs)
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
