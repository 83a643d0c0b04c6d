"""Working size: a denoiser sees a picture no larger than it can understand; its change is carried to the full size."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from relook.ops.guided import guided_filter
from relook.types import View

TIMES = 2
"""Pictures are shrunk to this many times the length that the family was trained on."""


def shrunk(view: View, longest: int) -> View:
    """The view with its longer side at most `longest` pixels; depth and labels by nearest neighbour. The camera is left out."""
    height, width = view.size
    if max(height, width) <= longest:
        return view
    size = (max(1, round(height * longest / max(height, width))), max(1, round(width * longest / max(height, width))))
    image = interpolate(view.image[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)
    segments, depth = view.segments, view.depth
    if segments is not None:
        labels = interpolate(segments.labels[None, None].double(), size, mode="nearest-exact")[0, 0].long()
        segments = replace(segments, labels=labels)
    if depth is not None:
        depth = replace(depth, values=interpolate(depth.values[None, None], size, mode="nearest-exact")[0, 0])
    return View(image, segments, depth)


def carried(
    full: Float[Tensor, "3 H W"], small: Float[Tensor, "3 h w"], restyled: Float[Tensor, "3 h w"]
) -> Float[Tensor, "3 H W"]:
    """A change made at the working size, on the full picture: what changed follows the full picture's edges, its detail stays."""
    if full.shape == restyled.shape:
        return restyled
    return (full + guided_filter(full, restyled - small, 0.012, 1e-4)).clamp(0, 1)
