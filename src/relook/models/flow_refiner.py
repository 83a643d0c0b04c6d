"""The embedded flow network: starts from another flow (SIFT matches made dense) and mends it where the pictures' features disagree.

Both pictures are encoded at a quarter of their side. Every round warps the second picture's features by the present flow, correlates
them with the first's in a small window at two scales, and moves the flow; the last state says how sure it is and what is hidden.
The recurrent scheme is that of RAFT (Teed and Deng 2020), with a window around the present flow in place of all pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from relook.errors import ShapeError
from relook.models.shipped import filled, save_half

FOLDER = Path(__file__).parent / "weights" / "dollhouse" / "flow"
"""Where the shipped weights lie."""
SHIPPED = {"embedded flow": FOLDER}
"""The same by its name in records."""
STRIDE = 4
"""Pixels per feature along one side."""
RADIUS = 3
"""Half the window of the correlations, in features."""
ROUNDS = 3
"""Rounds of mending."""


@dataclass(frozen=True)
class Mended:
    """Flow of B pairs at full size."""

    flow: Float[Tensor, "B 2 H W"]
    """Pixels, (dx, dy)."""
    log_scale: Float[Tensor, "B H W"]
    """Logarithm of the expected error in pixels (scale of a Laplace distribution)."""
    hidden: Float[Tensor, "B H W"]
    """Logit that the second picture does not show the point."""
    rounds: tuple[Float[Tensor, "B 2 H W"], ...] = ()
    """Flow after every round, at full size; the last is `flow`."""


class FlowRefiner(nn.Module):
    """Mends a flow between two pictures."""

    def __init__(self, width: int = 48, features: int = 32) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            _conv(3, 24, 2, 5), _conv(24, 32, 1), _conv(32, 48, 2), nn.Conv2d(48, 2 * features, 3, padding=1)
        )
        window = (2 * RADIUS + 1) ** 2
        self.gather = _conv(2 * window + features + 5, 64, 1, 1)
        self.update = nn.Sequential(
            _conv(width + 64, 64, 1),
            _conv(64, 64, 1, dilation=2),
            _conv(64, 64, 1, dilation=4),
            nn.Conv2d(64, width, 1),
        )
        self.move = nn.Conv2d(width, 4, 3, padding=1)
        self.share = nn.Sequential(_conv(width, 64, 1), nn.Conv2d(64, 9 * STRIDE**2, 1))
        nn.init.zeros_(self.move.weight)
        nn.init.zeros_(self.move.bias)  # type: ignore[arg-type]
        self.width = width

    def forward(
        self,
        first: Float[Tensor, "B 3 H W"],
        second: Float[Tensor, "B 3 H W"],
        flow: Float[Tensor, "B 2 H W"],
        confidence: Float[Tensor, "B H W"],
    ) -> Mended:
        """Mend `flow` from the first to the second picture (RGB in [0, 1], sides in multiples of 8).

        confidence: how far to trust it, from 0 to 1. Raises ShapeError for other sides.
        """
        height, width = first.shape[-2:]
        if first.shape != second.shape or height % 8 or width % 8 or flow.shape[-2:] != first.shape[-2:]:
            raise ShapeError(
                f"Expected two pictures (B, 3, H, W) of one size in multiples of 8 and a flow of that size, got "
                f"{tuple(first.shape)}, {tuple(second.shape)} and {tuple(flow.shape)}; pad them."
            )
        (matter, context), (other, _) = self.features(first), self.features(second)
        now = functional.avg_pool2d(flow, STRIDE) / STRIDE
        sure = functional.avg_pool2d(confidence[:, None], STRIDE)
        state = torch.zeros(len(first), self.width, *matter.shape[-2:], device=first.device)
        start, moved = now, []
        for _ in range(ROUNDS):
            now = now.detach()
            seen = torch.cat([correlate(matter, other, now), context, (now - start) / 4, start / 16, sure], 1)
            state = torch.tanh(state + self.update(torch.cat([state, self.gather(seen)], 1)))
            change = self.move(state)
            now = now + change[:, :2]
            moved.append(functional.interpolate(now * STRIDE, (height, width), mode="bilinear", align_corners=False))
        moved[-1] = self._enlarged(now * STRIDE, state)
        certain, hidden = (
            functional.interpolate(part[:, None], (height, width), mode="bilinear", align_corners=False)[:, 0]
            for part in change[:, 2:].unbind(1)
        )
        return Mended(moved[-1], certain, hidden, tuple(moved))

    def features(self, image: Float[Tensor, "B 3 H W"]) -> tuple[Float[Tensor, "B C h w"], Float[Tensor, "B C h w"]]:
        """What is compared between pictures, and what only says where one is; at a quarter of the side."""
        compared, context = self.encoder(_normalised(image)).chunk(2, 1)
        return compared, context

    def _enlarged(self, flow: Tensor, state: Tensor) -> Tensor:
        """Full size: every pixel is a learned convex mix of the nine coarse vectors around it."""
        count, _, height, width = flow.shape
        shares = self.share(state).view(count, 1, 9, STRIDE, STRIDE, height, width).softmax(2)
        around = functional.unfold(functional.pad(flow, (1, 1, 1, 1), mode="replicate"), 3)
        mixed = (shares * around.view(count, 2, 9, 1, 1, height, width)).sum(2)
        return mixed.permute(0, 1, 4, 2, 5, 3).reshape(count, 2, height * STRIDE, width * STRIDE)

    def save(self, folder: Path) -> None:
        """Write the network in half precision."""
        save_half(self, folder)


def load_flow_refiner(folder: Path = FOLDER) -> FlowRefiner:
    """The shipped network, frozen. Raises MissingModelError when it is not there."""
    return filled(FlowRefiner(), folder, "flow")


def correlate(
    matter: Float[Tensor, "B C h w"], other: Float[Tensor, "B C h w"], flow: Float[Tensor, "B 2 h w"]
) -> Float[Tensor, "B N h w"]:
    """Cosine-like products of first features with second features around where the flow leads, at full and at half scale.

    N = 2 (2 RADIUS + 1)^2, windows in row-major order.
    """
    warped = _warped(other, flow)
    coarse = functional.avg_pool2d(other, 2)
    half = _warped(coarse, functional.avg_pool2d(flow, 2) / 2)
    fine = _window(matter, warped)
    wide = _window(functional.avg_pool2d(matter, 2), half)
    wide = functional.interpolate(wide, fine.shape[-2:], mode="bilinear", align_corners=False)
    return torch.cat([fine, wide], 1) / matter.shape[1] ** 0.5


def _window(matter: Tensor, warped: Tensor) -> Tensor:
    """Products with every shift of the window."""
    height, width = matter.shape[-2:]
    around = functional.pad(warped, (RADIUS,) * 4)
    steps = range(2 * RADIUS + 1)
    return torch.stack([(matter * around[..., y : y + height, x : x + width]).sum(1) for y in steps for x in steps], 1)


def _warped(maps: Tensor, flow: Tensor) -> Tensor:
    """Maps of the second picture fetched along the flow."""
    height, width = maps.shape[-2:]
    ys, xs = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    place = torch.stack([xs, ys]).to(flow) + flow
    scale = torch.tensor([width, height]).to(flow).view(1, 2, 1, 1)
    grid = (2 * place / scale - 1).permute(0, 2, 3, 1)
    return functional.grid_sample(maps, grid, align_corners=False, padding_mode="zeros")


def _normalised(image: Tensor) -> Tensor:
    """Brightness and contrast of the whole picture taken out."""
    mean, deviation = image.mean((1, 2, 3), keepdim=True), image.std((1, 2, 3), keepdim=True)
    return (image - mean) / (deviation + 0.05)


def _conv(inputs: int, outputs: int, stride: int, size: int = 3, dilation: int = 1) -> nn.Sequential:
    pad = dilation * (size // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=pad, dilation=dilation), nn.GroupNorm(8, outputs), nn.GELU()
    )
