"""Every number of one picture, and those that only all pictures together have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relook.errors import PictureError, ShapeError
from relook.evaluate.instruments import Observer
from relook.evaluate.metrics.depth import depth_abs_rel, depth_abs_rel_exact, depth_delta1, depth_sq_rel
from relook.evaluate.metrics.flaws import clouds, crookedness, foreign_chroma, halo
from relook.evaluate.metrics.pattern import pattern_error
from relook.evaluate.metrics.realism import fid, kid
from relook.evaluate.metrics.segments import mean_of
from relook.evaluate.metrics.structure import edge_f1, mask_ious
from relook.evaluate.metrics.style import (
    cosine_similarity,
    dreamsim,
    gram_distance,
    histogram_distance,
    histogram_distances,
)
from relook.evaluate.metrics.truth import by_class
from relook.evaluate.records import WHOLE, Number
from relook.evaluate.sources.pair import Pair
from relook.perceive.layout import known_layout
from relook.perceive.layout.planes import ceiling_lines

Vectors = Mapping[str, Float[np.ndarray, "_ _"]]
"""Feature vectors by set of features, a row for each picture."""


def measure(pair: Pair, image: Float[Tensor, "3 H W"], observer: Observer) -> list[Number]:
    """All numbers of an output: against the exact answer (if there is one, else its flaws), against the structure, against the style.

    Of classes only what is known has an entry. Raises ShapeError for a picture that has not the structure's size, PictureError for
    one that is not finite, InputError for an instrument that does not exist.
    """
    if image.shape != pair.structure.image.shape:
        raise ShapeError(
            f"Expected a picture of the structure's shape {tuple(pair.structure.image.shape)} for {pair.name}, got "
            f"{tuple(image.shape)}; give the output of this pair."
        )
    if not bool(torch.isfinite(image).all()):
        raise PictureError(
            f"Expected a finite picture for {pair.name}, got NaN or infinity; look for it in the method."
        )
    image = image.detach().float().cpu().clamp(0, 1)
    found = [part for of in (_truth, _structure, _style, _flaws) for part in of(pair, image, observer)]
    return [one for one in map(_finite, found) if one.region == WHOLE or one.value is not None]


def realism(outputs: Vectors, references: Vectors) -> list[Number]:
    """FID, KID and KID VGG of all outputs of a row against reference pictures: stacked `Observer.vectors` by set.

    None where a set is absent or has fewer than two pictures.
    """
    return [
        Number(name, WHOLE, function(outputs[k], references[k]) if k in outputs and k in references else None)
        for name, function, k in (("fid", fid, "inception"), ("kid", kid, "inception"), ("kid_vgg", kid, "vgg"))
    ]


def _truth(pair: Pair, image: Tensor, observer: Observer) -> Iterator[Number]:
    """Numbers against the exact answer, over the pixels where it is known."""
    if pair.exact is None:
        return
    for metric, values in by_class(image, pair.exact, pair.scored, pair.names, observer.session).items():
        for region, value in values.items():
            yield Number(metric, region, value)
    if pair.patterned is not None:
        yield Number("pattern_error", WHOLE, pattern_error(image, pair.exact, pair.patterned))


def _structure(pair: Pair, image: Tensor, observer: Observer) -> Iterator[Number]:
    """Depth, edges and regions of the output against those of the structure.

    Depth by the same network for both, so that its habits cancel; where the pair is a drawn one, with an exact answer, also against
    the structure's own metric depth.
    """
    output, structure, truth = observer.depth(image), observer.depth(pair.structure.image), pair.structure.depth
    for metric, function in (
        ("depth_abs_rel", depth_abs_rel), ("depth_sq_rel", depth_sq_rel), ("depth_delta1", depth_delta1),
    ):  # fmt: skip
        known = output is not None and structure is not None
        yield Number(metric, WHOLE, function(output.values, structure.values) if known else None)  # type: ignore[union-attr]
    if pair.exact is not None and truth is not None and truth.kind == "metric":
        value = None if output is None else depth_abs_rel_exact(output.values, truth.values)
        yield Number("depth_abs_rel_exact", WHOLE, value)
    yield Number("edge_f1", WHOLE, edge_f1(image, pair.structure.image))
    seen, segments = observer.segments(image), pair.structure.segments
    ious = {} if seen is None or segments is None else mask_ious(seen, segments)
    yield Number("mask_miou", WHOLE, mean_of(list(ious.values())))
    for region, value in ious.items():
        yield Number("mask_miou", region, value)


def _style(pair: Pair, image: Tensor, observer: Observer) -> Iterator[Number]:
    """Encoders, textures and colours of the output against those of the style picture."""
    style, named = pair.style.image, observer.instruments
    for metric, names, function in (
        ("clip", (named.clip,), cosine_similarity),
        ("dino", (named.dino,), cosine_similarity),
        ("dreamsim", named.dreamsim, dreamsim),
    ):
        x, y = observer.embedding(image, *names), observer.embedding(style, *names)
        yield Number(metric, WHOLE, None if x is None or y is None else function(x, y))
    textures = observer.grams(image), observer.grams(style)
    known = textures[0] is not None and textures[1] is not None
    yield Number("gram_distance", WHOLE, gram_distance(textures[0] or {}, textures[1] or {}) if known else None)
    yield Number("a_hist", WHOLE, histogram_distance(image, style))
    if pair.structure.segments is not None and pair.style.segments is not None:
        regions = pair.correspondence()
        found = histogram_distances(image, style, regions.structure_classes, regions.style_classes)
        for id, value in found.items():
            yield Number("a_hist", regions.class_name(id), value)


def _flaws(pair: Pair, image: Tensor, observer: Observer) -> Iterator[Number]:
    """What can be seen to be wrong where nobody knows the answer."""
    if pair.exact is not None:
        return
    structure, style = pair.structure, pair.style
    matched = structure.segments is not None and style.segments is not None
    regions = pair.correspondence() if matched else None
    classes = (None, None) if regions is None else (regions.structure_classes, regions.style_classes)
    yield Number("foreign_chroma", WHOLE, foreign_chroma(image, structure.image, style.image, *classes))
    for metric, function in (("clouds", clouds), ("halo", halo)):
        known = structure.segments is not None
        yield Number(metric, WHOLE, function(image, structure.image, structure.segments.labels) if known else None)  # type: ignore[union-attr]
    layout = known_layout(structure, "auto", observer.session)
    lines = None if layout is None else ceiling_lines(layout)
    yield Number("crookedness", WHOLE, None if lines is None else crookedness(image, structure.image, lines))


def _finite(one: Number) -> Number:
    """The same with None for what is not a number."""
    return one if one.value is None or math.isfinite(one.value) else one._replace(value=None)
