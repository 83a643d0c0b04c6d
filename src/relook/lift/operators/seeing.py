"""Operators that say what is in a picture."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from relook.errors import DepthError, MissingModelError
from relook.lift.operators.operator import Operator
from relook.models.features import load_backbone
from relook.models.perceiver import STRIDE
from relook.models.vgg import features as vgg_features
from relook.perceive.depth import estimator
from relook.perceive.edges import colour_edges
from relook.perceive.embedded import network, perceived
from relook.perceive.perception import Perception
from relook.perceive.segment import ade20k
from relook.session import Session
from relook.types import Segments as Regions
from relook.types import View

FAINT = 1e-4
"""Least probability whose logarithm is taken."""


def enlarged(maps: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "C H W"]:
    """A map at a picture's size, bilinear."""
    return interpolate(maps[None], size, mode="bilinear", align_corners=False)[0]


class Segments(Operator):
    """The ADE20K network of 31 classes: scores before the softmax, and probabilities."""

    kind, stride = "labels", 4
    names = tuple(ade20k.VOCABULARY["classes"])

    def __init__(self, session: Session) -> None:
        self.session = session

    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        """Logarithms of the class probabilities."""
        return ade20k.class_chances(image, self.session).clamp_min(FAINT).log()

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        """Probabilities of the classes."""
        return enlarged(features, size).softmax(0)

    def regions(self, view: View) -> Regions:
        """As a photograph's are seen: by superpixels, alike things joined, borders along the picture's edges."""
        return Perception(self.session, "ade20k").regions(view)


class Embedded(Operator):
    """The embedded perceiver of drawn rooms, split before its last convolution."""

    kind, stride = "labels", STRIDE

    def __init__(self, session: Session) -> None:
        self.session, self.names = session, network(session).names

    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        """The fused features that its heads read."""
        fused = perceived(image, self.session).fused
        if fused is None:
            raise MissingModelError("Expected the perceiver's fused features, got none; train the network anew.")
        return fused[0]

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        """Probabilities of the classes."""
        head = network(self.session).upernet.decode_head.classifier
        with torch.no_grad():
            return enlarged(head(features[None].to(self.session.device))[0].float().cpu(), size).softmax(0)


class Descriptors(Operator):
    """The embedded perceiver's descriptors."""

    kind, stride = "features", STRIDE

    def __init__(self, session: Session) -> None:
        self.session = session

    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        """Unit vectors."""
        return perceived(image, self.session).descriptors[0]

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        """The same at the picture's size."""
        return enlarged(features, size)


class Layer(Descriptors):
    """One layer of VGG19."""

    stride = 4

    def __init__(self, session: Session, layer: str) -> None:
        super().__init__(session)
        self.layer = layer

    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        """Its activations."""
        return vgg_features(image, [self.layer], self.session)[self.layer]


class Backbone(Descriptors):
    """A vision transformer or another backbone of transformers, by folder or hub id (DINO and its kin)."""

    stride = 8

    def __init__(self, session: Session, name: str) -> None:
        super().__init__(session)
        self.backbone = load_backbone(name, place=session.place)

    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        """Its patches' features."""
        return self.backbone.features(image).float().cpu()


class MetricDepth(Operator):
    """The best depth estimator on this machine that says metres."""

    kind, stride = "depth", 1

    def __init__(self, session: Session) -> None:
        self.estimate = estimator("auto", session)

    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        """Its depth: there is nothing between its halves."""
        found = self.estimate(View(image))
        if found is None or found.kind != "metric":
            raise DepthError(
                "Expected an estimator of depth in metres, got none; pull one: relook models pull fastdepth."
            )
        return found.values[None]

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        """The same."""
        return enlarged(features, size)


class Edges(Operator):
    """A picture's soft edges."""

    kind, stride = "map", 1

    def encode(self, image: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
        """Their strength."""
        return colour_edges(image)[None]

    def decode(self, features: Float[Tensor, "C h w"], size: tuple[int, int]) -> Float[Tensor, "D H W"]:
        """The same."""
        return enlarged(features, size)
