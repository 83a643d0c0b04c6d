"""One region cut out of a picture near the border that is known coarsely: by its colours, or by the picture's slopes."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from relook.ops.slopes import SMOOTH

FEWEST = 50
"""Pixels; fewer have no colours of their own."""


def cut(
    lab: UInt8[np.ndarray, "h w 3"],
    likely: Bool[np.ndarray, "h w"],
    sure: Bool[np.ndarray, "h w"],
    never: Bool[np.ndarray, "h w"],
    rounds: int = 1,
) -> Bool[np.ndarray, "h w"]:
    """The region that a graph cut by colours finds from what is likely in it, surely in it, and never (Rother, Kolmogorov, Blake 2004).

    rounds: of colours and cut in turn; one is enough where much is sure. As `likely` is where there is too little of either to learn colours from. Deterministic.
    """
    seeds = np.where(likely, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    seeds[sure], seeds[never] = cv2.GC_FGD, cv2.GC_BGD
    inside = (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)
    if min(inside.sum(), (~inside).sum()) < FEWEST:
        return likely
    cv2.setRNGSeed(0)
    cv2.grabCut(lab, seeds, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), rounds, cv2.GC_INIT_WITH_MASK)
    return (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)


def depth_inside(mask: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Distance in pixels from the nearest pixel outside of a mask; the edge of the picture is no border."""
    return np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5))


def flooded(
    lab: UInt8[np.ndarray, "h w 3"],
    likely: Bool[np.ndarray, "h w"],
    sure: Bool[np.ndarray, "h w"],
    never: Bool[np.ndarray, "h w"],
) -> Bool[np.ndarray, "h w"]:
    """The region that a watershed of the picture's slopes finds between what is surely in it and what never is (Meyer 1992).

    `likely` decides on the lines between the two, and everywhere if nothing is sure or nothing impossible.
    """
    if not sure.any() or not never.any():
        return likely
    markers = np.where(never, 2, sure.astype(np.int32))
    cv2.watershed(cv2.GaussianBlur(lab, (0, 0), SMOOTH), markers)
    return np.asarray((markers == 1) | ((markers == -1) & likely))
