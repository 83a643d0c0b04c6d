"""The one interface of a 2D model that is lifted, and the check of what it says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from relook.errors import InputError, PictureError, RelookError, ShapeError
from relook.files import reason
from relook.lift.operators.regions import likeliest
from relook.types import Segments, View

Kind = Literal["labels", "picture", "depth", "map", "features"]


class Operator(ABC):
    """A 2D model, split in two. A class of your own needs no more than `kind`, `encode` and `decode`; `relook lift --operator mine.py:Mine`."""

    kind: Kind = "map"
    """What a prediction is: `labels`, a probability for each of K classes; `picture`, RGB in [0, 1]; `depth`, along the camera's axis in scene
    units; `map`, one number in [0, 1]; `features`, any numbers."""
    stride: int = 1
    """Pixels per cell of a feature map, about: maps span the whole picture, whatever their size."""
    names: tuple[str, ...] = ()
    """Of the K classes, for `labels`."""
    lift: str = ""
    """What `--lift auto` carries; empty: probabilities of labels, change and contrast of pictures, else features."""
    way: str = ""
    """What `--method auto` takes where every view has depth; empty: the scene."""

    @abstractmethod
    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        """What the first half of the model makes of a picture, RGB in [0, 1], on the CPU."""

    @abstractmethod
    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        """The prediction at `size` (H, W) from features, the picture's own or lifted ones."""

    def base(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "3 H W"]:
        """For `picture`: the picture that the prediction changes (`--lift change` and `contrast`); of a colouriser the grey one."""
        return image

    def check(self) -> None:
        """Raise InputError for a kind that there is not, and for labels without names."""
        name, kinds = type(self).__name__, get_args(Kind)
        if self.kind not in kinds:
            raise InputError(
                f"Expected the kind of {name} to be {', '.join(kinds[:-1])} or {kinds[-1]}, got {self.kind!r}; set it to one of them."
            )
        if self.kind == "labels" and not self.names:
            raise InputError(f"Expected the names of the classes that {name} tells apart, got none; set `names`.")

    def regions(self, view: View) -> Segments:
        """For `labels`: the regions of one picture, from which a scene decides what its things are."""
        return likeliest(asked(self, view.image)[1], self.names, view.image)


BENT = 0.15
"""Features may have another aspect than the picture by this part: networks read pictures in multiples of their own."""
WIDTHS = {"picture": 3, "depth": 1, "map": 1}
"""Channels of a prediction, where its kind says."""


@torch.no_grad()
def asked(operator: Operator, image: Float[Tensor, "3 H W"]) -> tuple[Float[Tensor, "C h w"], Float[Tensor, "D H W"]]:
    """Features and prediction of one picture, as they should be.

    Raises ShapeError for features that do not span the picture and for predictions of another shape, PictureError for numbers that are none,
    InputError where a user's own class fails.
    """
    name, (height, width) = type(operator).__name__, image.shape[1:]
    features = _answer(operator, lambda: operator.encode(image.clone()))  # one that writes into it changes no view
    aspect = features.shape[1] * width / max(1, features.shape[2] * height) if features.ndim == 3 else 0.0
    if not 1 - BENT < aspect < 1 + BENT:
        raise ShapeError(
            f"Expected features (C, h, w) of {name} that span a picture of {height} x {width}, got {tuple(features.shape)}; return one "
            f"cell for every {operator.stride} pixels."
        )
    prediction = _answer(operator, lambda: operator.decode(features, (height, width)))
    shape = tuple(prediction.shape)
    wanted = len(operator.names) if operator.kind == "labels" else WIDTHS.get(operator.kind, (*shape, 1)[0])
    if shape != (wanted, height, width):
        raise ShapeError(
            f"Expected a prediction of {name} ({operator.kind}) of shape {(wanted, height, width)}, got {shape}; return one value per pixel "
            f"and channel."
        )
    if not bool(features.isfinite().all()) or not bool(prediction.isfinite().all()):
        raise PictureError(
            f"Expected finite numbers from {name}, got NaN or infinity; mend the operator or the picture."
        )
    return features.float(), prediction.float()


def _answer(operator: Operator, half: Callable[[], Tensor]) -> Tensor:
    """What one half of an operator says; raises InputError where a user's own class fails or says something else than a tensor."""
    name = type(operator).__name__
    try:
        found = half()
    except RelookError:
        raise
    except Exception as error:
        if type(operator).__module__.startswith("relook."):
            raise
        raise InputError(
            f"Expected {name} to answer for a picture, got {type(error).__name__} ({reason(error)}); mend the operator."
        ) from error
    if not isinstance(found, Tensor):
        raise InputError(f"Expected a tensor from {name}, got {type(found).__name__}; mend the operator.")
    return found
