"""How right the mask of one surface is: pure functions of a found and a true mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool
from torch import Tensor

from relook.errors import ShapeError
from relook.evaluate.metrics.declare import declare


@declare("mask_iou", "IoU", "higher", (0.0, 1.0), "intersection / union of the masks of a surface", group="segments")
def mask_iou(found: Bool[Tensor, "H W"], truth: Bool[Tensor, "h w"]) -> float | None:
    """Intersection over union; None where both masks are empty."""
    _check(found, truth)
    union = int((found | truth).sum())
    return float((found & truth).sum()) / union if union else None


@declare(
    "named",
    "names right",
    "higher",
    (0.0, 1.0),
    "share of points named by hand whose region has one of the right names",
    group="segments",
)
def named(right: Sequence[bool]) -> float:
    """Share of True. right: of every point, whether its region's name is one of those; at least one."""
    return sum(right) / len(right)


@declare("boundary_f", "boundary F", "higher", (0.0, 1.0), "Martin et al. 2004: harmonic mean of the shares of found and true border pixels that are near the other border, by default within 6 pixels", group="segments")  # fmt: skip
def boundary_f(found: Bool[Tensor, "H W"], truth: Bool[Tensor, "h w"], tolerance: float = 6.0) -> float | None:
    """F = 2 P R / (P + R) of the borders; tolerance in pixels. The edge of the picture is no border. None without a true border."""
    import cv2

    _check(found, truth)
    own, true = (_border(mask.cpu().numpy()) for mask in (found, truth))
    if not true.any():
        return None
    if not own.any():
        return 0.0
    to_own, to_true = (
        cv2.distanceTransform((~one).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for one in (own, true)
    )
    precision, recall = float((to_true[own] <= tolerance).mean()), float((to_own[true] <= tolerance).mean())
    return 2 * precision * recall / max(precision + recall, 1e-9)


def _border(mask: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Pixels whose right or lower neighbour is on the other side."""
    border = np.zeros(mask.shape, bool)
    border[:-1] |= mask[:-1] != mask[1:]
    border[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    return border


def _check(found: Bool[Tensor, "H W"], truth: Bool[Tensor, "h w"]) -> None:
    if found.shape != truth.shape:
        raise ShapeError(f"Expected masks of one size, got {tuple(found.shape)} and {tuple(truth.shape)}; resize one.")
