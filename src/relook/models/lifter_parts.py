"""The parts of the learned lifter: colour features, aggregation over the sources (IBRNet's), correction of foreign features (Lift3D's)."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

COLOUR = 32
"""Colour features per stage."""
FOREIGN = 64
"""Features of a 2D model that the correction was trained on."""
POINT, PLACE = 16, 8
"""Numbers per sample along a ray; the frequencies that say which it is."""
HEADS = 4
"""Of the attention along a ray."""
NOWHERE = -1e4
"""The score of a source that does not show a sample."""


class ColourFeatures(nn.Module):
    """A small residual U-Net: a picture whose sides are multiples of 16 -> features at a quarter of its side."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.begin = _conv(3, 16, 5, 2)
        self.quarter = nn.Sequential(_conv(16, 32, 3, 2), _Residual(32))
        self.eighth = nn.Sequential(_conv(32, 64, 3, 2), _Residual(64))
        self.sixteenth = nn.Sequential(_conv(64, 64, 3, 2), _Residual(64))
        self.to_eighth, self.to_quarter = _conv(128, 64), _conv(96, 64)
        self.end = nn.Conv2d(64, outputs, 1)

    def forward(self, images: Float[Tensor, "V 3 H W"]) -> Float[Tensor, "V C h w"]:
        """RGB in [0, 1] -> features."""
        first = self.quarter(self.begin(images * 2 - 1))
        second = self.eighth(first)
        up = self.to_eighth(torch.cat([_doubled(self.sixteenth(second)), second], 1))
        return self.end(self.to_quarter(torch.cat([_doubled(up), first], 1)))


class Aggregation(nn.Module):
    """What all sources say of a sample -> its density, and how much each source counts (IBRNet, section 3.2)."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.direction = _dense(4, 16, inputs, last=True)
        self.of_all, self.of_one = nn.Linear(2 * inputs, 64), nn.Linear(inputs, 64, bias=False)
        self.joined = nn.Sequential(nn.ELU(), nn.Linear(64, 32), nn.ELU())
        self.first_look = _dense(32, 32, 33, last=True)
        self.second_look = nn.Sequential(_dense(32, 32, 1), nn.Sigmoid())
        self.point = _dense(65, 64, POINT, last=True)
        self.asked = nn.Linear(POINT, 3 * POINT, bias=False)
        self.answered = nn.Linear(POINT, POINT, bias=False)
        self.settled = nn.LayerNorm(POINT)
        self.density = _dense(POINT, 16, 1)
        self.share = nn.Sequential(nn.Linear(37, 16), nn.ELU(), nn.Linear(16, 8), nn.ELU(), nn.Linear(8, 1))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(
        self, seen: Float[Tensor, "R S V C"], turned: Float[Tensor, "R S V 4"], shown: Bool[Tensor, "R S V"]
    ) -> tuple[Float[Tensor, "R S"], Float[Tensor, "R S V"]]:
        """Densities, and shares of the sources that sum to one."""
        mask = shown[..., None].to(seen)
        own = seen + self.direction(turned)
        all_alike = mask / (mask.sum(2, keepdim=True) + 1e-6)
        mean, variance = _pooled(own, all_alike)
        x = self.joined(self.of_all(torch.cat([mean, variance], -1)) + self.of_one(own))
        change, visible = self.first_look(x * all_alike).split([32, 1], -1)
        x = x + change
        visible = self.second_look(x * torch.sigmoid(visible) * mask) * mask
        weights = visible / (visible.sum(2, keepdim=True) + 1e-6)
        mean, variance = _pooled(x, weights)
        point = self.point(torch.cat([mean[:, :, 0], variance[:, :, 0], weights.mean(2)], -1))
        density = functional.softplus(self._along(point) - 1) * (shown.sum(2) > 1)
        scores = self.share(torch.cat([x, visible, turned], -1))[..., 0]
        return density, scores.masked_fill(~shown, NOWHERE).softmax(-1)

    def _along(self, point: Float[Tensor, "R S P"]) -> Float[Tensor, "R S"]:
        """Every sample looks at all others of its ray, and says how solid it is."""
        rays, samples = point.shape[:2]
        angle = torch.arange(samples, device=point.device)[:, None] / 10000 ** (
            torch.arange(PLACE, device=point.device) / PLACE
        )
        point = point + torch.cat([angle.sin(), angle.cos()], -1).to(point) / 2
        asked = self.asked(point).view(rays, samples, 3, HEADS, POINT // HEADS).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(asked[0], asked[1], asked[2])
        point = self.settled(point + self.answered(found.transpose(1, 2).reshape(rays, samples, POINT)))
        return self.density(point)[..., 0]


class Correction(nn.Module):
    """Foreign features G_i, mended by what colours say: D_i = F_i - F1(G_i), R_i = F2(maxpool_i(G_i) + D_i side by side), G_i + R_i.

    It begins as no correction at all.
    """

    def __init__(self, colour: int, width: int = FOREIGN) -> None:
        super().__init__()
        self.width = width
        self.without: tuple[Literal["F1", "pooling"], ...] = ()
        """Parts that are switched off, to see what they are good for: D_i = F_i, or R_i of D_i alone."""
        self.down = nn.Linear(width, colour)
        self.up = nn.Linear(width + colour, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, given: Float[Tensor, "R S V G"], colour: Float[Tensor, "R S V F"]) -> Float[Tensor, "R S V G"]:
        """The corrected features; `given` of the trained width, standardised."""
        pooled = given.amax(2, keepdim=True).expand_as(given)
        if "pooling" in self.without:
            pooled = torch.zeros_like(given)
        known = torch.zeros_like(colour) if "F1" in self.without else self.down(given)
        return given + self.up(torch.cat([pooled, colour - known], -1))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width)
        self.second = nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))


def _conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, padding_mode="reflect", bias=False),
        nn.InstanceNorm2d(outputs, affine=True),
        nn.ELU(),
    )


def _dense(inputs: int, middle: int, outputs: int, *, last: bool = False) -> nn.Sequential:
    """Two linear layers with an ELU between, and one after the last if wanted."""
    layers = [nn.Linear(inputs, middle), nn.ELU(), nn.Linear(middle, outputs)]
    return nn.Sequential(*layers, nn.ELU()) if last else nn.Sequential(*layers)


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _pooled(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and variance over the sources, 1 each in their place."""
    mean = (weights * x).sum(2, keepdim=True)
    return mean, (weights * (x - mean).square()).sum(2, keepdim=True)
