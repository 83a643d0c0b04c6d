"""The whole picture at another size."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate


def resized(image: Float[Tensor, "C H W"], size: Sequence[int], mode: str = "bilinear") -> Float[Tensor, "C h w"]:
    """The picture at `size` (h, w), antialiased, within [0, 1]; mode: bilinear or bicubic. One of that size already stays itself."""
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    return interpolate(image[None], tuple(size), mode=mode, antialias=True)[0].clamp(0, 1)


def scaled(size: Sequence[int], scale: float, multiple: int = 1) -> tuple[int, int]:
    """(h, w) of a picture of `size` (H, W) at another scale, in multiples of `multiple`, at least one of them."""
    height, width = (max(1, round(side * scale / multiple)) * multiple for side in size)
    return height, width


def at_most(size: Sequence[int], longest: int) -> tuple[int, int]:
    """(h, w) of a picture of `size` (H, W) shrunk to at most `longest` pixels on its longer side."""
    return scaled(size, min(1.0, longest / max(size)))
