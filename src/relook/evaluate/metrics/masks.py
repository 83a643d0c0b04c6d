"""How right the mask of one surface is: pure functions of a found and a true mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from relook.errors import ShapeError
from relook.evaluate.metrics.declare import declare
from relook.io import as_pixels
from relook.ops.slopes import slopes

APART, CALM, ALIKE = 5, 5.0, 8.0
"""Of `unseen_border`: pixels, change of Lab (of 8 bits) per pixel, and distance in Lab."""
WEIGHTS = np.array([0.5, 1, 1], np.float32)
"""What a difference of L*, a* and b* counts in that."""


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


@declare(
    "unseen_border",
    "border unseen",
    "lower",
    (0.0, 1.0),
    "share of the borders of things along which the picture shows none: no edge, and about the same colours on both sides",
    group="segments",
)
def unseen_border(
    image: Float[Tensor, "3 H W"], labels: Integer[Tensor, "H W"], surfaces: Sequence[int] = ()
) -> float | None:
    """Share of neighbouring pixels of two labels, one of a thing, where the slope is below CALM and the colours APART pixels away on both sides
    are within ALIKE of each other. None without such a border. surfaces: labels of floors, walls and ceilings, which may meet unseen.
    """
    import cv2

    lab = cv2.cvtColor(as_pixels(image.cpu()), cv2.COLOR_RGB2LAB)
    steep, calm = slopes(lab), cv2.GaussianBlur(lab.astype(np.float32), (0, 0), APART / 2) * WEIGHTS
    found, unseen = 0, 0
    for ids, slope, colours in ((labels.numpy(), steep, calm), (labels.numpy().T, steep.T, calm.transpose(1, 0, 2))):
        room = np.isin(ids, list(surfaces))
        row, column = np.nonzero((ids[1:] != ids[:-1]) & ~(room[1:] & room[:-1]))
        above, below = np.maximum(row - APART, 0), np.minimum(row + 1 + APART, len(ids) - 1)
        apart = np.linalg.norm(colours[above, column] - colours[below, column], axis=-1)
        found += len(row)
        unseen += int(((apart < ALIKE) & (slope[row, column] < CALM)).sum())
    return unseen / found if found else None


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
