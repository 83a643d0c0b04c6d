"""Rims of what stays: where its mask reaches over its border, what looks like the wall beside it changes with the wall."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from relook.ops.fill import filled
from relook.perceive.segment.regions import connected_parts
from relook.transfer.colours import Colours

WIDTH = 0.02
"""Of a rim, in sides of the picture."""
OPEN = 0.5
"""Share of what a rim's border outside would be, were it as wide as the widest, that it must have: a picture's ground behind its frame has less."""
ALIKE = 0.03
"""Distance in OKLab from a frequent colour of the region beside it within which a rim is of that region."""
FREQUENT = 0.01
"""Share of its region from which a colour counts as frequent."""


def rims_given(
    classes: Int[Tensor, "H W"], still: Bool[Tensor, "H W"], lab: Float[Tensor, "3 H W"], colours: Mapping[int, Colours]
) -> Int[Tensor, "H W"]:
    """The classes, those parts of the rim of what stays that hang together with the class beside them and have its colours given to it.

    classes: of every pixel; lab: OKLab; colours: of the classes that are asked.
    """
    beside, outside = filled(classes, still), (~still).numpy().astype(np.uint8)
    near = torch.from_numpy(cv2.dilate(outside, _square(WIDTH * max(still.shape)))) > 0
    alike = torch.zeros_like(still)
    for id, own in colours.items():
        here = still & near & (beside == id)
        frequent = torch.from_numpy(own.cells.colours[own.cells.shares > FREQUENT]).float()
        if len(frequent):
            alike[here] = torch.cdist(lab[:, here].T, frequent).amin(1) < ALIKE
    touching, taken = cv2.dilate(outside, _square(1.0)) > 0, np.zeros(still.shape, bool)
    for place, part, area in connected_parts(alike.numpy()):
        taken[place] |= part & bool((part & touching[place]).sum() >= OPEN * area / (WIDTH * max(still.shape)))
    return torch.where(torch.from_numpy(taken), beside, classes)


def _square(radius: float) -> UInt8[np.ndarray, "n n"]:
    """A window of this many pixels to each side."""
    width = 2 * max(1, round(radius)) + 1
    return np.ones((width, width), np.uint8)
