"""Operators that give a picture another look."""

from __future__ import annotations

from math import ceil

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from relook.config import PhotoConfig
from relook.lift.operators.operator import Operator
from relook.lift.operators.seeing import enlarged
from relook.models import microast
from relook.models.sharpener import CELL, load_sharpener
from relook.session import Session
from relook.transfer.photo import restyle_photo
from relook.types import View

SIDES = 16
"""The sharpener's pictures have sides that are multiples of this."""


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

    def __init__(self) -> None:
        self.network = load_sharpener()

    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        """Learned features, and the pixels of every cell."""
        height, width = image.shape[1:]
        padded = pad(image[None], (0, -width % SIDES, 0, -height % SIDES), mode="replicate")
        return self.network.encode(padded)[0, :, : ceil(height / CELL), : ceil(width / CELL)]

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        """The sharp picture."""
        return self.network.decode(features[None])[0, :, : size[0], : size[1]].clamp(0, 1)


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
