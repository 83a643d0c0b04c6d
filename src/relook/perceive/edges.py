"""A soft map of a picture's edges: a drawing of the room to look at, to edit, and to score."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from relook.io import as_pixels
from relook.ops.surface import conductance
from relook.types import View

THRESHOLDS = (25, 45, 70, 100, 140, 190)
"""Canny's upper thresholds, in grey levels times 4 per pixel (Sobel's weights); the lower ones are 0.4 of them."""
JUMP = 0.7
"""Greatest strength of the jumps of depth: estimated depth knows them less exactly than regions know their borders."""


def edges(view: View) -> Float[Tensor, "H W"]:
    """1 on the strongest edges, 0 where there are none: the strongest of what colour, regions and depth say.

    Colour: the share of several thresholds at which Canny's detector (1986) sees an edge. Regions: their borders, 1.
    Depth: its jumps, found in the scaled disparity as edges are found in colours. Lines are one or two pixels wide.
    """
    found = colour_edges(view.image)
    if view.depth is not None:
        found = torch.maximum(found, JUMP * colour_edges(view.depth.disparity().expand(3, -1, -1)))
    return found if view.segments is None else torch.maximum(found, borders(view.segments.labels.cpu()))


def colour_edges(image: Float[Tensor, "3 H W"]) -> Float[Tensor, "H W"]:
    """Share of THRESHOLDS at which Canny's detector sees an edge in any colour channel, after a light blur."""
    import cv2

    pixels = as_pixels(image)
    calm = cv2.GaussianBlur(pixels, (0, 0), max(0.8, 0.0012 * max(pixels.shape)))
    slopes = [cv2.Sobel(calm, cv2.CV_16S, *order, ksize=3) for order in ((1, 0), (0, 1))]
    steepest = (slopes[0].astype(np.int32) ** 2 + slopes[1].astype(np.int32) ** 2).argmax(2)[..., None]
    x, y = (np.ascontiguousarray(np.take_along_axis(slope, steepest, 2)[..., 0]) for slope in slopes)
    seen = [cv2.Canny(x, y, 0.4 * top, top, L2gradient=True) > 0 for top in THRESHOLDS]
    return torch.from_numpy(np.mean(seen, axis=0, dtype=np.float32))


def borders(labels: Int[Tensor, "H W"]) -> Float[Tensor, "H W"]:
    """1 at pixels whose right or lower neighbour belongs to another region."""
    down, across = conductance(labels)
    found = torch.zeros(labels.shape)
    found[:-1] = 1 - down
    found[:, :-1] = torch.maximum(found[:, :-1], 1 - across)
    return found
