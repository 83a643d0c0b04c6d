"""How well a mark is a thing, besides `mask_iou`: what Table 1 of Lift3D measures, which takes it from ISRF."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relook.evaluate.metrics.declare import declare


@declare("average_precision", "mAP", "higher", (0.0, 1.0), "mean over the thing's pixels of the precision at each, pixels in the order of their marks", group="segments")  # fmt: skip
def average_precision(mark: Float[Tensor, "H W"], truth: Bool[Tensor, "H W"]) -> float | None:
    """Area under precision over recall: sum over thresholds of the gain in recall times the precision; None where the thing is not there.

    Pixels of one mark come in together.
    """
    if not bool(truth.any()):
        return None
    order = mark.flatten().argsort(descending=True)
    sorted_marks, hits = mark.flatten()[order], truth.flatten()[order].double().cumsum(0)
    last = torch.ones(len(order), dtype=torch.bool)
    last[:-1] = sorted_marks[1:] != sorted_marks[:-1]
    precision = (hits / torch.arange(1, len(order) + 1))[last]
    gained = torch.diff(hits[last], prepend=torch.zeros(1, dtype=torch.float64))
    return float((precision * gained).sum() / hits[-1])
