"""Dense inverse search (Kroeger et al. 2016) of OpenCV: flow without weights, the floor under every other matcher."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from relook.perceive.match.consistency import agreeing, working_pair
from relook.types import Matches, View

SIDE = 1024
"""Longest side, in pixels, of the pictures it looks at."""
FINEST, PATCH, STEP, DESCENT = 1, 8, 3, 50
"""Finest level of the pyramid (half size), side of a patch, pixels from patch to patch, and steps of each search: slower than
OpenCV's medium preset (16 steps), for the larger motions between photographs of a room."""


def dis(first: View, second: View) -> Matches:
    """Flow on grey pictures, both ways."""
    pair = working_pair(first, second, SIDE)
    return pair.restored(agreeing(dis_flow(pair.first, pair.second), dis_flow(pair.second, pair.first)))


def dis_flow(first: Float[Tensor, "3 H W"], second: Float[Tensor, "3 H W"]) -> Float[Tensor, "2 H W"]:
    """Flow from one picture to another of the same size, 16 pixels or more on each side."""
    import cv2

    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(FINEST)
    search.setPatchSize(PATCH)
    search.setPatchStride(STEP)
    search.setGradientDescentIterations(DESCENT)
    flow = _calc(search, _grey(first), _grey(second))
    return torch.from_numpy(flow).permute(2, 0, 1).contiguous()


def _calc(search: Any, first: UInt8[np.ndarray, "H W"], second: UInt8[np.ndarray, "H W"]) -> Float[np.ndarray, "H W 2"]:
    return np.asarray(search.calc(first, second, None))


def _grey(image: Float[Tensor, "3 H W"]) -> UInt8[np.ndarray, "H W"]:
    """Luma in whole numbers (Rec. 601)."""
    luma = torch.tensor([0.299, 0.587, 0.114]) @ image.flatten(1)
    return (luma.view(image.shape[-2:]).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
