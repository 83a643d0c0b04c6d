"""Local contrast of what was blended, set right by the picture's own detail, which agrees from view to view as the picture does."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from relook.ops.guided import box

REACH = 1 / 64
"""Half the window of detail, in longer sides of the picture."""
MOST = 1.5
"""Of a picture's own detail, at most so many times what it has is added; all of it may be taken off."""
FLAT = 1e-3
"""Contrast below which a place has no detail to add."""


def contrast(image: Float[Tensor, "3 H W"]) -> Float[Tensor, "1 H W"]:
    """How far colours are from their mean around, root of the mean square over a window twice as wide and over RGB."""
    return box(_detail(image).square().mean(0, keepdim=True), 2 * _reach(image)).clamp_min(0).sqrt()


def with_contrast(
    new: Float[Tensor, "3 H W"], picture: Float[Tensor, "3 H W"], wanted: Float[Tensor, "1 H W"]
) -> Float[Tensor, "3 H W"]:
    """A new look of a picture, with so much of the picture's detail added, or taken off, that its contrast is what is wanted."""
    gain = (wanted - contrast(new)) / (contrast(picture) + FLAT)
    return new + gain.clamp(-1, MOST) * _detail(picture)


def _detail(image: Float[Tensor, "3 H W"]) -> Float[Tensor, "3 H W"]:
    """What differs from the mean around."""
    return image - box(image, _reach(image))


def _reach(image: Float[Tensor, "3 H W"]) -> int:
    return max(1, round(REACH * max(image.shape[1:])))
