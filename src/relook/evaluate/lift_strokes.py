"""Strokes on one thing in one frame of a drawn walk: how well all that has like features in other frames is that thing (Lift3D's Table 1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relook.dollhouse import CLASSES, Rendering
from relook.evaluate.metrics.masks import mask_iou
from relook.evaluate.metrics.segments import mean_of
from relook.evaluate.metrics.strokes import average_precision
from relook.evaluate.records import WHOLE, Number
from relook.lift.lifted.strokes import Strokes
from relook.ops.inside import depths_inside

SURFACES = ("wall", "floor", "ceiling", "window", "door")
"""What strokes are not put on: rooms have little else of them."""
SHARE, MOST, TOUCHES = (0.02, 0.35), 4, 3
"""Of the first frame that a thing covers; things per walk; places that a stroke touches."""


def things_of(frame: Rendering) -> list[int]:
    """The classes of the largest things that a frame shows."""
    shares = torch.bincount(frame.classes.flatten(), minlength=len(CLASSES)) / frame.classes.numel()
    fit = [n for n in shares.argsort(descending=True).tolist() if SHARE[0] < float(shares[n]) < SHARE[1]]
    return [n for n in fit if CLASSES[n] not in SURFACES][:MOST]


def touched(mask: Bool[Tensor, "H W"]) -> list[tuple[int, int, int]]:
    """Places (x, y, frame 0) well inside a mask, apart from each other."""
    import cv2

    inside, found = mask.numpy().astype(np.uint8), []
    for _ in range(TOUCHES):
        deep = depths_inside(inside)
        y, x = np.unravel_index(int(deep.argmax()), deep.shape)
        found.append((int(x), int(y), 0))
        cv2.circle(inside, (int(x), int(y)), max(2, int(deep.max())), 0, -1)
        if not inside.any():
            break
    return found


def stroke_numbers(
    frames: Sequence[Rendering],
    features: dict[int, Float[Tensor, "C H W"]],
    answers: Sequence[tuple[Tensor, Tensor]],
) -> list[Number]:
    """Mean IoU and average precision over things of the first frame, in all frames that have features and show the thing."""
    ious, precisions = list[float | None](), list[float | None]()
    for thing in things_of(frames[0]):
        strokes = Strokes.of(touched(frames[0].classes == thing), answers)
        for number, one in features.items():
            truth: Int[Tensor, "H W"] = frames[number].classes == thing
            if bool(truth.any()):
                mark = strokes.mark(one)[0]
                ious.append(mask_iou(mark > 0.5, truth))
                precisions.append(average_precision(mark, truth))
    return [Number("mask_iou", WHOLE, mean_of(ious)), Number("average_precision", WHOLE, mean_of(precisions))]
