"""MicroAST (Wang et al. 2023): a picture in the look of any other, in one pass of a small network.

Two encoders look at the structure and at the style at two depths. The decoder gives the structure's features the mean and deviation of
the style's (AdaIN), and two numbers per channel that the style's features tell (the modulator) steer its residual blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from relook.errors import InputError, PictureError, ShapeError
from relook.models.load import tensors
from relook.models.store import locate
from relook.session import Session

STRIDE = 4
"""Pixels per feature along one side."""
SMALLEST = 5
"""Pictures with a shorter side are continued by their border up to this: mirroring at the borders needs that much."""
FEWEST = 4
"""A class with fewer features than this in either picture has no statistics; it takes those of the whole pictures."""
EPSILON = 1e-5
"""Added to variances, as in training."""
ENCODER = ((0, 1), (2, 2), (4, 1), (6, 2), (8, 1))
"""Convolutions of an encoder before its residual blocks: number in the checkpoint, stride."""
DECODER = ((1, 3), (6, 8))
"""Convolutions of the decoder after each doubling of the side: numbers in the checkpoint."""
COLOURS = 10
"""Number of the convolution that makes RGB."""

Weights = Mapping[str, Tensor]
"""The tensors of the checkpoint by name."""
Features = Float[Tensor, "1 C h w"]
Changed = Float[Tensor, "1 D _ _"]
"""Features of another size, or of another number of channels."""


@dataclass(frozen=True)
class _Group:
    """Features of the structure that take their look from the same features of the style."""

    places: Bool[Tensor, "h w"]
    """Where the structure's features change."""
    structure: Bool[Tensor, "h w"]
    """Where their mean and deviation are taken."""
    style: Bool[Tensor, "n m"]
    """The features of the style."""


def restyled(
    structure: Float[Tensor, "3 H W"],
    style: Float[Tensor, "3 h w"],
    session: Session,
    alpha: float = 1.0,
    classes: tuple[Int[Tensor, "H W"], Int[Tensor, "h w"]] | None = None,
) -> Float[Tensor, "3 H W"]:
    """The structure in the look of the style, RGB in [0, 1] on the CPU, with the released weights; see `stylised`.

    Raises MissingModelError if the checkpoint is not on this machine, and what `stylised` raises.
    """
    return stylised(released(session), structure.to(session.device), style, alpha, classes).cpu()


@torch.no_grad()
def stylised(
    weights: Weights,
    structure: Float[Tensor, "3 H W"],
    style: Float[Tensor, "3 h w"],
    alpha: float = 1.0,
    classes: tuple[Int[Tensor, "H W"], Int[Tensor, "h w"]] | None = None,
) -> Float[Tensor, "3 H W"]:
    """The structure in the look of the style with the given tensors, on the structure's device, clipped to [0, 1].

    alpha: 1 gives the features the style's statistics, 0 leaves them as they are (which is not the structure picture: the residual blocks stay
    steered). classes: ids of the structure's and the style's pixels; equal ids above 0 exchange statistics among themselves (Relook's
    addition), everything else those of the whole pictures. Any sizes.
    Raises InputError for an alpha outside [0, 1], ShapeError for other shapes, PictureError for values that are not finite.
    """
    _check(structure, style, alpha, classes)
    own = {name: tensor.to(structure.device) for name, tensor in weights.items()}
    pictures = [_large(picture.to(structure.device).float()[None]) for picture in (structure, style)]
    content, look = _encoded(pictures[0], own, "content_encoder"), _encoded(pictures[1], own, "style_encoder")
    features = _restyled(content[1], look, own, _groups(content[0], look[0], classes), alpha)
    height, width = structure.shape[1:]
    return _decoded(features, own)[0, :, :height, :width].clamp(0, 1).to(structure.dtype)


def released(session: Session) -> Weights:
    """The released tensors, on the CPU. Raises MissingModelError where they are not on this machine."""
    return session.loaded("microast", lambda: tensors(locate("microast")))


@torch.no_grad()
def structure_features(weights: Weights, structure: Float[Tensor, "3 H W"]) -> Float[Tensor, "C h w"]:
    """The first half of `stylised` without classes: the structure's deep features, one for every STRIDE pixels."""
    return _encoded(_large(structure.float()[None]), weights, "content_encoder")[1][0]


@torch.no_grad()
def from_features(
    weights: Weights, features: Float[Tensor, "C h w"], style: Float[Tensor, "3 H W"], size: tuple[int, int]
) -> Float[Tensor, "3 H2 W2"]:
    """The second half: such features in the look of the style, at `size` (H, W)."""
    look = _encoded(_large(style.float()[None]), weights, "style_encoder")
    made = _decoded(_restyled(features[None], look, weights, None, 1.0), weights)
    if made.shape[2] < size[0] or made.shape[3] < size[1]:
        made = functional.interpolate(made, size, mode="bilinear", align_corners=False)
    return made[0, :, : size[0], : size[1]].clamp(0, 1)


def _restyled(
    features: Features, look: tuple[Changed, Changed], weights: Weights, groups: Sequence[_Group] | None, alpha: float
) -> Changed:
    """Deep features of the structure with the style's statistics at both depths, steered by the style."""
    groups = groups or _groups(features, look[0], None)
    for block, depth in (("decoder.dec1", 1), ("decoder.dec2", 0)):
        features = torch.lerp(features, _matched(features, look[depth], groups), alpha)
        signals = [
            _spread(_convolved(look[depth], weights, f"modulator.{kind}{depth + 1}.0"), groups)
            for kind in ("weight", "bias")
        ]
        features = _steered(features, weights, block, *signals)
    return features


def _encoded(x: Features, weights: Weights, encoder: str) -> tuple[Changed, Changed]:
    """Shallow and deep features, at a quarter of the side."""
    for number, stride in ENCODER:
        x = _convolved(x, weights, f"{encoder}.enc1.{number}", stride).relu()
    shallow = _residual(x, weights, f"{encoder}.enc1.10")
    return shallow, _residual(shallow, weights, f"{encoder}.enc2.0")


def _decoded(x: Features, weights: Weights) -> Changed:
    """RGB of features, at four times their side."""
    for pair in DECODER:
        x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        for number in pair:
            x = _convolved(x, weights, f"decoder.dec3.{number}").relu()
    return _convolved(x, weights, f"decoder.dec3.{COLOURS}")


def _convolved(x: Features, weights: Weights, name: str, stride: int = 1) -> Changed:
    """A convolution of mirrored borders; its kernel tells how many channels it takes at a time."""
    kernel, bias = (weights[f"{name}.conv_layer.{part}"] for part in ("weight", "bias"))
    border = kernel.shape[-1] // 2
    padded = functional.pad(x, (border,) * 4, mode="reflect") if border else x
    return functional.conv2d(padded, kernel, bias, stride, groups=x.shape[1] // kernel.shape[1])


def _residual(x: Features, weights: Weights, block: str) -> Features:
    return x + _convolved(_convolved(x, weights, f"{block}.conv1").relu(), weights, f"{block}.conv2")


def _steered(x: Features, weights: Weights, block: str, weight: Features, bias: Features) -> Features:
    """A residual block whose filters the style steers: each convolution f becomes weight * f(x) + bias * x (the paper's FilterMod)."""
    middle = (weight * _convolved(x, weights, f"{block}.conv1") + bias * x).relu()
    return x + weight * _convolved(middle, weights, f"{block}.conv2") + bias * middle


def _groups(
    content: Features, look: Float[Tensor, "1 C n m"], classes: tuple[Int[Tensor, "H W"], Int[Tensor, "N M"]] | None
) -> Sequence[_Group]:
    """First everything, with the statistics of the whole pictures; then every class that both pictures show."""
    everything, anything = (torch.ones_like(x[0, 0], dtype=torch.bool) for x in (content, look))
    found = [_Group(everything, everything, anything)]
    if classes is not None:
        structure, style = (
            _large(ids.to(content.device)[None, None].float())[0, 0, ::STRIDE, ::STRIDE].long() for ids in classes
        )
        for id in structure.unique().tolist():
            here, there = structure == id, style == id
            if id > 0 and int(here.sum()) >= FEWEST and int(there.sum()) >= FEWEST:
                found.append(_Group(here, here, there))
    return found


def _matched(x: Features, look: Float[Tensor, "1 C n m"], groups: Sequence[_Group]) -> Features:
    """Features with the mean and deviation of the style's, channel by channel, group by group (AdaIN)."""
    result = x.clone()
    for group in groups:
        (mean, deviation), (wanted, spread) = (
            _statistics(x[0, :, group.structure]),
            _statistics(look[0, :, group.style]),
        )
        result[0, :, group.places] = (x[0, :, group.places] - mean) / deviation * spread + wanted
    return result


def _statistics(values: Float[Tensor, "C N"]) -> tuple[Float[Tensor, "C 1"], Float[Tensor, "C 1"]]:
    """Mean and deviation of every channel."""
    return values.mean(1, keepdim=True), (values.var(1, keepdim=True) + EPSILON).sqrt()


def _spread(signal: Features, groups: Sequence[_Group]) -> Float[Tensor, "1 C n m"]:
    """The mean of a group's signal over the style, at the group's places in the structure."""
    places = groups[0].places
    result = signal.new_zeros(1, signal.shape[1], *places.shape)
    for group in groups:
        result[0, :, group.places] = signal[0, :, group.style].mean(1, keepdim=True)
    return result


def _large(picture: Features) -> Changed:
    """The picture, continued by its border where a side is shorter than SMALLEST."""
    right, below = (max(0, SMALLEST - side) for side in (picture.shape[3], picture.shape[2]))
    return functional.pad(picture, (0, right, 0, below), mode="replicate") if right or below else picture


def _check(structure: Tensor, style: Tensor, alpha: float, classes: tuple[Tensor, Tensor] | None) -> None:
    """Raise at the boundary."""
    if not 0 <= alpha <= 1:
        raise InputError(f"Expected an alpha from 0 to 1, got {alpha}; choose one between.")
    for name, picture in (("structure", structure), ("style", style)):
        if picture.ndim != 3 or picture.shape[0] != 3 or not picture.numel():
            raise ShapeError(f"Expected a {name} of shape (3, H, W), got {tuple(picture.shape)}; pass one RGB picture.")
        if not bool(picture.isfinite().all()):
            raise PictureError(f"Expected finite colours in the {name}, got NaN or infinity; mend the picture.")
    sizes = [tuple(picture.shape[1:]) for picture in (structure, style)]
    if classes is not None and [tuple(ids.shape) for ids in classes] != sizes:
        raise ShapeError(
            f"Expected classes of the pictures' sizes {sizes[0]} and {sizes[1]}, got {tuple(classes[0].shape)} and "
            f"{tuple(classes[1].shape)}; pass one id per pixel."
        )
