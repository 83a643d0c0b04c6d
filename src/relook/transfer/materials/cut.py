"""What stands on a rug, or beside it, and was taken for it: cut out by its colours."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.io import as_pixels
from relook.ops.resize import at_most, resized
from relook.perceive.borders.cut import cut
from relook.perceive.borders.surface import FOREIGN, foreign
from relook.perceive.segment.regions import connected_parts

SIDE = 512
"""Longer side at which is looked."""
DOUBTFUL = 1.15
"""Distance of colour from which on what touches something foreign belongs to it."""
FEWEST = 200
"""Pixels; fewer have no colours of their own."""
SMALL = 0.002
"""Share of the rug below which what differs is part of the design."""
LEAST = 0.5
"""Share of a rug that must be like it for colours to say anything."""
ROUNDS = 3
"""Of colours and cut in turn, where nothing is sure."""
BESIDE = 4
"""Pixels around a rug that are looked at."""


def cut_out(image: Float[Tensor, "3 H W"], rug: Bool[Tensor, "H W"], floor: Bool[Tensor, "H W"]) -> Bool[Tensor, "H W"]:
    """The pixels of a rug less those with colours of the bare floor, and less what stands on it: parts whose colours are not the rug's."""
    size = at_most((rug.shape[0], rug.shape[1]), SIDE)
    lab = cv2.cvtColor(as_pixels(resized(image, size)), cv2.COLOR_RGB2LAB)
    here, bare = (_shrunk(mask, size) for mask in (rug, floor))
    if here.sum() < FEWEST:
        return rug
    own = here
    if bare.sum() >= FEWEST:
        own = here & cut(lab, here, np.zeros_like(here), ~(here | bare), ROUNDS)
        if own.sum() < LEAST * here.sum():
            own = here
    lost = (here & ~own) | _standing(lab, own)
    if lost.sum() > (1 - LEAST) * here.sum():
        return rug
    back = cv2.resize(lost.astype(np.uint8), (rug.shape[1], rug.shape[0]), interpolation=cv2.INTER_LINEAR)
    return rug & torch.from_numpy(back == 0)


def goes_on(image: Float[Tensor, "3 H W"], rug: Bool[Tensor, "H W"], other: Bool[Tensor, "H W"]) -> float:
    """Share of what borders on a rug, among other pixels, that has the rug's colours: where it is large the rug's region ends too early."""
    size = at_most((rug.shape[0], rug.shape[1]), SIDE)
    lab = cv2.cvtColor(as_pixels(resized(image, size)), cv2.COLOR_RGB2LAB)
    here, beside = (_shrunk(mask, size) for mask in (rug, other))
    ring = cv2.dilate(here.astype(np.uint8), np.ones((2 * BESIDE + 1,) * 2, np.uint8)) > 0
    ring &= cv2.dilate(here.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0
    if here.sum() < FEWEST or not (ring & beside).any():
        return 0.0
    far = foreign(lab, here | ring)
    alike = far < 2 * np.median(far[here])
    return float((alike & ring & beside).sum() / ring.sum())


def _standing(lab: np.ndarray, rug: np.ndarray) -> np.ndarray:
    """Parts of a rug's region that are not of its colours all over."""
    far = cv2.GaussianBlur(np.where(rug, foreign(lab, rug), 0).astype(np.float32), (0, 0), 0.7)
    lost = np.zeros_like(rug)
    for place, part, area in connected_parts(rug & (far > DOUBTFUL)):
        if area > SMALL * rug.sum() and (far[place][part] > FOREIGN).sum() > SMALL * rug.sum() / 2:
            lost[place][part] = True
    return lost


def _shrunk(mask: Bool[Tensor, "H W"], size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(mask.numpy().astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST) > 0
