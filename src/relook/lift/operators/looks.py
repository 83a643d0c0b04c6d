"""Operators that give a picture another look."""

from __future__ import annotations

from math import ceil

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from relook.config import PhotoConfig
from relook.lift.operators.operator import Operator
from relook.lift.operators.seeing import enlarged
from relook.models import colouriser, microast
from relook.models.colouriser import load_colouriser
from relook.models.sharpener import CELL, load_sharpener
from relook.ops.guided import guided_filter
from relook.ops.oklab import oklab_to_displayable, oklab_to_rgb, rgb_to_oklab
from relook.session import Session
from relook.transfer.photo import restyle_photo
from relook.types import View

SIDES = 16
"""The sharpener's and the colouriser's pictures have sides that are multiples of this."""
NEAR, FLAT = 1 / 32, 1e-4
"""Colours of cells go along the lightness within this part of the longer side; variance of lightness that is no edge."""


class MicroAST(Operator):
    """MicroAST with one style picture, split after the structure's encoder."""

    kind, stride = "picture", microast.STRIDE

    def __init__(self, session: Session, style: Float[Tensor, "3 H W"]) -> None:
        self.weights, self.style = microast.released(session), style

    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        """The structure's features."""
        return microast.structure_features(self.weights, image)

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        """The picture in the look of the style."""
        return microast.from_features(self.weights, features, self.style, size)


class Sharpen(Operator):
    """The embedded network that sharpens soft pictures, split after its encoder."""

    kind, stride = "picture", CELL
    lift, way = "picture", "blending"  # what is blended is the answer itself: nothing of the soft picture is wanted

    def __init__(self) -> None:
        self.network = load_sharpener()

    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        """Learned features, and the pixels of every cell."""
        height, width = image.shape[1:]
        return self.network.encode(_padded(image))[0, :, : ceil(height / CELL), : ceil(width / CELL)]

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        """The sharp picture."""
        return self.network.decode(features[None])[0, :, : size[0], : size[1]].clamp(0, 1)


class Colourise(Operator):
    """The embedded network that gives grey pictures colours, split after its encoder; of a picture with colours it reads the lightness."""

    kind, stride = "picture", colouriser.CELL
    lift = "change"  # the detail is the grey picture's own, and colours have little contrast

    def __init__(self) -> None:
        self.network = load_colouriser()

    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        """Learned features, and the lightness of every cell."""
        height, width = image.shape[1:]
        found = self.network.encode(rgb_to_oklab(_padded(image))[:, :1])[0]
        return found[:, : ceil(height / self.stride), : ceil(width / self.stride)]

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        """The picture in colours; their borders are those of the lightness."""
        light, colours = self.network.decode(features[None])
        light = light[0].clamp(0, 1)
        along = guided_filter(light.expand(3, -1, -1).contiguous(), colours[0], NEAR, FLAT)
        return oklab_to_displayable(torch.cat([light, along]))[:, : size[0], : size[1]].clamp(0, 1)

    def base(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "3 H W"]:
        """The picture in greys."""
        return grey(image)


def grey(image: Float[Tensor, "3 H W"]) -> Float[Tensor, "3 H W"]:
    """The greys that are as light as a picture's colours."""
    lab = rgb_to_oklab(image)
    return oklab_to_rgb(torch.cat([lab[:1], torch.zeros_like(lab[1:])])).clamp(0, 1)


def _padded(image: Float[Tensor, "3 H W"]) -> Float[Tensor, "1 3 y x"]:
    """Its sides are multiples of SIDES."""
    height, width = image.shape[1:]
    return pad(image[None], (0, -width % SIDES, 0, -height % SIDES), mode="replicate")


class Palette(Operator):
    """`relook photo` by palette with one style picture; nothing is between its halves."""

    kind, stride = "picture", 1

    def __init__(self, session: Session, style: Float[Tensor, "3 H W"]) -> None:
        self.session, self.style = session, style

    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        """The restyled picture."""
        config = PhotoConfig(method="palette", materials=False)
        return restyle_photo(View(image), View(self.style), config, session=self.session).image

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        """The same."""
        return enlarged(features, size).clamp(0, 1)
