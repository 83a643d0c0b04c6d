"""Whether the structure stays: edges and regions of the output against those of the structure picture.

The depths of the two are compared by the functions of `relook.evaluate.metrics.depth`, which enter this group too.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from relook.evaluate.metrics.declare import Image, declare
from relook.evaluate.metrics.pixels import same_size
from relook.evaluate.metrics.segments import mean_of
from relook.perceive.segment.vocabulary import canonical
from relook.types import UNLABELLED, Segments

TOLERANCE = 0.0075
"""How far an edge may lie from its counterpart, in parts of the diagonal (Martin et al. 2004)."""
SURE = 0.5
"""An edge counts where Canny's detector sees it at this share of the thresholds of `relook.perceive.edges`."""


@declare(
    "edge_f1", "edge F1", "higher", (0.0, 1.0),
    "boundary F1 (Martin et al. 2004; nearest edge within 0.75 % of the diagonal) of Canny's edges", group="structure",
)  # fmt: skip
def edge_f1(output: Image, structure: Image) -> float | None:
    """How well the edges of the output agree with those of the structure picture; None where the structure has none.

    Edges: `relook.perceive.edges.colour_edges`, where SURE or stronger.
    """
    from relook.perceive.edges import colour_edges

    same_size(output, structure)
    return boundary_f1(colour_edges(output) >= SURE, colour_edges(structure) >= SURE)


def boundary_f1(found: Bool[Tensor, "H W"], true: Bool[Tensor, "H W"], tolerance: float = TOLERANCE) -> float | None:
    """2 P R / (P + R): P = share of found pixels with a true one within reach, R = the other way round; None without true ones.

    Reach is `tolerance` times the diagonal, at least one pixel. Martin et al. match edge pixels one to one; here each looks
    for its nearest counterpart, so that one may serve several.
    """
    same_size(found, true)
    if not bool(true.any()):
        return None
    reach = max(1.0, tolerance * math.hypot(*true.shape))
    precision, recall = _reached(found, true, reach), _reached(true, found, reach)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@declare(
    "mask_miou", "mask mIoU", "higher", (0.0, 1.0),
    "mean over the structure's classes of intersection / union with the segments of the output", group="structure",
)  # fmt: skip
def mask_miou(output: Segments, structure: Segments) -> float | None:
    """How much of every class of the structure a segmenter finds again in the output; None for a structure without regions."""
    return mean_of(list(mask_ious(output, structure).values()))


def mask_ious(output: Segments, structure: Segments) -> dict[str, float]:
    """Intersection over union of every class that the structure shows; names that mean the same are one class.

    Pixels of the structure without a region do not count.
    """
    same_size(output.labels, structure.labels)
    known = structure.labels != UNLABELLED
    found = _classes(output)
    empty = torch.zeros_like(known)
    return {
        name: int((found.get(name, empty) & mask).sum()) / int(((found.get(name, empty) & known) | mask).sum())
        for name, mask in _classes(structure).items()
    }


def _reached(places: Bool[Tensor, "H W"], others: Bool[Tensor, "H W"], reach: float) -> float:
    """Share of the places with one of the others within reach (pixels); 0 without places or others."""
    if not bool(places.any()) or not bool(others.any()):
        return 0.0
    distances = distance_transform_edt(~others.cpu().numpy())
    return float(np.mean(distances[places.cpu().numpy()] <= reach))


def _classes(segments: Segments) -> dict[str, Bool[Tensor, "H W"]]:
    """Pixels of every class that is shown, by its common name."""
    masks: dict[str, Tensor] = {}
    for id in segments.labels.unique().tolist():
        if id != UNLABELLED:
            name, mask = canonical(segments.regions[id].name), segments.labels == id
            masks[name] = masks[name] | mask if name in masks else mask
    return masks
