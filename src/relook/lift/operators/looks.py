"""Operators that give a picture another look."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from relook.config import PhotoConfig
from relook.lift.operators.operator import Operator
from relook.lift.operators.seeing import enlarged
from relook.models import microast
from relook.session import Session
from relook.transfer.photo import restyle_photo
from relook.types import View


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
