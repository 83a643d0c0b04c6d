"""SIFT keypoints of OpenCV: matches without weights."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from relook.perceive.match.points import KeypointMatches
from relook.types import View

RATIO = 0.8
"""A SIFT match is unambiguous when it is this much nearer than the next best (Lowe 2004)."""


def sift(first: View, second: View) -> KeypointMatches:
    """SIFT (Lowe 2004) of OpenCV with root-normalised descriptors, mutual and unambiguous: needs no weights."""
    import cv2

    finder = cv2.SIFT.create(4000, contrastThreshold=0.02)
    points, descriptors = [], []
    for view in (first, second):
        keys, found = finder.detectAndCompute(_grey(view.image), None)
        points.append(torch.tensor([key.pt for key in keys]).reshape(-1, 2) + 0.5)
        values = torch.zeros(0, 128) if found is None else torch.from_numpy(found)
        descriptors.append((values / values.sum(1, keepdim=True).clamp_min(1e-6)).sqrt())
    if min(len(values) for values in descriptors) < 2:
        return KeypointMatches(torch.zeros(0, 2), torch.zeros(0, 2), torch.zeros(0))
    distance = torch.cdist(descriptors[0], descriptors[1])
    (near, far), (best, _) = (part.unbind(1) for part in distance.topk(2, dim=1, largest=False))
    mutual = distance.argmin(0)[best] == torch.arange(len(best))
    kept = mutual & (near < RATIO * far)
    scores = (1 - near / far.clamp_min(1e-9)).clamp(0, 1).sqrt()
    return KeypointMatches(points[0][kept], points[1][best[kept]], scores[kept])


def _grey(image: Float[Tensor, "3 H W"]) -> UInt8[np.ndarray, "H W"]:
    return (image.detach().cpu().mean(0).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
