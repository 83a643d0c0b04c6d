"""Every number of one picture, and those that only all pictures together have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relook.errors import PictureError, ShapeError
from relook.evaluate.instruments import (
    Held,
    Instruments,
    depth_of,
    embedding_of,
    grams_of,
    segments_of,
    vectors_of,
)
from relook.evaluate.metrics.depth import depth_abs_rel, depth_abs_rel_exact, depth_delta1, depth_sq_rel
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
from relook.evaluate.records import WHOLE
from relook.evaluate.sources.pair import Pair


@dataclass(frozen=True)
class Measure:
    """One number of one picture, or of all together."""

    metric: str
    """Key into `relook.evaluate.metrics.METRICS`."""
    region: str
    """Class of objects, or WHOLE."""
    value: float | None
    """None where nothing can be said: no such region, no weights."""


def measure(pair: Pair, image: Float[Tensor, "3 H W"], instruments: Instruments | None = None) -> list[Measure]:
    """All numbers of an output: against the exact answer (if there is one), against the structure, against the style.

    Of classes only what can be told has an entry. Raises ShapeError for a picture that has not the structure's size, PictureError for
    one that is not finite, InputError for an instrument that does not exist.
    """
    instruments = instruments or Instruments()
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
    found = [*_truth(pair, image), *_structure(pair, image, instruments), *_style(pair, image, instruments)]
    return [one for one in map(_finite, found) if one.region == WHOLE or one.value is not None]


def features(
    image: Float[Tensor, "3 H W"], instruments: Instruments | None = None
) -> dict[str, Float[np.ndarray, " D"]]:
    """Vectors of a picture by set of features, `vgg` (512) and `inception`, of those whose network is on this machine."""
    return vectors_of(Held.of(image.clamp(0, 1)), (instruments or Instruments()).inception)


def realism(
    outputs: Mapping[str, Float[np.ndarray, "N D"]], references: Mapping[str, Float[np.ndarray, "M D"]]
) -> list[Measure]:
    """FID, KID and KID VGG of all outputs of a row against reference pictures: stacked `features` by set, one row per picture.

    None where a set is absent or has fewer than two pictures.
    """
    numbers = (("fid", fid, "inception"), ("kid", kid, "inception"), ("kid_vgg", kid, "vgg"))
    return [
        Measure(
            name, WHOLE, function(outputs[kind], references[kind]) if kind in outputs and kind in references else None
        )
        for name, function, kind in numbers
    ]


def _truth(pair: Pair, image: Tensor) -> Iterator[Measure]:
    """Numbers against the exact answer, over the pixels where it is known."""
    if pair.exact is None:
        return
    for metric, values in by_class(image, pair.exact, pair.scored, pair.names).items():
        for region, value in values.items():
            yield Measure(metric, region, value)
    if pair.patterned is not None:
        yield Measure("pattern_error", WHOLE, pattern_error(image, pair.exact, pair.patterned))


def _structure(pair: Pair, image: Tensor, instruments: Instruments) -> Iterator[Measure]:
    """Depth, edges and regions of the output against those of the structure.

    Depth by the same network for both, so that its habits cancel; where the pair is a drawn one, with an exact answer, also against
    the structure's own metric depth.
    """
    output, structure = Held.of(image), Held.of(pair.structure.image)
    ours, theirs, truth = (
        depth_of(instruments.depth, output),
        depth_of(instruments.depth, structure),
        pair.structure.depth,
    )
    for metric, function in (
        ("depth_abs_rel", depth_abs_rel), ("depth_sq_rel", depth_sq_rel), ("depth_delta1", depth_delta1),
    ):  # fmt: skip
        yield Measure(metric, WHOLE, None if ours is None or theirs is None else function(ours.values, theirs.values))
    if pair.exact is not None and truth is not None and truth.kind == "metric":
        value = None if ours is None else depth_abs_rel_exact(ours.values, truth.values)
        yield Measure("depth_abs_rel_exact", WHOLE, value)
    yield Measure("edge_f1", WHOLE, edge_f1(image, pair.structure.image))
    seen, segments = segments_of(instruments.segmenter, output), pair.structure.segments
    ious = {} if seen is None or segments is None else mask_ious(seen, segments)
    yield Measure("mask_miou", WHOLE, mean_of(list(ious.values())))
    for region, value in ious.items():
        yield Measure("mask_miou", region, value)


def _style(pair: Pair, image: Tensor, instruments: Instruments) -> Iterator[Measure]:
    """Encoders, textures and colours of the output against those of the style picture."""
    output, style = Held.of(image), Held.of(pair.style.image)
    for metric, names, function in (
        ("clip", (instruments.clip,), cosine_similarity),
        ("dino", (instruments.dino,), cosine_similarity),
        ("dreamsim", instruments.dreamsim, dreamsim),
    ):
        known = tuple(name for name in names if name is not None)
        ours, theirs = embedding_of(known, output), embedding_of(known, style)
        yield Measure(metric, WHOLE, None if ours is None or theirs is None else function(ours, theirs))
    textures = grams_of(output), grams_of(style)
    known_both = textures[0] is not None and textures[1] is not None
    yield Measure("gram_distance", WHOLE, gram_distance(textures[0] or {}, textures[1] or {}) if known_both else None)
    yield Measure("a_hist", WHOLE, histogram_distance(image, style.image))
    if pair.structure.segments is not None and pair.style.segments is not None:
        regions = pair.correspondence()
        found = histogram_distances(image, style.image, regions.structure_classes, regions.style_classes)
        for id, value in found.items():
            yield Measure("a_hist", regions.class_name(id), value)


def _finite(one: Measure) -> Measure:
    """The same with None for what is not a number."""
    return one if one.value is None or math.isfinite(one.value) else Measure(one.metric, one.region, None)
