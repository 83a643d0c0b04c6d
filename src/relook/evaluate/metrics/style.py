"""Whether the look is the style's: textures, colours and what encoders see; no exact answer is needed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.errors import ShapeError
from relook.evaluate.metrics.declare import Image, declare
from relook.evaluate.metrics.pixels import lab

CELL = 8.0
"""Side of a cell of the colour histogram, in units of CIE Lab."""
MOST = 400
"""Colours kept of one picture: the fullest cells, to which the rest is moved."""


@declare("dino", "DINO", "higher", (-1.0, 1.0), "cosine of DINO's class tokens of output and style (Caron et al. 2021)", group="style")  # fmt: skip
@declare("clip", "CLIP", "higher", (-1.0, 1.0), "cosine of CLIP's image embeddings of output and style (Radford et al. 2021)", group="style")  # fmt: skip
def cosine_similarity(output: Float[Tensor, " D"], style: Float[Tensor, " D"]) -> float | None:
    """x . y / (|x| |y|) of two embeddings; None where one is zero or not finite."""
    if output.shape != style.shape:
        raise ShapeError(
            f"Expected embeddings of one length, got {tuple(output.shape)} and {tuple(style.shape)}; use one encoder for both."
        )
    x, y = output.double(), style.double()
    lengths = float(x.norm() * y.norm())
    return float(x @ y) / lengths if np.isfinite(lengths) and lengths > 0 else None


@declare("dreamsim", "DreamSim", "lower", (0.0, 2.0), "1 - cosine of the joined embeddings of several encoders (Fu et al. 2023)", group="style")  # fmt: skip
def dreamsim(output: Float[Tensor, " D"], style: Float[Tensor, " D"]) -> float | None:
    """1 - cosine(f(x), f(y)), f = the embeddings of all encoders one after another, as Fu et al. 2023 define it.

    The authors' encoders are DINO, CLIP and OpenCLIP (ViT-B/16), tuned on human judgements: with these it is their number but for a
    mean that their code subtracts from f first; with untuned ones it is their baseline, and says less about what people see.
    """
    similarity = cosine_similarity(output, style)
    return None if similarity is None else 1 - similarity


@declare("gram_distance", "Gram", "lower", (0.0, 1.0), "Gatys et al. 2016 on VGG19, relative; see docs/metrics.md", group="style")  # fmt: skip
def gram_distance(
    output: Mapping[str, Float[Tensor, "_ _"]], style: Mapping[str, Float[Tensor, "_ _"]]
) -> float | None:
    """Mean over layers of |G - S|^2 / (|G|^2 + |S|^2), G and S the Gram matrices of one layer (`gram`), |.| Frobenius' norm.

    Gatys et al. add |G - S|^2 up; divided so, every layer counts alike, and neither the pictures' sizes nor the features' scale
    matter. 0: equal; 1: no feature in common. None without layers. Raises ShapeError where the layers differ.
    """
    if set(output) != set(style):
        raise ShapeError(
            f"Expected the same layers of both pictures, got {sorted(output)} and {sorted(style)}; give both."
        )
    distances = []
    for g, s in ((output[layer].double(), style[layer].double()) for layer in output):
        both = float(g.square().sum() + s.square().sum())
        distances.append(float((g - s).square().sum()) / both if both else 0.0)
    return float(np.mean(distances)) if distances else None


def gram(features: Float[Tensor, "C H W"]) -> Float[Tensor, "C C"]:
    """F F^T / (C H W), F the features as C x (H W): how often two channels fire together, whatever the size."""
    flat = features.flatten(1)
    return flat @ flat.T / flat.numel()


@declare("a_hist", "A_hist", "lower", (0.0, 260.0), "earth mover's distance of Lab histograms (Rubner et al. 2000); see docs/metrics.md", group="style", digits=1)  # fmt: skip
def histogram_distance(output: Image, style: Float[Tensor, "3 h w"]) -> float | None:
    """How far the colours of one picture must be moved to become the other's, in units of CIE Lab per pixel.

    Joint histograms with cells of CELL^3, each at the mean of its colours; ground distance Euclidean in Lab (D65). Pictures may
    have different sizes.
    """
    everywhere = (torch.ones(image.shape[1:], dtype=torch.int64) for image in (output, style))
    return histogram_distances(output, style, *everywhere).get(1)


def histogram_distances(
    output: Image, style: Float[Tensor, "3 h w"], classes: Int[Tensor, "H W"], style_classes: Int[Tensor, "h w"]
) -> dict[int, float]:
    """`histogram_distance` of every class id but 0 that both pictures show; the colours are converted once."""
    for image, one in ((output, classes), (style, style_classes)):
        if one.shape != image.shape[1:]:
            raise ShapeError(
                f"Expected a mask of {tuple(image.shape[1:])} pixels, got {tuple(one.shape)}; give one of the picture."
            )
    pictures = [(lab(image), one.cpu().numpy()) for image, one in ((output, classes), (style, style_classes))]
    shared = np.intersect1d(pictures[0][1], pictures[1][1])
    return {int(id): _moved(*(_signature(colours[ids == id]) for colours, ids in pictures)) for id in shared if id != 0}


Signature = tuple[Float[np.ndarray, "_ 3"], Float[np.ndarray, " _"]]
"""Colours in Lab and their shares."""


def _moved(output: Signature, style: Signature) -> float:
    """The earth mover's distance of two signatures."""
    import ot

    costs = np.linalg.norm(output[0][:, None] - style[0][None], axis=-1)
    return max(0.0, float(ot.emd2(output[1], style[1], costs, numItermax=1_000_000)))


def _signature(colours: Float[np.ndarray, "N 3"]) -> Signature:
    """Mean colour and share of every cell of the histogram that has pixels, the fullest MOST of them."""
    place = (
        np.floor(colours / CELL).astype(np.int64) + 512
    )  # Lab reaches from -128 to 128: no coordinate leaves ten bits
    packed = (place[:, 0] << 20) + (place[:, 1] << 10) + place[:, 2]
    _, cell, counts = np.unique(packed, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(cell, colours[:, channel], len(counts)) for channel in range(3)], 1)
    means, shares = sums / counts[:, None], counts / counts.sum()
    if len(shares) > MOST:
        order = np.argsort(-shares, kind="stable")
        kept, rest = order[:MOST], order[MOST:]
        nearest = np.linalg.norm(means[rest][:, None] - means[kept][None], axis=-1).argmin(1)
        means, shares = means[kept], shares[kept] + np.bincount(nearest, shares[rest], MOST)
    return means, shares / shares.sum()


def joined(embeddings: list[Float[Tensor, " _"]]) -> Float[Tensor, " D"]:
    """The embeddings of several encoders as one vector, as DreamSim reads them."""
    return torch.cat([one.flatten() for one in embeddings])
