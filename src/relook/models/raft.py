"""RAFT (Teed and Deng 2020): all-pairs correlation, looked up again and again by a recurrent unit that updates the flow.

Written so that the names of its tensors are those of the authors' checkpoints. Two sizes: `small` (1 M parameters) and the full
network (5.3 M), which also learns how to bring the flow from an eighth of the side to full size.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from relook.errors import ShapeError
from relook.models.load import tensors
from relook.models.raft_blocks import Encoder, Update

STRIDE, LEVELS = 8, 4
"""Pixels per place along one side, and levels of the correlation pyramid."""


@dataclass(frozen=True)
class RaftSizes:
    """What differs between the two networks."""

    small: bool
    """Bottleneck blocks, a plain recurrent unit and bilinear enlargement."""
    features: int
    """Channels that are correlated."""
    hidden: int
    """Channels of the recurrent state."""
    context: int
    """Channels that the recurrent unit reads of the first picture."""
    radius: int
    """The lookup reads (2 radius + 1)^2 places per level."""


SMALL = RaftSizes(small=True, features=128, hidden=96, context=64, radius=3)
FULL = RaftSizes(small=False, features=256, hidden=128, context=128, radius=4)


class Raft(nn.Module):
    """Flow between two pictures of one size."""

    def __init__(self, sizes: RaftSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.fnet = Encoder(sizes.features, small=sizes.small, norm="instance")
        self.cnet = Encoder(sizes.hidden + sizes.context, small=sizes.small, norm="none" if sizes.small else "batch")
        places = LEVELS * (2 * sizes.radius + 1) ** 2
        self.update_block = Update(places, sizes.hidden, sizes.context, small=sizes.small)

    def forward(
        self, first: Float[Tensor, "3 H W"], second: Float[Tensor, "3 H W"], iterations: int = 12
    ) -> tuple[Float[Tensor, "2 H W"], Float[Tensor, "2 H W"]]:
        """(dx, dy) in pixels from the first to the second picture, and back; RGB in [0, 1], sides multiples of 8.

        Raises ShapeError for other sizes.
        """
        if first.shape != second.shape or first.shape[-1] % STRIDE or first.shape[-2] % STRIDE:
            raise ShapeError(
                f"Expected two pictures of one size with sides in multiples of {STRIDE}, got {tuple(first.shape)} and "
                f"{tuple(second.shape)}; resize or pad them."
            )
        pair = torch.stack([first, second])
        features, context = self.fnet(2 * pair - 1), self.cnet(2 * pair - 1)
        there, back = self._flow(features, features.flip(0), context, iterations)
        return there, back

    def _flow(
        self,
        first: Float[Tensor, "B C h w"],
        second: Float[Tensor, "B C h w"],
        context: Float[Tensor, "B D h w"],
        iterations: int,
    ) -> Float[Tensor, "B 2 H W"]:
        """The recurrence: look up, update; start from no motion."""
        pyramid = correlation_pyramid(first, second)
        state, context = context.split([self.sizes.hidden, self.sizes.context], dim=1)
        state, context = torch.tanh(state), functional.relu(context)
        batch, _, height, width = first.shape
        start = grid(height, width, first).expand(batch, 2, height, width)
        flow = torch.zeros_like(start)
        for _ in range(iterations):
            seen = lookup(pyramid, start + flow, self.sizes.radius)
            state, change = self.update_block(state, context, seen, flow)
            flow = flow + change
        weights = self.update_block.enlargement(state)
        return enlarged(flow) if weights is None else convex_combination(flow, weights)


def grid(height: int, width: int, like: Tensor) -> Float[Tensor, "1 2 h w"]:
    """Whole-number (x, y) of every place."""
    ys, xs = torch.meshgrid(
        torch.arange(height, device=like.device), torch.arange(width, device=like.device), indexing="ij"
    )
    return torch.stack([xs, ys])[None].to(like.dtype)


def correlation_pyramid(
    first: Float[Tensor, "B C h w"], second: Float[Tensor, "B C h w"]
) -> list[Float[Tensor, "N 1 y x"]]:
    """Scalar products of every place with every place over sqrt(C), averaged over 1, 2, 4 and 8 places (rows: B h w)."""
    batch, channels, height, width = first.shape
    products = first.flatten(2).transpose(1, 2) @ second.flatten(2) / channels**0.5
    levels = [products.reshape(batch * height * width, 1, *second.shape[-2:])]
    while len(levels) < LEVELS:
        kernel = [min(2, side) for side in levels[-1].shape[-2:]]
        levels.append(functional.avg_pool2d(levels[-1], kernel, kernel))
    return levels


def lookup(
    pyramid: list[Float[Tensor, "N 1 _ _"]], places: Float[Tensor, "B 2 h w"], radius: int
) -> Float[Tensor, "B K h w"]:
    """Correlations around `places` (x, y), bilinear, zero outside: K = levels (2 radius + 1)^2, column by column of each window."""
    batch, _, height, width = places.shape
    steps = torch.arange(-radius, radius + 1, device=places.device, dtype=places.dtype)
    window = torch.stack(
        torch.meshgrid(steps, steps, indexing="ij"), -1
    )  # the first index moves x, as in the checkpoints
    centres = places.permute(0, 2, 3, 1).reshape(-1, 1, 1, 2)
    found = []
    for level, values in enumerate(pyramid):
        limits = torch.tensor([values.shape[-1], values.shape[-2]], device=places.device, dtype=places.dtype)
        wanted = (2 * (centres / 2**level + window) + 1) / limits - 1
        found.append(functional.grid_sample(values, wanted, "bilinear", "zeros", align_corners=False).flatten(1))
    return torch.cat(found, 1).view(batch, height, width, -1).permute(0, 3, 1, 2).contiguous()


def convex_combination(flow: Float[Tensor, "B 2 h w"], weights: Float[Tensor, "B 576 h w"]) -> Float[Tensor, "B 2 H W"]:
    """Each full-size pixel is a softmax-weighted mean of the nine coarse neighbours, in full-size pixels."""
    batch, _, height, width = flow.shape
    shares = weights.view(batch, 1, 9, STRIDE, STRIDE, height, width).softmax(2)
    around = functional.unfold(STRIDE * flow, 3, padding=1).view(batch, 2, 9, 1, 1, height, width)
    fine = (shares * around).sum(2).permute(0, 1, 4, 2, 5, 3)
    return fine.reshape(batch, 2, STRIDE * height, STRIDE * width)


def enlarged(flow: Float[Tensor, "B 2 h w"]) -> Float[Tensor, "B 2 H W"]:
    """Bilinear, corner to corner, in full-size pixels."""
    size = (STRIDE * flow.shape[-2], STRIDE * flow.shape[-1])
    return STRIDE * functional.interpolate(flow, size, mode="bilinear", align_corners=True)


def load_raft(path: Path) -> Raft:
    """The network of a checkpoint (safetensors), frozen; its tensors say its size."""
    weights = tensors(path)
    network = Raft(FULL if "update_block.mask.0.weight" in weights else SMALL)
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)
