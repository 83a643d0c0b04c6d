"""How right segments are: pure functions.

Class maps hold an index below the number of classes, or IGNORED where nothing is said (a pixel counts as wrong there) or, in the
truth, where nothing is known (it does not count). What cannot be known (a class that neither map shows) is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relook.errors import ShapeError
from relook.evaluate.metrics.declare import declare

IGNORED = -1
"""Not a class."""


def confusion(
    found: Int[Tensor, "H W"], truth: Int[Tensor, "H W"], classes: int
) -> Int[Tensor, "{classes} {classes}+1"]:
    """Pixels by true class (row) and found class (column); the last column counts IGNORED ones."""
    if found.shape != truth.shape:
        raise ShapeError(
            f"Expected class maps of one size, got {tuple(found.shape)} and {tuple(truth.shape)}; resize one."
        )
    known = truth != IGNORED
    columns = torch.where(found == IGNORED, classes, found)[known]
    return torch.bincount(truth[known] * (classes + 1) + columns, minlength=classes * (classes + 1)).view(classes, -1)


def class_ious(counts: Int[Tensor, "C D"]) -> list[float | None]:
    """Intersection over union of every class from a confusion matrix; None for classes that neither map shows."""
    square = counts[:, : len(counts)]
    right, union = square.diagonal(), counts.sum(1) + square.sum(0) - square.diagonal()
    return [float(r / u) if u > 0 else None for r, u in zip(right.double(), union.double(), strict=True)]


@declare("miou", "mIoU", "higher", (0.0, 1.0), "mean over classes of intersection / union, summed over all pictures", group="segments")  # fmt: skip
def mean_iou(counts: Int[Tensor, "C D"]) -> float | None:
    """Mean of `class_ious` over the classes that the truth or the answer shows."""
    return mean_of(class_ious(counts))


@declare("pixel_accuracy", "pixel accuracy", "higher", (0.0, 1.0), "share of pixels with the right class", group="segments")  # fmt: skip
def pixel_accuracy(counts: Int[Tensor, "C D"]) -> float | None:
    """Share of pixels with the right class."""
    total = int(counts.sum())
    return None if total == 0 else float(counts[:, : len(counts)].diagonal().sum()) / total


class Panoptic(NamedTuple):
    """What panoptic quality of one class is made of; over pictures each is summed."""

    overlap: float = 0.0
    """Sum of the IoU of matched objects."""
    matched: float = 0
    """Objects with a counterpart (IoU above 0.5)."""
    invented: float = 0
    """Found objects without one."""
    missed: float = 0
    """True objects without one."""

    @property
    def quality(self) -> float | None:
        """PQ = sum of IoU / (TP + FP / 2 + FN / 2); None for a class without objects (Kirillov et al. 2019, eq. 1)."""
        weight = self.matched + self.invented / 2 + self.missed / 2
        return self.overlap / weight if weight else None


def panoptic_counts(found: Int[Tensor, "H W"], truth: Int[Tensor, "H W"]) -> Panoptic:
    """Objects of one class: maps of object ids, 0 = none. Two objects are matched where their IoU is above 0.5."""
    (ids, rows), (true_ids, columns) = found.unique(return_inverse=True), truth.unique(return_inverse=True)
    shape = len(ids), len(true_ids)
    both = torch.bincount(rows.flatten() * shape[1] + columns.flatten(), minlength=shape[0] * shape[1]).view(shape)
    union = both.sum(1, keepdim=True) + both.sum(0, keepdim=True) - both
    objects = (both.double() / union)[ids != 0][:, true_ids != 0]
    hits = objects > 0.5
    matched = int(hits.sum())
    return Panoptic(float(objects[hits].sum()), matched, len(objects) - matched, objects.shape[1] - matched)


@declare("pq", "PQ things", "higher", (0.0, 1.0), "Kirillov et al. 2019, eq. 1, mean over the classes of things", group="segments")  # fmt: skip
def panoptic_quality(classes: Sequence[Panoptic]) -> float | None:
    """Mean of the quality of every class that has objects; None if none has."""
    return mean_of([found.quality for found in classes])


@declare("label_flicker", "flicker", "lower", (0.0, 1.0), "share of the pixels that two frames show whose label differs after warping", group="segments", digits=3)  # fmt: skip
def label_flicker(
    labels: Int[Tensor, "H W"], other: Int[Tensor, "H W"], flow: Float[Tensor, "2 H W"], visible: Bool[Tensor, "H W"]
) -> float | None:
    """How much of a frame has another label in another frame, by the nearest pixel along the flow, where both show the point; None where nowhere.

    flow: pixels from every pixel of the frame to the other one. IGNORED in either does not count.
    """
    height, width = labels.shape
    ys, xs = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x, y = (xs + flow[0]).round().long(), (ys + flow[1]).round().long()
    shown = visible & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    there = other[y.clamp(0, height - 1), x.clamp(0, width - 1)]
    shown &= (labels != IGNORED) & (there != IGNORED)
    return float((labels != there)[shown].float().mean()) if bool(shown.any()) else None


def mean_of(values: Sequence[float | None]) -> float | None:
    """Mean of what is known; None if nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
