"""Two pictures at one working size, and flow both ways as Matches: what does not come back is hidden or doubtful."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from relook.errors import InputError
from relook.ops.geometry import inside, pixel_centres, sample
from relook.ops.resize import at_most, resized
from relook.types import Matches, View

HIDDEN_RATIO, HIDDEN_PIXELS = 0.01, 0.5
"""A pixel is hidden when |f + b|^2 > HIDDEN_RATIO (|f|^2 + |b|^2) + HIDDEN_PIXELS (Sundaram et al. 2010)."""
DOUBT = 2.0
"""Pixels of disagreement at which the confidence falls to 1/e."""


@dataclass(frozen=True)
class WorkingPair:
    """Two pictures of one size, the second squeezed if it had another one."""

    first: Float[Tensor, "3 h w"]
    second: Float[Tensor, "3 h w"]
    size: tuple[int, int]
    """(H, W) of the first view."""
    second_size: tuple[int, int]
    """(H, W) of the second view."""
    used: tuple[int, int]
    """The part (height, width) of the working pictures that is not padding."""

    def restored(self, matches: Matches) -> Matches:
        """Matches between the working pictures as matches between the views."""
        rows, columns = self.used
        flow, confidence, hidden = (
            values[..., :rows, :columns] for values in (matches.flow, matches.confidence, matches.occluded)
        )
        kept = Matches(flow, confidence, hidden)
        if self.used == self.size == self.second_size:
            return kept
        scale = torch.tensor([self.size[1] / columns, self.size[0] / rows]).view(2, 1, 1)
        second_scale = torch.tensor([self.second_size[1] / columns, self.second_size[0] / rows]).view(2, 1, 1)
        large = functional.interpolate(
            torch.cat([flow * second_scale, confidence[None]])[None], self.size, mode="bilinear", align_corners=False
        )[0]
        centres = pixel_centres(self.size).permute(2, 0, 1)
        nearest = functional.interpolate(hidden[None, None].float(), self.size, mode="nearest-exact")[0, 0] > 0.5
        return Matches(large[:2] + centres * (second_scale / scale - 1), large[2].clamp(0, 1), nearest)


def working_pair(first: View, second: View, side: int, multiple: int = 1, least: int = 16) -> WorkingPair:
    """Both pictures with the first one's aspect and at most `side` pixels on the longer side, padded to a `multiple` and to `least`.

    Raises InputError for a side below 16.
    """
    if side < 16:
        raise InputError(f"Expected a working side of at least 16 pixels, got {side}; choose a longer one.")
    used = at_most(first.size, side)
    pictures = [resized(view.image.detach().cpu().float(), used) for view in (first, second)]
    height, width = (max(least, math.ceil(length / multiple) * multiple) for length in used)
    frame = (0, width - used[1], 0, height - used[0])
    padded = [functional.pad(picture[None], frame, mode="replicate")[0] for picture in pictures]
    return WorkingPair(padded[0], padded[1], first.size, second.size, used)


def agreeing(forward: Float[Tensor, "2 H W"], backward: Float[Tensor, "2 h w"]) -> Matches:
    """Flow from a first to a second picture, judged by the flow back.

    With f the flow of a pixel and b the backward flow where it lands, confidence is exp(-|f + b| / DOUBT), and 0 where it is hidden
    or leaves the picture.
    """
    size, second_size = (forward.shape[1], forward.shape[2]), (backward.shape[1], backward.shape[2])
    landing = pixel_centres(size).to(forward) + forward.permute(1, 2, 0)
    back = sample(backward, landing)
    error = (forward + back).square().sum(0)
    allowed = HIDDEN_RATIO * (forward.square().sum(0) + back.square().sum(0)) + HIDDEN_PIXELS
    hidden = (error > allowed) | ~inside(landing, second_size)
    confidence = torch.exp(-error.sqrt() / DOUBT) * ~hidden
    return Matches(forward, confidence, hidden)
