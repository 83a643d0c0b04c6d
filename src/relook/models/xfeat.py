"""XFeat (Potje et al. 2024): a small network for keypoints, their descriptors, and matches refined within eight pixels.

Written so that the names of its tensors are those of the authors' checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from relook.errors import ShapeError

STRIDE, CHANNELS = 8, 64
"""Pixels per descriptor along one side, and a descriptor's length."""
MULTIPLE = 32
"""The sides of its pictures are multiples of this."""
MIDDLE = 3
"""Row and column of the refinement's answer that stands for no shift."""


@dataclass(frozen=True)
class XFeatures:
    """What the network says of one picture."""

    descriptors: Float[Tensor, "64 h w"]
    """At an eighth of the side, of any length."""
    reliability: Float[Tensor, "h w"]
    """From 0 to 1: how well a place can be matched."""
    keypoints: Float[Tensor, "H W"]
    """Probability that a pixel is the keypoint of its 8 x 8 block."""


class Layer(nn.Module):
    """Convolution, batch normalisation without learned scale, rectification."""

    def __init__(self, before: int, after: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(after, affine=False),
            nn.ReLU(),
        )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """The layer's output."""
        return self.layer(x)


class XFeat(nn.Module):
    """Descriptors, reliability and keypoints of pictures, and the refinement of matches."""

    def __init__(self) -> None:
        super().__init__()
        self.skip1 = nn.Sequential(nn.AvgPool2d(4, 4), nn.Conv2d(1, 24, 1))
        self.block1 = nn.Sequential(Layer(1, 4), Layer(4, 8, stride=2), Layer(8, 8), Layer(8, 24, stride=2))
        self.block2 = nn.Sequential(Layer(24, 24), Layer(24, 24))
        self.block3 = nn.Sequential(Layer(24, 64, stride=2), Layer(64, 64), Layer(64, 64, 1))
        self.block4 = nn.Sequential(Layer(64, 64, stride=2), Layer(64, 64), Layer(64, 64))
        self.block5 = nn.Sequential(Layer(64, 128, stride=2), Layer(128, 128), Layer(128, 128), Layer(128, 64, 1))
        self.block_fusion = nn.Sequential(Layer(64, 64), Layer(64, 64), nn.Conv2d(64, 64, 1))
        self.heatmap_head = nn.Sequential(Layer(64, 64, 1), Layer(64, 64, 1), nn.Conv2d(64, 1, 1), nn.Sigmoid())
        self.keypoint_head = nn.Sequential(*(Layer(64, 64, 1) for _ in range(3)), nn.Conv2d(64, 65, 1))
        wide: list[nn.Module] = [nn.Linear(128, 512), nn.BatchNorm1d(512, affine=False), nn.ReLU()]
        for _ in range(3):
            wide += [nn.Linear(512, 512), nn.BatchNorm1d(512, affine=False), nn.ReLU()]
        self.fine_matcher = nn.Sequential(*wide, nn.Linear(512, 64))

    def forward(self, image: Float[Tensor, "3 H W"]) -> XFeatures:
        """Features of RGB in [0, 1] whose sides are multiples of 32. Raises ShapeError for others."""
        if image.shape[-1] % MULTIPLE or image.shape[-2] % MULTIPLE:
            raise ShapeError(
                f"Expected a picture with sides in multiples of {MULTIPLE}, got {tuple(image.shape)}; resize it."
            )
        grey = functional.instance_norm(image.mean(0, keepdim=True)[None])
        third = self.block3(self.block2(self.block1(grey) + self.skip1(grey)))
        fourth = self.block4(third)
        size = third.shape[-2:]
        coarse = [
            functional.interpolate(x, size, mode="bilinear", align_corners=False) for x in (fourth, self.block5(fourth))
        ]
        features = self.block_fusion(third + coarse[0] + coarse[1])
        logits = self.keypoint_head(functional.pixel_unshuffle(grey, STRIDE))
        keypoints = functional.pixel_shuffle(logits.softmax(1)[:, :64], STRIDE)
        return XFeatures(features[0], self.heatmap_head(features)[0, 0], keypoints[0, 0])

    def refine(
        self, first: Float[Tensor, "N 64"], second: Float[Tensor, "N 64"]
    ) -> tuple[Float[Tensor, "N 2"], Float[Tensor, "N"]]:
        """How far (x, y) in pixels the first picture's point lies from the place of its descriptor, and how certain that is.

        `first` and `second` are descriptors that match, as long as the network made them. The descriptor in column i stands for
        x = 8 i + 0.5, and a shift of nothing is cell MIDDLE of the 8 x 8 answers: both measured, on pictures moved by whole pixels.
        """
        chances = (3 * self.fine_matcher(torch.cat([first, second], 1))).softmax(1)
        steps = torch.arange(STRIDE, device=first.device, dtype=first.dtype) - MIDDLE
        blocks = chances.view(-1, STRIDE, STRIDE)
        offset = torch.stack([blocks.sum(1) @ steps, blocks.sum(2) @ steps], 1)
        return offset, chances.amax(1)


@lru_cache(maxsize=1)
def load_xfeat(path: Path) -> XFeat:
    """The network of a checkpoint (safetensors), frozen."""
    from safetensors.torch import load_file

    network = XFeat()
    network.load_state_dict(load_file(path))
    return network.eval().requires_grad_(False)
